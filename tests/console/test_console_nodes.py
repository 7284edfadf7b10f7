"""Nodes: what each can do, whether it is there, and whether its counts add up."""

from playwright.sync_api import expect

from tests.console.collector_process import Collector
from tests.console.fake_node import FakeNode
from tests.console.page import ConsolePage


def test_a_node_shows_what_it_can_enforce(console: ConsolePage, node: FakeNode) -> None:
    """Every class with its level and why; every hop with its sum."""
    console.page.get_by_role("link", name="Nodes").click()
    console.page.get_by_role("region", name="All nodes").get_by_role("link", name=node.name, exact=True).click()
    levels = console.page.get_by_role("region", name="Levels")
    expect(levels.get_by_role("row").filter(has_text="file")).to_contain_text("enforced")
    expect(levels.get_by_role("row").filter(has_text="syscall")).to_contain_text("no hook here can refuse")
    expect(levels.get_by_role("row").filter(has_text="bind, listen")).to_contain_text("none")
    expect(console.page.get_by_role("region", name="Accounts").get_by_role("row", name="kernel")).to_contain_text(
        "adds up"
    )


def test_a_node_that_leaves_is_shown_as_gone(console: ConsolePage, collector: Collector) -> None:
    """The page follows a node's link without being reloaded."""
    console.page.get_by_role("link", name="Nodes").click()
    with FakeNode(collector.grpc, name="web-9"):
        row = console.page.get_by_role("region", name="All nodes").get_by_role("row").filter(has_text="web-9")
        expect(row.get_by_text("connected", exact=True)).to_be_visible()
    expect(row.get_by_text("not connected", exact=True)).to_be_visible()
