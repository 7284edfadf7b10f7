"""The page in Debian's chromium, before a real collector with nodes that exist only as streams."""

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.console.collector_process import Collector, running_collector
from tests.console.fake_node import FakeNode
from tests.console.page import CHROMIUM, CHROMIUM_ARGS, ConsolePage

_NUMBERS = itertools.count(1)
CONSOLE = Path(__file__).parents[2] / "collector" / "console"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "own_collector: the test counts what a collector has, or ends it")


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


@pytest.fixture(scope="session")
def shared_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with running_collector(tmp_path_factory.mktemp("collector")) as running:
        yield running


@pytest.fixture
def collector(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Collector]:
    """One for all tests, since each has a node and names of its own; its own for a test marked `own_collector`."""
    if request.node.get_closest_marker("own_collector") is None:
        yield request.getfixturevalue("shared_collector")
        return
    with running_collector(tmp_path / "collector") as running:
        yield running


@pytest.fixture
def node(collector: Collector) -> Iterator[FakeNode]:
    """Connected, with a name that no other test has."""
    with FakeNode(collector.grpc, f"web-{next(_NUMBERS)}") as connected:
        yield connected


@pytest.fixture
def console(page: Page, collector: Collector) -> Iterator[ConsolePage]:
    """Signed in; afterwards the page must have had neither an error nor anything its security policy refused."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.extend([message.text] if message.type == "error" else []))
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
