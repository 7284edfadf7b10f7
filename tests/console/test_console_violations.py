"""Violations as they happen: seen, filtered, held still, counted, and harmless."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from policy.model.types import Class, Effect
from tests.console.collector_process import running_collector
from tests.console.fake_node import Attempt, FakeNode, numbered
from tests.console.page import ConsolePage

ROW_PX = 26
KEPT_MOST = 2000
HOSTILE = [
    (b"/tmp/<script>alert(1)</script>", "/tmp/<script>alert(1)</script>"),
    (b"/tmp/<img src=x onerror=alert(1)>", "/tmp/<img src=x onerror=alert(1)>"),
    (b"/tmp/a\nb", r"/tmp/a\x0ab"),
    (b"/tmp/\x1b[31mred", r"/tmp/\x1b[31mred"),
    (b"/tmp/\xff\xfe", r"/tmp/\xff\xfe"),
]


def test_a_row_says_who_did_what(console: ConsolePage, node: FakeNode) -> None:
    """Effect, policy and rule, class and operations, object, program, node, workload: in one row."""
    node.attempt(Attempt(b"203.0.113.9:4444", rule="egress", class_=Class.NETWORK, effect=Effect.KILL))
    row = console.wait_for_violation("203.0.113.9:4444")
    for text in ("kill", "web / egress", "network", "connect", "/usr/bin/cat", node.name, "web.service"):
        expect(row).to_contain_text(text)


def test_history_is_there_when_the_page_opens(console: ConsolePage, node: FakeNode, other_page: Page) -> None:
    """What was stored before the page was opened is shown, and has no latency."""
    node.attempt(Attempt(node.file("old").encode()))
    node.wait_until_stored()
    later = ConsolePage(other_page, console.base_url)
    later.sign_in(console.page.evaluate("sessionStorage.getItem('ringfence.token')"))
    later.wait_for_violation(node.file("old")).get_by_role("link").click()
    expect(later.detail("Reached this page")).to_have_text("from the store")


def test_the_address_holds_the_filter(console: ConsolePage, node: FakeNode) -> None:
    """A filter narrows the list at once, and a reload or a shared address keeps it."""
    secret, shell = node.file("secret"), node.file("dash")
    node.attempt(Attempt(secret.encode()), Attempt(shell.encode(), class_=Class.EXEC, effect=Effect.KILL))
    console.wait_for_violation(shell)
    console.page.get_by_label("Effect").select_option("kill")
    expect(console.row(secret)).to_have_count(0)
    console.page.get_by_label("Object or program contains").fill("da")

    console.page.reload()
    console.wait_for_violation(shell)
    expect(console.row(secret)).to_have_count(0)
    expect(console.page.get_by_label("Effect")).to_have_value("kill")
    console.page.get_by_role("button", name="Clear").click()
    console.wait_for_violation(secret)


def test_a_paused_list_stands_still_and_counts(console: ConsolePage, node: FakeNode) -> None:
    """While it is paused nothing moves; what waits is counted, and shown on resuming."""
    node.attempt(Attempt(b"/etc/first"))
    console.wait_for_violation("/etc/first")
    console.page.get_by_role("button", name="Pause").click()
    node.attempt(*numbered(Attempt(b"/etc/later"), 1, 7))

    expect(console.page.get_by_text("Paused: 7 newer ones waiting")).to_be_visible()
    expect(console.row("/etc/later")).to_have_count(0)
    console.page.get_by_role("button", name="Resume").click()
    expect(console.row("/etc/later")).to_have_count(7)


def test_a_list_that_is_scrolled_stands_still(console: ConsolePage, node: FakeNode) -> None:
    """Whoever reads further down is not moved by what arrives; going back to the top goes on."""
    node.attempt(*numbered(Attempt(b"/srv/file"), 1, 200))
    console.wait_for_violation("/srv/file/200")
    region = console.page.get_by_role("region", name="List of violations")
    region.evaluate("box => box.scrollTo(0, 1300)")
    expect(console.page.get_by_text("Held while you read")).to_be_visible()
    node.attempt(Attempt(b"/etc/new"))
    expect(console.page.get_by_text("Held while you read: 1 newer one waiting")).to_be_visible()

    region.evaluate("box => box.scrollTo(0, 0)")
    console.wait_for_violation("/etc/new")


@pytest.mark.parametrize(("name", "shown"), HOSTILE)
def test_a_hostile_name_is_only_text(console: ConsolePage, node: FakeNode, name: bytes, shown: str) -> None:
    """Markup, line breaks, escape sequences and bytes that are no text: one line of text, nothing else."""
    node.attempt(Attempt(name, exe=name, comm=name[-15:]))
    row = console.wait_for_violation(shown)
    assert row.bounding_box() == {**(row.bounding_box() or {}), "height": ROW_PX}
    row.get_by_role("link").click()
    expect(console.detail("Program")).to_have_text(shown)


def test_text_that_turns_itself_around_is_spelled_out(console: ConsolePage, node: FakeNode) -> None:
    """Overrides and invisible characters cannot make one name look like another."""
    node.attempt(Attempt("/tmp/\u202egpj.exe\u200b".encode(), exe=b"/tmp/x"))
    row = console.wait_for_violation("gpj.exe")
    assert not {"\u202e", "\u200b"} & set(row.inner_text())
    assert "202e" in row.inner_text() or r"\xe2\x80\xae" in row.inner_text()


def test_a_name_of_4000_bytes_takes_one_line(console: ConsolePage, node: FakeNode) -> None:
    """The row stays as high as any; the details have every byte."""
    name = "/srv/" + "directory/" * 398 + "end.txt"
    node.attempt(Attempt(name.encode()))
    row = console.wait_for_violation("end.txt")
    box = row.bounding_box()
    assert box is not None
    assert box["height"] == ROW_PX
    row.get_by_role("link").click()
    expect(console.page.get_by_role("complementary").get_by_text(name)).to_be_visible()


@pytest.mark.own_collector
def test_a_flood_leaves_the_page_at_hand(console: ConsolePage, node: FakeNode) -> None:
    """
    Thousands at once: memory and document stay bounded, and the page still answers.

    The collector lets a page fall behind so far and no further: what was received and what was lost are all there was.
    """
    for burst in range(10):
        node.attempt(*numbered(Attempt(b"/flood/%d" % burst), 1, 500))
    node.wait_until_stored()
    console.wait_for_violation("/flood/9/500", timeout_ms=15_000)

    expect(console.account()).to_contain_text(f"Showing the last {KEPT_MOST:,} of ")
    received, lost = re.findall(r"of ([\d,]+) received; lost to this page: ([\d,]+)", console.account().inner_text())[0]
    assert int(received.replace(",", "")) + int(lost.replace(",", "")) == 5000
    assert console.page.get_by_role("row").count() < 100
    console.page.get_by_label("Object or program contains").fill("/flood/9/499")
    expect(console.row("/flood/9/")).to_have_count(1)


@pytest.mark.own_collector
def test_older_ones_come_from_the_store(console: ConsolePage, node: FakeNode) -> None:
    """What the page no longer keeps can be fetched while the list stands still."""
    for burst in range(6):
        node.attempt(*numbered(Attempt(b"/flood/%d" % burst), 1, 500))
    console.wait_for_violation("/flood/5/500", timeout_ms=15_000)
    console.page.get_by_label("Object or program contains").fill("/flood/0/7")
    expect(console.row("/flood/0/7")).to_have_count(0)
    console.page.get_by_role("button", name="Pause").click()
    console.page.get_by_role("button", name="Load older").click()
    expect(console.row("/flood/0/7")).to_have_count(11)


def test_the_page_resumes_after_the_collector_was_away(page: Page, tmp_path: Path) -> None:
    """The page says that the link is gone, comes back by itself, and shows what it missed, once."""
    with running_collector(tmp_path / "state") as first:
        console = ConsolePage(page, first.url)
        console.sign_in(first.token)
        with FakeNode(first.grpc, name="web-1") as node:
            node.attempt(Attempt(b"/etc/before"))
            console.wait_for_violation("/etc/before")
    expect(page.get_by_role("status", name="Link to the collector")).to_contain_text("not connected")

    with running_collector(tmp_path / "state", web=first.web, grpc=first.grpc) as second:
        with FakeNode(second.grpc, name="web-2") as node:
            node.attempt(Attempt(b"/etc/meanwhile"))
            node.wait_until_stored()
            console.wait_until_live()
            console.wait_for_violation("/etc/meanwhile", timeout_ms=15_000)
        expect(console.row("/etc/before")).to_have_count(1)
        expect(console.row("/etc/meanwhile")).to_have_count(1)
