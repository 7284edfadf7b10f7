"""Every page in both colour schemes, looked at by axe (WCAG 2.2 A and AA), and reached by keyboard."""

from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import CONSOLE
from tests.console.fake_node import Attempt, FakeNode
from tests.console.page import ConsolePage
from tests.console.test_console_push import POLICY

AXE = CONSOLE / "node_modules" / "axe-core" / "axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_fails_axe(console: ConsolePage, node: FakeNode, scheme: Literal["light", "dark"]) -> None:
    """Names, roles, contrast and order, on every page with something on it."""
    page = console.page
    page.emulate_media(color_scheme=scheme)
    console.paste(POLICY.replace("[read]", "[raed]"))
    console.validate()
    assert _findings(page) == []
    console.paste(POLICY)
    console.validate()
    console.push(node.name)
    node.attempt(Attempt(node.file("secret").encode()), Attempt(b"/tmp/\x1b"))
    console.wait_for_violation(node.file("secret"))
    assert _findings(page) == []
    console.open_violations()
    console.wait_for_violation(node.file("secret")).get_by_role("link").click()
    assert _findings(page) == []
    console.open_policy(node.name, "web")
    assert _findings(page) == []
    page.get_by_role("button", name="Delete").click()
    assert _findings(page) == []
    page.keyboard.press("Escape")
    for name in ("Policies", "Nodes"):
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
        assert _findings(page) == []
    page.get_by_role("button", name="Sign out").click()
    assert _findings(page) == []


def test_a_violation_is_opened_by_keyboard(console: ConsolePage, node: FakeNode) -> None:
    """From the list to a violation's details without a mouse; what has the focus does not change under it."""
    node.attempt(Attempt(node.file("secret").encode()))
    console.wait_for_violation(node.file("secret"))
    console.page.get_by_role("region", name="List of violations").focus()
    console.page.keyboard.press("Tab")
    node.attempt(Attempt(node.file("another").encode()))
    expect(console.page.get_by_text("Held while you read: 1 newer one waiting")).to_be_visible()
    console.page.keyboard.press("Enter")
    expect(console.page.get_by_role("complementary")).to_contain_text(node.file("secret"))


def _findings(page: Page) -> list[tuple[str, str]]:
    """(rule, element) of everything axe objects to."""
    # Evaluated, not inserted: the page's security policy allows no script of another's.
    page.evaluate(AXE.read_text())
    results: dict[str, Any] = page.evaluate("rules => axe.run(rules)", RULES)
    return [(found["id"], node["html"][:200]) for found in results["violations"] for node in found["nodes"]]
