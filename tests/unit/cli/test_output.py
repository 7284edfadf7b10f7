"""What agentctl prints: forms, escapes, help."""

import json
import os
import re
import socket
from pathlib import Path

import pytest
from ringfence.v1 import agent_pb2
from ruamel.yaml import YAML

from agent.cli.main import app
from agent.cli.terminal import printable
from tests.unit.cli.conftest import Agentctl
from tests.unit.cli.node import Running, summary, violation

GOLDEN = Path(__file__).parents[2] / "golden" / "cli"
HOSTILE = "/tmp/a\nb\x1b[2J\u202e\x9b31m<script>"
COMMANDS = [
    "",
    "run",
    "status",
    "doctor",
    "off",
    "on",
    "completion",
    "policy",
    "policy validate",
    "policy lint",
    "policy test",
    "policy render",
    "policy templates",
    "policy explain",
    "policy diff",
    "policy push",
    "policy list",
    "policy get",
    "policy delete",
    "policy confirm",
    "waiver",
    "waiver list",
    "waiver get",
    "waiver delete",
    "violations",
    "violations tail",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain /é", "plain /é"),
        ("a\nb\tc", "a\\x0ab\\x09c"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202egnp", "\\u202egnp"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"caf\xc3\xa9", "café"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_nothing_a_terminal_acts_on_is_printed(text: str | bytes, expected: str) -> None:
    """Controls, escapes, bidirectional marks and bytes that are no text become visible."""
    assert expected == printable(text)


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
def test_hostile_names_are_harmless_in_every_form(agentctl: Agentctl, node: Running, form: str) -> None:
    """A path that its author made of escapes and line ends is shown, not obeyed."""
    node.node.answers["tail"] = [agent_pb2.TailResponse(violations=[violation(object=HOSTILE, comm=HOSTILE)])]
    ran = agentctl("violations", "tail", "-o", form, "--socket", node.path)

    assert ran.code == 0
    assert not set(ran.out) & set("\x1b\x9b\u202e")
    if form == "table":
        assert len(ran.out.splitlines()) == 1
    if form == "json":
        assert json.loads(ran.out)["object"] == HOSTILE


def test_json_and_yaml_hold_the_same(agentctl: Agentctl, node: Running) -> None:
    """Both forms have the names of the protocol and numbers as numbers."""
    as_json = json.loads(agentctl("policy", "list", "-o", "json", "--socket", node.path).out)
    as_yaml = YAML(typ="safe").load(agentctl("policy", "list", "-o", "yaml", "--socket", node.path).out)

    assert as_json == as_yaml
    assert as_json["policies"][0]["rules"][0]["hits"] == 23
    assert as_json["policies"][0]["rules"][0]["class"] == "file"


def test_tail_prints_one_object_a_line_and_what_was_missed(agentctl: Agentctl, node: Running) -> None:
    """JSON can be read line by line; a reader that was too slow is told on stderr."""
    node.node.answers["tail"] = [
        agent_pb2.TailResponse(violations=[violation(), violation()], missed=3),
    ]
    ran = agentctl("violations", "tail", "-f", "-n", "5", "--policy", "web", "-o", "json", "--socket", node.path)

    assert [json.loads(line)["policy"] for line in ran.out.splitlines()] == ["web", "web"]
    assert "3 violations are not shown" in ran.err
    (request,) = node.node.requests
    assert (request.recent, request.follow, list(request.policies)) == (5, True, ["web"])


def test_violation_line_says_what_happened(agentctl: Agentctl, node: Running) -> None:
    """Effect, rule, attempt, who and where, and the id that alert and console show."""
    (line,) = agentctl("violations", "tail", "--socket", node.path).out.splitlines()

    for part in ("deny", "web/secrets", "file.read", "/etc/shadow", "/usr/bin/cat[4711]", "/shop", "n:4f1c09aa:v64"):
        assert part in line


def test_list_is_a_table(agentctl: Agentctl, node: Running) -> None:
    """Columns are aligned and rows are lines, whatever the width."""
    node.node.answers["list"] = agent_pb2.ListResponse(policies=[summary("a" * 200), summary("b")])
    lines = agentctl("policy", "list", "--socket", node.path).out.splitlines()

    assert len(lines) == 3
    assert len({line.index("enforcing") for line in lines[1:]}) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_as_reviewed(agentctl: Agentctl, command: str) -> None:
    """`--help` of every command is kept as a golden file; RINGFENCE_GOLDEN=write writes them anew."""
    out = agentctl(*command.split(), "--help").out
    file = GOLDEN / f"{command.replace(' ', '-') or 'agentctl'}.txt"
    if os.environ.get("RINGFENCE_GOLDEN") == "write":
        file.write_text(out)

    assert file.read_text() == out


def test_every_command_has_a_golden_file() -> None:
    """A new command cannot go without review of its help."""
    from typer.main import get_command

    def names(command: object, prefix: str) -> list[str]:
        below = getattr(command, "commands", {})
        return [prefix.strip()] + [name for key, one in below.items() for name in names(one, f"{prefix} {key}")]

    assert sorted(COMMANDS) == sorted(names(get_command(app), ""))


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_script_names_the_command(agentctl: Agentctl, shell: str) -> None:
    """The script of each shell calls agentctl back."""
    ran = agentctl("completion", shell)

    assert ran.code == 0
    assert re.search(r"_AGENTCTL_COMPLETE=\S*", ran.out)
    assert agentctl("completion", "csh").code == 2


def test_garbage_on_the_socket_hurts_nobody(agentctl: Agentctl, node: Running) -> None:
    """Bytes that are no request end their own connection and nothing else."""
    for garbage in (b"\0" * 4096, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 4096, b"GET / HTTP/1.1\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(node.path))
            connection.sendall(garbage)

    assert agentctl("policy", "list", "--socket", node.path).code == 0


def test_socket_is_for_root_alone(node: Running) -> None:
    """The file's mode keeps others out before anybody is asked."""
    assert node.path.stat().st_mode & 0o777 == 0o600
    assert (node.path.parent / "private").stat().st_mode & 0o777 == 0o700
