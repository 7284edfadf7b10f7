"""What exists is documented: hooks, limits, totals, reasons, settings, commands. And what documents show is true."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from agent.abi import Reason, Total
from agent.cli.main import app
from agent.daemon import main as daemon
from agent.daemon import settings
from agent.loader.manifest import read_manifest
from agent.spool import spool
from agent.uplink import session
from collector.api.settings import Settings as CollectorSettings
from policy.language import load

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = [
    pytest.param(text, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL))
    if "apiVersion:" in text and not text.startswith("# mistakes.yaml")
]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def undocumented(names: set[str], text: str) -> set[str]:
    """Those that do not stand in the text as code."""
    return {name for name in names if not re.search(rf"`{re.escape(name)}[`\s]", text)}


def commands(group: Any, prefix: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        elif not command.hidden:
            yield f"{prefix}{name}"


def test_every_hook_is_documented() -> None:
    """Each program of the manifest has its line on the page of hooks."""
    programs = {program.name for program in read_manifest((ROOT / "bpf/manifest.toml").read_text()).programs}

    assert undocumented(programs, page("reference/hooks.md")) == set()


def test_every_reason_is_documented() -> None:
    """Each reason why a request could not be decided is explained, as it is spelled in events."""
    reasons = {reason.name.lower().replace("_", "-") for reason in Reason if reason is not Reason.DECIDED}

    assert undocumented(reasons, page("reference/hooks.md")) == set()


def test_every_total_and_every_drop_is_documented() -> None:
    """Each sum that the kernel keeps, and each reason for which an event is dropped, stands on the page on counting."""
    names = {total.name.lower() for total in Total} | {session.UNREADABLE, session.REJECTED}
    names |= set(re.findall(r'drop\("([a-z-]+)"', Path(spool.__file__).read_text()))

    assert {"spool-full", "violations"} < names
    assert undocumented(names, page("concepts/counting.md")) == set()


def test_every_limit_of_the_kernel_is_documented() -> None:
    """Each limit of abi.h that a policy or a request can meet is on the page of limits, with its name."""
    header = (ROOT / "bpf/include/abi.h").read_text()
    section = header[header.index("---- limits") : header.index("---- numbers")]
    names = set(re.findall(r"#define (RF_\w+)", section)) - {"RF_CLASSES", "RF_COMM"}

    assert "RF_PATH_MAX" in names
    assert undocumented(names, page("reference/limits.md")) == set()


def test_every_setting_is_documented() -> None:
    """Each setting of agent and collector stands on its page."""
    assert undocumented({name for name, _, _ in settings.names()}, page("reference/agent-settings.md")) == set()
    assert undocumented(set(CollectorSettings.model_fields), page("reference/collector-settings.md")) == set()


def test_every_command_is_documented() -> None:
    """Each command of agentctl is used in its guide, each of the agent in its own."""
    ours = set(commands(typer.main.get_command(app), "agentctl "))
    parser = daemon._parser()
    (subcommands,) = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
    guide, agent = page("guides/agentctl.md"), page("guides/agent.md")

    assert "agentctl policy push" in ours
    assert {command for command in ours if command not in guide} == set()
    assert {name for name in subcommands if f"ringfence-agent {name}" not in agent} == set()


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_is_valid(text: str) -> None:
    """A policy that a document shows can be pushed as it stands."""
    assert load(text).diagnostics == ()


def test_every_link_leads_somewhere() -> None:
    """A file that a document refers to is there."""
    broken = []
    for document in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            if not (document.parent / target).exists():
                broken.append(f"{document.relative_to(ROOT)}: {target}")

    assert broken == []
