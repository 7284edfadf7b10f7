"""The page in Debian's chromium, before a real collector with nodes that exist only as streams."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.console.collector import Collector, running_collector
from tests.console.fake_node import FakeNode
from tests.console.page import CHROMIUM, CHROMIUM_ARGS, ConsolePage

CONSOLE = Path(__file__).parents[2] / "collector" / "console"


@pytest.fixture(scope="session", autouse=True)
def built_console() -> None:
    """What is tested is what the sources say now."""
    sources = [CONSOLE / "index.html", *(CONSOLE / "src").rglob("*"), *(CONSOLE / "public").rglob("*")]
    built = CONSOLE / "dist" / "index.html"
    if built.exists() and built.stat().st_mtime >= max(path.stat().st_mtime for path in sources):
        return
    if not (CONSOLE / "node_modules").exists():
        subprocess.run([CONSOLE / "npm", "ci"], check=True, timeout=240)
    subprocess.run([CONSOLE / "npm", "run", "build"], check=True, timeout=120)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    if not Path(CHROMIUM).exists():
        pytest.fail(f"the console's tests need Debian's chromium at {CHROMIUM}: apt-get install chromium")
    return {"executable_path": CHROMIUM, "args": list(CHROMIUM_ARGS)}


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    return {"viewport": {"width": 1440, "height": 900}}


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with running_collector(tmp_path / "collector") as running:
        yield running


@pytest.fixture
def node(collector: Collector) -> Iterator[FakeNode]:
    with FakeNode(collector.grpc) as connected:
        yield connected


@pytest.fixture
def console(page: Page, collector: Collector) -> Iterator[ConsolePage]:
    """Signed in; afterwards the page must have had neither an error nor anything its security policy refused."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    signed_in = ConsolePage(page, collector.url)
    signed_in.sign_in(collector.token)
    yield signed_in
    # The browser notes every answer that is not a success; the page deals with those, and tests say which they expect.
    assert [text for text in complaints if not text.startswith("Failed to load resource")] == []


@pytest.fixture
def other_page(browser: Browser, browser_context_args: dict[str, Any]) -> Iterator[Page]:
    """A tab that shares nothing with `page`."""
    context = browser.new_context(**browser_context_args)
    yield context.new_page()
    context.close()
