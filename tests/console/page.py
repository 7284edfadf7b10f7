"""
The console as a person uses it: by roles and labels, never by classes or positions.

    console = ConsolePage(page, "http://127.0.0.1:8080")
    console.sign_in(token)
    console.paste(policy_text)
    assert console.validate().valid
    outcome = console.push("web-1")
    console.open_violations()
    console.wait_for_violation("/etc/shadow", timeout_ms=500)
    assert console.latency_ms("/etc/shadow") < 500
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, expect

CHROMIUM = "/usr/bin/chromium"
#: What Debian's chromium needs to run as root, without a screen, and without calling home.
CHROMIUM_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

_POSITION = re.compile(r"line (\d+), column (\d+)")
_DURATION = re.compile(r"(-?[\d.]+) (ms|s|min)")
_MILLISECONDS = {"ms": 1.0, "s": 1000.0, "min": 60_000.0}
_OUTCOME = re.compile(
    r"generation ([\d,]+)(?:: ([\d,]+) rules? enforced, ([\d,]+) observed;)?"
    r".*?([\d.]+ (?:ms|s|min)) from \w+ to enforced"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What validating said: positions are (line, column) of those diagnostics that have one, in order."""

    valid: bool
    text: str
    positions: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """What the node made of a push, as the page tells it; `enforced_after_ms` as it is shown, rounded."""

    text: str
    result: str
    generation: int
    rules_enforced: int
    rules_observed: int
    enforced_after_ms: float


class ConsolePage:
    """
    The console in one browser tab.

    Args:
        page: A tab of any context.
        base_url: Of the collector's web port, without a slash at the end.
    """

    def __init__(self, page: Page, base_url: str) -> None:
        self.page = page
        self.base_url = base_url

    # Signing in

    def sign_in(self, token: str, path: str = "/violations") -> None:
        """By the address's fragment, as the demo does; waits until the stream is open."""
        self.page.goto(f"{self.base_url}{path}#{urlencode({'token': token})}")
        self.wait_until_live()

    def sign_in_by_form(self, token: str) -> None:
        self.page.goto(self.base_url)
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("button", name="Sign in").click()

    def wait_until_live(self) -> None:
        expect(self.page.get_by_role("status", name="Link to the collector")).to_have_text("live", timeout=10_000)

    # Policies

    def paste(self, text: str) -> None:
        """Open the desk if it is not open, and put the whole text into it, as pasting does."""
        box = self.page.get_by_role("textbox", name="Policy text")
        if not box.is_visible():
            self._go("Policies")
            self.page.get_by_role("link", name="New policy").click()
        box.fill(text)

    def validate(self) -> Verdict:
        self.page.get_by_role("button", name="Validate").click()
        panel = self.page.get_by_role("region", name="Diagnostics")
        verdict = panel.get_by_role("status")
        expect(verdict).to_be_visible()
        links = panel.get_by_role("button", name=_POSITION).all()
        matches = (_POSITION.search(link.text_content() or "") for link in links)
        positions = tuple((int(match[1]), int(match[2])) for match in matches if match)
        return Verdict(verdict.inner_text().startswith("Valid"), panel.inner_text(), positions)

    def push(self, node: str | None = None, *, timeout_ms: float = 15_000) -> PushOutcome:
        """Push what was validated to `node` (None: the one that is chosen already) and wait for the outcome."""
        if node is not None:
            self.page.get_by_label("Node").select_option(node)
        self.page.get_by_role("button", name="Push").click()
        return self.outcome(timeout_ms=timeout_ms)

    def outcome(self, *, timeout_ms: float = 15_000) -> PushOutcome:
        article = self.page.get_by_role("article", name="Outcome on").first
        expect(article).to_be_visible(timeout=timeout_ms)
        text = article.inner_text()
        result = text.split()[0]
        match = _OUTCOME.search(text)
        if match is None:
            return PushOutcome(text, result, 0, 0, 0, 0.0)
        generation, enforced, observed = (int((part or "0").replace(",", "")) for part in match.group(1, 2, 3))
        return PushOutcome(text, result, generation, enforced, observed, _milliseconds(match[4]))

    def open_policy(self, node: str, name: str) -> None:
        self._go("Policies")
        self.page.get_by_role("region", name=f"Policies of {node}").get_by_role("link", name=name, exact=True).click()
        expect(self.page.get_by_role("heading", name=name, level=1)).to_be_visible()

    def delete_policy(self, node: str, name: str) -> PushOutcome:
        """Delete it and confirm."""
        self.open_policy(node, name)
        self.page.get_by_role("button", name="Delete").click()
        self.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        return self.outcome()

    # Violations

    def open_violations(self) -> None:
        self._go("Violations")

    def row(self, object_text: str) -> Locator:
        """Rows whose text contains `object_text`, newest first."""
        return self.page.get_by_role("row").filter(has_text=object_text)

    def wait_for_violation(self, object_text: str, *, timeout_ms: float = 5_000) -> Locator:
        """The newest row with this text, once there is one; works on the violations page and beside a push."""
        row = self.row(object_text).first
        expect(row).to_be_visible(timeout=timeout_ms)
        return row

    def latency_ms(self, object_text: str) -> float:
        """
        From the operation to the frame that showed its row, as the page measured it (see the details of the row).

        The page must have shown the row while it was live: history has no latency.
        """
        self.wait_for_violation(object_text).get_by_role("link").first.click()
        shown = self.detail("Visible here")
        expect(shown).to_contain_text(_DURATION)
        return _milliseconds(shown.inner_text())

    def detail(self, name: str) -> Locator:
        """A fact of the violation that is open."""
        details = self.page.get_by_role("complementary", name="Details of the violation")
        term = self.page.get_by_role("term").filter(has_text=re.compile(f"^{re.escape(name)}$"))
        return details.locator("div").filter(has=term).get_by_role("definition")

    def account(self) -> Locator:
        """What is shown of what was received, and what was lost."""
        return self.page.get_by_label("Account of what is shown")

    # Anything

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)

    def _go(self, name: str) -> None:
        self.page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()


def _milliseconds(text: str) -> float:
    match = _DURATION.search(text)
    if match is None:
        raise ValueError(f"no duration in {text!r}")
    return float(match[1]) * _MILLISECONDS[match[2]]
