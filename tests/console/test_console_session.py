"""The token: where it comes from, where it stays, and what happens without one."""

from playwright.sync_api import Page, expect

from tests.console.collector_process import Collector
from tests.console.page import ConsolePage


def test_the_fragment_signs_in_and_vanishes(console: ConsolePage, collector: Collector) -> None:
    """The token is neither in the address bar nor in the history nor anywhere that outlives the tab."""
    assert "token" not in console.page.url
    assert console.page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    console.page.reload()
    console.wait_until_live()


def test_without_a_token_the_page_asks(page: Page, collector: Collector) -> None:
    """The form says where to find the token, and signs in with it."""
    console = ConsolePage(page, collector.url)
    console.sign_in_by_form(collector.token)
    console.wait_until_live()


def test_a_wrong_token_is_refused_in_words(page: Page, collector: Collector) -> None:
    """A token that the collector does not know leads back to the form, which says so."""
    console = ConsolePage(page, collector.url)
    console.sign_in_by_form("not-the-token")
    expect(page.get_by_role("alert")).to_have_text("The collector did not accept this token.")
    console.sign_in_by_form(collector.token)
    console.wait_until_live()


def test_signing_out_forgets_the_token(console: ConsolePage) -> None:
    """Nothing is left in the tab, and going back does not sign in again."""
    console.page.get_by_role("button", name="Sign out").click()
    expect(console.page.get_by_label("Token")).to_be_visible()
    assert console.page.evaluate("sessionStorage.getItem('ringfence.token')") is None


def test_the_page_runs_under_a_strict_policy(page: Page, collector: Collector) -> None:
    """Scripts and styles come from files of the collector's own only."""
    answer = page.goto(collector.url)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
