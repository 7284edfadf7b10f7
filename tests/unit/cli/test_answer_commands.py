"""lint, diff and explain as people see them, on policies of the size that people write."""

import json
import os
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Agentctl, Ran

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "docs/examples"
GOLDEN = ROOT / "tests/golden/answers"
NOW = "2026-11-24"

#: What somebody changes in each policy: (text, in its place).
EDITS = {
    "nginx": [
        ("upstreamPorts: [8080, 9000]", "upstreamPorts: [8080, 9000, 22]"),
        ("signal: deny", "signal: audit"),
        ("names: [net_bind_service,", "names: [net_bind_service, sys_ptrace,"),
    ],
    "postgresql": [("defaults:", "mode: permissive\n  defaults:")],
    "ci-runner": [("action: kill", "action: deny"), ("  scope:\n", "  failMode: open\n  scope:\n")],
}
REQUESTS = {
    "nginx-reads-shadow": ("nginx", "read", "/etc/shadow", "--exe", "/usr/sbin/nginx", "--user", "www-data"),
    "nginx-workers-key": (
        "nginx",
        "read",
        "/etc/ssl/private/shop.key",
        "--exe",
        "/usr/sbin/nginx",
        "--user",
        "www-data",
    ),
    "nginx-somebodys-key": ("nginx", "read", "/etc/ssl/private/shop.key"),
    "nginx-connects": ("nginx", "connect", "10.1.2.3:443/tcp", "--exe", "/usr/sbin/nginx", "--user", "www-data"),
    "nginx-listens": ("nginx", "listen", "[::]:80/tcp", "--exe", "/usr/sbin/nginx", "--user", "root"),
    "postgresql-executes": ("postgresql", "exec", "/bin/sh", "--exe", "/usr/lib/postgresql/15/bin/postgres"),
    "postgresql-sys-admin": ("postgresql", "use", "sys_admin"),
    "ci-runner-mounts": ("ci-runner", "mount", "/dev/sda1", "on", "/mnt", "ext4", "--user", "1000"),
    "ci-runner-writes": ("ci-runner", "write,create", "/usr/bin/x", "--exe", "/usr/bin/make", "--parent", "/bin/sh"),
}


@pytest.fixture(autouse=True)
def in_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """File names in answers are those of the examples."""
    monkeypatch.chdir(EXAMPLES)


def reviewed(name: str, ran: Ran) -> None:
    """Compare with the golden file; RINGFENCE_GOLDEN=write writes it anew."""
    assert ran.err == ""
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("RINGFENCE_GOLDEN") == "write":
        golden.write_text(ran.out)

    assert golden.read_text() == ran.out


def edited(name: str, tmp_path: Path) -> Path:
    """A policy after somebody changed it."""
    text = (EXAMPLES / f"{name}.yaml").read_text()
    for old, new in EDITS[name]:
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / f"{name}.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("name", EDITS)
def test_lint_of_the_examples(agentctl: Agentctl, name: str) -> None:
    """What lint says; exit 4 exactly if there is a warning or worse."""
    ran = agentctl("policy", "lint", f"{name}.yaml", "--now", NOW)

    assert ran.code == (4 if "warning[" in ran.out or "error[" in ran.out else 0)
    reviewed(f"command-lint-{name}", ran)


@pytest.mark.parametrize("name", EDITS)
def test_diff_of_an_edited_example(agentctl: Agentctl, tmp_path: Path, name: str) -> None:
    """What a change means, the riskiest first; exit 4, for each of these is weaker."""
    ran = agentctl("policy", "diff", f"{name}.yaml", edited(name, tmp_path), "--now", NOW, "--examples", "3")

    assert ran.code == 4
    reviewed(f"command-diff-{name}", ran)


@pytest.mark.parametrize("name", EDITS)
def test_the_same_is_equal_and_the_way_back_is_not_weaker(agentctl: Agentctl, tmp_path: Path, name: str) -> None:
    """Exit 0 both times; only the first is called equal."""
    same = agentctl("policy", "diff", f"{name}.yaml", f"{name}.yaml", "--now", NOW)
    assert (same.code, same.out) == (0, "equal: every request is decided alike\n")

    back = agentctl("policy", "diff", edited(name, tmp_path), f"{name}.yaml", "--now", NOW)
    assert back.code == 0
    assert back.out.startswith("not weaker")


@pytest.mark.parametrize("name", REQUESTS)
def test_explain_requests_to_the_examples(agentctl: Agentctl, name: str) -> None:
    """Why each of these is decided as it is."""
    file, *words = REQUESTS[name]
    ran = agentctl("policy", "explain", f"{file}.yaml", *words, "--now", NOW)

    assert ran.code == 0
    reviewed(f"command-explain-{name}", ran)


def test_answers_as_json(agentctl: Agentctl, tmp_path: Path) -> None:
    """Programs get the same facts under stable names."""
    findings = json.loads(agentctl("policy", "lint", "nginx.yaml", "-o", "json").out)["findings"]
    assert {"code", "name", "severity", "message", "file", "line"} <= findings[0].keys()

    difference = json.loads(agentctl("policy", "diff", "nginx.yaml", edited("nginx", tmp_path), "-o", "json").out)
    assert difference["weaker"]
    first = difference["compared"][0]["differences"][0]
    assert (first["change"], first["weaker"], first["before"]["effect"]) == ("newly allowed", True, "deny")

    why = json.loads(agentctl("policy", "explain", "nginx.yaml", "read", "/etc/shadow", "-o", "json").out)
    assert why["decision"]["rule"] == "secrets"
    assert [one["part"] for one in why["policies"][0]["rules"] if one["rule"] == "secrets"] == ["decides"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["read"], "`read` could be of class ptrace, keyring"),
        (["load"], "`load` could be of class bpf, module"),
        (["connect", "10.1.2.300:443"], "`10.1.2.300:443` is nothing to `connect`"),
        (["use", "sys_admn"], "`sys_admn` is nothing to `use`"),
        (["eat", "/etc/shadow"], "there is no operation"),
    ],
)
def test_words_that_are_no_request(agentctl: Agentctl, words: list[str], said: str) -> None:
    """Exit 2, and what is wrong with them."""
    ran = agentctl("policy", "explain", "nginx.yaml", *words)

    assert ran.code == 2
    assert said in ran.err


def test_hostile_names_are_harmless(agentctl: Agentctl, tmp_path: Path) -> None:
    """Patterns, messages and requests that a terminal would act on are shown, not obeyed."""
    file = tmp_path / "evil.yaml"
    file.write_text(
        "apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: evil}\nspec:\n  scope: [{unit: a.service}]\n"
        '  rules:\n  - id: r\n    file: {paths: ["/a\\x1b2J\\n/*"], operations: [read]}\n    action: deny\n'
        '    message: "\\u202egnp\\e]0;x"\n'
        '  - {id: s, file: {paths: ["/a\\x1b2J\\n/b"], operations: [read]}, action: allow}\n'
    )
    outs = [
        agentctl("policy", "lint", file).out,
        agentctl("policy", "explain", file, "read", "/a\x1b2J\n/b").out,
        agentctl("policy", "diff", file, "nginx.yaml").out,
    ]

    assert not set("".join(outs)) & set("\x1b\x9b\u202e")
    assert all(out for out in outs)


def test_directories_are_read_whole(agentctl: Agentctl, tmp_path: Path) -> None:
    """All YAML files below, tests among them; the same name in two files is an error."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "nginx.yaml").write_text((EXAMPLES / "nginx.yaml").read_text())

    assert agentctl("policy", "diff", EXAMPLES, EXAMPLES).code == 0
    ran = agentctl("policy", "lint", tmp_path)
    assert ran.code == 3
    assert "duplicate policy" in ran.err
