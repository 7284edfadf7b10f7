"""`agentctl policy test`, `render` and `templates`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ruamel.yaml import YAML

from policy import templates
from policy.language import load
from tests.unit.cli.conftest import Agentctl

ROOT = Path(__file__).parents[3]
CASES = """\
---
apiVersion: ringfence.dev/v1
kind: PolicyTest
metadata: {name: shop}
spec:
  cases:
    - name: "hashes are read"
      subject: {exe: /usr/bin/cat, user: 0, group: 0}
      request: {file: {path: /etc/shadow, operations: [read]}}
      expect: deny
      rule: secrets
    - name: "names are read"
      subject: {exe: /usr/bin/cat, user: 0, group: 0}
      request: {file: {path: /etc/passwd, operations: [read]}}
      expect: allow
"""


@pytest.fixture
def tested(policy_file: Path) -> Path:
    policy_file.write_text(policy_file.read_text() + CASES)
    return policy_file


def change(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def test_all_as_expected(agentctl: Agentctl, tested: Path) -> None:
    """Exit 0, a line for each case, and the sum on stderr."""
    ran = agentctl("policy", "test", tested)

    assert (ran.code, ran.err) == (0, "2 cases: all as expected\n")
    assert [line.split()[0] for line in ran.out.splitlines()[1:]] == ["ok", "ok"]


def test_a_failure_says_what_why_and_where(agentctl: Agentctl, tested: Path) -> None:
    """Exit 4; what was expected and found, the rule that decided, and where case and rule stand."""
    change(tested, "action: deny", "action: audit")
    ran = agentctl("policy", "test", tested)

    assert ran.code == 4
    assert "case `hashes are read`: expected deny, found audit" in ran.err
    assert f"--> {tested}:16:7" in ran.err
    assert f"policy `web`, rule `secrets` decides: {tested}:7:7" in ran.err
    assert "2 cases: 1 not as expected" in ran.err
    assert [line.split()[0] for line in ran.out.splitlines()[1:]] == ["FAILED", "ok"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rule: secrets", "rule: others", "expected rule `others` to decide, found `secrets`"),
        ("rule: secrets", "policy: others", "expected policy `others` to decide, found `web`"),
        ("rule: secrets", "errno: ENOENT", "expected ENOENT as the answer, found EPERM"),
        ("expect: deny", "expect: undecided", "expected undecided, found deny"),
        ("expect: allow", "expect: would-deny", "expected would-deny, found allow"),
        ("subject: {exe: /usr/bin/cat, user: 0, group: 0}", "subject: {exe: /usr/bin/x, user: 0, group: 0}", ""),
    ],
)
def test_every_expectation_is_held_against_what_is_found(
    agentctl: Agentctl, tested: Path, old: str, new: str, said: str
) -> None:
    """Effect, rule, policy and errno; what is left out is not asked for."""
    ran = agentctl("policy", "test", change(tested, old, new))

    assert ran.code == (4 if said else 0)
    assert said in ran.err


def test_forms_hold_the_same(agentctl: Agentctl, tested: Path) -> None:
    """JSON and YAML say for each case what was expected and what was found."""
    as_json = json.loads(agentctl("policy", "test", tested, "-o", "json").out)
    as_yaml = YAML(typ="safe").load(agentctl("policy", "test", tested, "-o", "yaml").out)

    assert as_json == as_yaml
    assert as_json["ok"] is True
    first = as_json["tests"][0]["cases"][0]
    assert first["expected"] == {"effect": "deny", "rule": "secrets"}
    assert (first["found"]["rule"], first["found"]["line"], first["found"]["errno"]) == ("secrets", 7, "EPERM")


def test_junit_is_xml_whatever_names_hold(agentctl: Agentctl, tested: Path, tmp_path: Path) -> None:
    """Markup is escaped, what XML cannot hold is replaced, on stdout and in a file alike."""
    hostile = 'name: "<b>&\\"\\e[31m\\0\\uFFFE]]> ok"'
    change(change(tested, 'name: "hashes are read"', hostile), "expect: deny", "expect: kill")
    report = tmp_path / "report.xml"
    ran = agentctl("policy", "test", tested, "-o", "junit", "--junit", report)

    assert ran.code == 4
    assert report.read_text() == ran.out
    (suite,) = ElementTree.fromstring(ran.out)
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert suite[0].get("name") == '<b>&"\ufffd[31m\ufffd\ufffd]]> ok'
    assert suite[0][0].get("message") == "expected kill, found deny"
    assert len(suite[1]) == 0


def test_hostile_names_are_harmless(agentctl: Agentctl, tested: Path) -> None:
    """A case's name reaches no terminal as it is."""
    change(tested, 'name: "hashes are read"', 'name: "\\e[2J\\u202egnp"')
    change(tested, "expect: deny", "expect: kill")
    ran = agentctl("policy", "test", tested)

    assert not set(ran.out + ran.err) & set("\x1b\u202e")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("path: /etc/shadow", "path: etc/shadow", "does not begin with `/`"),
        ("operations: [read]}}", "operations: [raed]}}", "unknown operation `raed`"),
        ("expect: deny", "expect: no", "unknown expect `no`"),
        ("spec:\n  cases", "spec:\n  policies: [other]\n  cases", "there is no policy `other`"),
        ("{file: {path: /etc/shadow, operations: [read]}}", "{}", "a request is of one class, found none"),
        ('"names are read"', '"hashes are read"', "duplicate case `hashes are read`"),
    ],
)
def test_an_invalid_test_is_no_failure(agentctl: Agentctl, tested: Path, old: str, new: str, said: str) -> None:
    """Exit 3, and where the mistake is; nothing on stdout."""
    ran = agentctl("policy", "test", change(tested, old, new))

    assert (ran.code, ran.out) == (3, "")
    assert said in ran.err
    assert f"--> {tested}:" in ran.err


def test_no_tests_are_no_success(agentctl: Agentctl, policy_file: Path) -> None:
    """A build that tests nothing should hear of it."""
    ran = agentctl("policy", "test", policy_file)

    assert ran.code == 3
    assert "there are no tests in these files" in ran.err


def test_waivers_are_in_effect_until_they_end(agentctl: Agentctl, tested: Path, tmp_path: Path) -> None:
    """A case says when it is; before the end the waiver decides, then the rule again."""
    waiver = tmp_path / "waiver.yaml"
    waiver.write_text(
        """\
apiVersion: ringfence.dev/v1
kind: Waiver
metadata: {name: audit}
spec: {policy: web, rule: secrets, reason: "an audit", owner: ana, expires: 2027-01-31}
"""
    )
    change(
        tested, "expect: deny\n      rule: secrets", "expect: allow\n      time: 2027-01-30\n      rule: waiver:audit"
    )
    assert agentctl("policy", "test", tested, waiver).code == 0

    change(tested, "2027-01-30", "2027-02-01")
    assert "expected allow, found deny" in agentctl("policy", "test", tested, waiver).err


def test_names_of_users_are_told_apart(agentctl: Agentctl, tested: Path) -> None:
    """Whatever numbers a node has for them: a name matches itself, and no number."""
    change(tested, "- id: secrets", "- id: secrets\n      subject: {user: [www-data]}")
    change(tested, "user: 0", "user: www-data")
    assert agentctl("policy", "test", tested).code == 0

    change(tested, "user: www-data,", "user: 33,")
    assert "expected deny, found allow" in agentctl("policy", "test", tested).err


@pytest.mark.parametrize("name", ["ci-runner", "nginx", "postgresql"])
def test_reports_of_examples_are_as_reviewed(agentctl: Agentctl, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What people see of the policies of real size; RINGFENCE_GOLDEN=write writes it anew."""
    monkeypatch.chdir(ROOT / "docs/examples")
    ran = agentctl("policy", "test", f"{name}.yaml", f"{name}.test.yaml")
    file = ROOT / f"tests/golden/examples/{name}.test.txt"
    if os.environ.get("RINGFENCE_GOLDEN") == "write":
        file.write_text(ran.out)

    assert ran.code == 0
    assert file.read_text() == ran.out


def test_render_prints_what_applies(agentctl: Agentctl) -> None:
    """Templates are filled in; what is printed is valid and means the same."""
    file = ROOT / "docs/examples/nginx.yaml"
    ran = agentctl("policy", "render", file)

    assert ran.code == 0
    assert "template:" not in ran.out
    assert load(ran.out).policies == load(file.read_text()).policies


def test_shells_complete_names_of_templates() -> None:
    """Tab after `policy templates` offers the library."""
    environment = {
        "_AGENTCTL_COMPLETE": "complete_bash",
        "COMP_WORDS": "agentctl policy templates no-",
        "COMP_CWORD": "3",
    }
    done = subprocess.run(
        [sys.executable, "-m", "agent.cli.main"],
        env=os.environ | environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.split() == ["no-package-managers", "no-shells"]


def test_templates_are_listed_and_shown(agentctl: Agentctl) -> None:
    """The library by name; one with its parameters, rules and limits; a misspelling is answered with 4 and a hint."""
    listed = json.loads(agentctl("policy", "templates", "-o", "json").out)["templates"]
    assert [one["name"] for one in listed] == list(templates.names())

    shown = agentctl("policy", "templates", "least-egress")
    assert shown.code == 0
    assert all(word in shown.out for word in ("resolvers", "required", "other-peers", "T1041", "limits"))
    as_data = json.loads(agentctl("policy", "templates", "least-egress", "-o", "json").out)
    assert [one["name"] for one in as_data["parameters"] if one["required"]] == ["peers"]

    missing = agentctl("policy", "templates", "web-sever")
    assert missing.code == 4
    assert "did you mean `web-server`?" in missing.err
