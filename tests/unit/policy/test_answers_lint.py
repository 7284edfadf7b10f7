"""What lint finds, and what it leaves alone."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from policy.answers.findings import CODES, Finding, Severity, table
from policy.answers.lint import lint
from policy.answers.sarif import sarif
from policy.language import load
from policy.model.types import Position

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests/golden/answers"
NOW = 1_800_000_000
LIBRARY = sorted((ROOT / "policy/templates/library").glob("*.test.yaml"))


def written(rules: str, more: str = "", scope: str = "{unit: app.service}") -> str:
    return f"""
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {{name: app}}
spec:
  scope: [{scope}]
{more}
  rules:
{rules}
"""


def found(*texts: str) -> list[Finding]:
    """Findings about some documents."""
    result = load("\n---\n".join(texts), "app.yaml")
    assert result.ok, result.diagnostics
    return lint(result.policies, result.waivers, now=NOW)


def said(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.code.id, str(one.severity), one.rule) for one in findings]


@pytest.mark.parametrize(
    ("rules", "more", "expected"),
    [
        pytest.param(
            """  - {id: all, file: {paths: ["/srv/**"], operations: [read, write]}, action: deny}
  - {id: one, file: {paths: ["/srv/a"], operations: [read]}, action: allow}""",
            "",
            [("RF101", "warning", "one")],
            id="one rule hides another",
        ),
        pytest.param(
            """  - {id: user, subject: {user: [33]}, file: {paths: ["/srv/**"], operations: [read]}, action: deny}
  - {id: rest, subject: {not: {user: [33]}}, file: {paths: ["/srv/*"], operations: [read]}, action: deny}
  - {id: one, file: {paths: ["/srv/a"], operations: [read]}, action: allow}""",
            "",
            [("RF101", "warning", "one")],
            id="two rules hide another together",
        ),
        pytest.param(
            """  - {id: all, file: {paths: ["/srv/**"], operations: [read]}, action: deny}
  - {id: one, file: {paths: ["/srv/a"], operations: [read, write]}, action: deny}""",
            "",
            [("RF102", "note", "one")],
            id="one operation is hidden",
        ),
        pytest.param(
            """  - {id: public, file: {paths: ["/srv/*/public/**"], operations: [read]}, action: allow}
  - {id: secret, file: {paths: ["/srv/secret/**"], operations: [read]}, action: deny}""",
            "",
            [("RF103", "warning", "public")],
            id="two overlap in part",
        ),
        pytest.param(
            """  - {id: some, subject: {exe: [/usr/bin/a]}, file: {paths: ["/**"], operations: [read]}, action: allow}
  - {id: secret, file: {paths: ["/srv/secret/**"], operations: [read]}, action: deny}""",
            "",
            [("RF103", "note", "some")],
            id="some are let through first",
        ),
        pytest.param(
            """  - {id: exception, file: {paths: ["/srv/secret/a", "/opt/b"], operations: [read]}, action: allow}
  - {id: secret, file: {paths: ["/srv/secret/**"], operations: [read]}, action: deny}
  - {id: rest, file: {paths: ["/opt/**"], operations: [read]}, action: audit}""",
            "",
            [],
            id="an exception before the rule is how it is done",
        ),
        pytest.param(
            """  - {id: one, file: {paths: ["/srv/a"], operations: [read]}, action: allow}""",
            "",
            [("RF104", "warning", "one")],
            id="the default says so already",
        ),
        pytest.param(
            """  - {id: one, network: {operations: [connect], to: ["10.0.0.0/8"]}, action: deny, message: "no"}""",
            "  defaults: {network: deny}",
            [("RF104", "note", "one")],
            id="a rule that gives the default a name",
        ),
        pytest.param(
            """  - {id: one, network: {operations: [connect], to: [10.0.0.0/8]}, action: deny, errno: EACCES}""",
            "  defaults: {network: deny}",
            [],
            id="another errno is another answer",
        ),
        pytest.param(
            "  - {id: one, network: {operations: [create], families: [netlink]}, action: deny}",
            "  defaults: {network: deny}",
            [],
            id="what a default does not reach",
        ),
        pytest.param(
            """  - id: one
    subject: {exe: ["/usr/bin/a*"], not: {exe: ["/usr/bin/*"]}}
    file: {paths: ["/srv/a"], operations: [read]}
    action: deny""",
            "",
            [("RF105", "warning", "one")],
            id="nobody is wanted and not unwanted",
        ),
        pytest.param(
            """  - {id: one, file: {paths: ["/**"], operations: [read]}, action: kill}""",
            "",
            [("RF106", "warning", "one")],
            id="everything",
        ),
        pytest.param(
            """  - {id: one, file: {paths: ["/var/lock/a"], operations: [write]}, action: deny}""",
            "",
            [("RF109", "warning", "one")],
            id="a symlink",
        ),
        pytest.param(
            """  - {id: one, exec: {paths: ["/bin/sh", "/bin/dash"]}, action: deny}""",
            "",
            [],
            id="a symlink and what it leads to",
        ),
    ],
)
def test_rules_that_are_not_what_they_seem(rules: str, more: str, expected: list[tuple[str, str, str]]) -> None:
    """Each kind of finding about a rule, and its nearest neighbour that is none."""
    assert said(found(written(rules, more))) == expected


def test_hidden_rule_names_who_hides_it_and_where() -> None:
    """The finding stands where the rule is, and points to the one before it."""
    rules = """  - {id: all, file: {paths: ["/srv/**"], operations: [read]}, action: deny}
  - {id: one, file: {paths: ["/srv/a"], operations: [read]}, action: allow}"""
    (finding,) = found(written(rules))

    assert finding.position == Position("app.yaml", 10, 5)
    assert finding.message == "never decides: rule `all` matches all that it matches"
    assert finding.related == (("rule `all`", Position("app.yaml", 9, 5)),)


def test_contradiction_shows_a_request_that_both_match() -> None:
    """Without an example nobody believes it."""
    rules = """  - {id: public, file: {paths: ["/srv/*/public/**"], operations: [read]}, action: allow}
  - {id: secret, file: {paths: ["/srv/secret/**"], operations: [read]}, action: deny}"""
    (finding,) = found(written(rules))

    assert "`read /srv/secret/public/a by anyone`" in finding.message


def test_policies_that_leave_nothing_of_each_other() -> None:
    """Each allows some files, together they allow none; with another scope they would not meet."""
    one = written(
        '  - {id: a, file: {paths: ["/srv/**"], operations: [read]}, action: allow}', "  defaults: {file: deny}"
    )
    other = one.replace("name: app", "name: other").replace("/srv/**", "/var/**")

    assert [one.code.id for one in found(one, other)] == ["RF107"]
    assert found(one, other.replace("app.service", "other.service")) == []


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("{host: true}", ["error", "error", "error", "warning"]),
        ('{cgroup: "/system.slice/**"}', ["warning"] * 2),
        ("{unit: containerd.service}", ["warning"]),
        ("{unit: app.service}", []),
    ],
)
def test_those_whom_the_node_needs_are_asked_about(scope: str, expected: list[str]) -> None:
    """Who runs in the scope must not be refused what it needs; with host scope that is an error."""
    rules = """  - {id: a, exec: {paths: ["/usr/bin/{runc,bash}", "/usr/sbin/agetty"]}, action: deny}"""
    findings = [one for one in found(written(rules, scope=scope)) if one.code.id == "RF108"]

    assert sorted(str(one.severity) for one in findings) == expected


def test_waivers_end() -> None:
    """A waiver of more than 366 days is a warning, one that has ended a note."""
    rules = '  - {id: a, file: {paths: ["/srv/**"], operations: [read]}, action: deny}'
    waiver = """
apiVersion: ringfence.dev/v1
kind: Waiver
metadata: {name: w}
spec: {policy: app, rule: a, reason: r, owner: o, expires: "%s"}
"""
    assert said(found(written(rules), waiver % "2029-01-01T00:00:00Z")) == [("RF110", "warning", "a")]
    assert said(found(written(rules), waiver % "2027-06-01T00:00:00Z")) == []
    assert said(found(written(rules), waiver % "2026-06-01T00:00:00Z")) == [("RF111", "note", "a")]


def test_too_many_kinds_of_names_are_said_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit the class is named as not decided."""
    monkeypatch.setattr("policy.answers.names.STATES_MAX", 4)
    rules = '  - {id: a, file: {paths: ["/srv/**"], operations: [read]}, action: deny}'

    assert ("RF190", "note", "") in said(found(written(rules)))


def test_root_file_system_is_asked_for_links() -> None:
    """With a machine to look at, what is a symlink there counts, and nothing else."""
    rules = '  - {id: a, file: {paths: ["/data/x", "/var/lock/a", "/bin/y"], operations: [read]}, action: deny}'
    result = load(written(rules), "app.yaml")
    links = {"/data": "/srv/data", "/bin": "/usr/bin"}
    (finding,) = lint(result.policies, now=NOW, link=links.get)

    assert finding.hint == "write `/srv/data/x`"


def test_codes_stay() -> None:
    """A code is unique, and its page is the one that is generated; RINGFENCE_GOLDEN=write writes it anew."""
    page = ROOT / "docs/reference/lint.md"
    if os.environ.get("RINGFENCE_GOLDEN") == "write":
        page.write_text(table())

    assert page.read_text() == table()
    assert len({code.id for code in CODES}) == len({code.name for code in CODES}) == len(CODES)
    assert all(re.fullmatch(r"RF1\d\d", code.id) for code in CODES)


def test_sarif_has_the_shape_that_the_standard_asks_for() -> None:
    """What SARIF 2.1.0 requires: version, runs, tool, driver, rules by index, levels, locations counted from 1."""
    rules = '  - {id: one, file: {paths: ["/srv/a b"], operations: [read]}, action: allow}'
    log: dict[str, Any] = sarif(found(written(rules)), "1.2.3")
    (run,) = log["runs"]
    (result,) = run["results"]
    driver = run["tool"]["driver"]

    assert (log["version"], driver["name"], driver["version"]) == ("2.1.0", "agentctl policy lint", "1.2.3")
    assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "RF104"
    assert result["level"] in ("error", "warning", "note")
    assert result["message"]["text"].startswith("policy `app`, rule `one`: changes nothing")
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "app.yaml"}
    assert place["region"] == {"startLine": 9, "startColumn": 5}


@pytest.mark.parametrize("severity", list(Severity))
def test_severities_are_levels_of_sarif(severity: Severity) -> None:
    """The words are the same."""
    assert str(severity) in ("error", "warning", "note")


@pytest.mark.parametrize("file", [*LIBRARY, ROOT / "packaging/demo/policy.yaml"], ids=lambda file: file.name)
def test_findings_about_the_library_are_as_reviewed(file: Path) -> None:
    """What lint says of every template as its tests use it; RINGFENCE_GOLDEN=write writes the files anew."""
    result = load(file.read_text(), file.name)
    lines = [
        f"{one.severity}[{one.code.id}] {one.policy}/{one.rule}:{one.position.line}: {one.message}\n  {one.hint}"
        for one in lint(result.policies, result.waivers, now=NOW)
    ]
    text = "\n".join(lines or ["nothing found"]) + "\n"
    golden = GOLDEN / f"lint-{file.name.split('.')[0]}.txt"
    if os.environ.get("RINGFENCE_GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)

    assert golden.read_text() == text


def test_patterns_past_the_compilers_limit_are_a_finding_not_a_crash() -> None:
    """A rule whose paths the compiler would refuse is not decided, and the others are."""
    huge = "".join(f"{{{','.join('abcdefgh')}}}" for _ in range(3)) + "z" * 3900
    rules = f'    - {{id: huge, file: {{paths: ["/x/{huge}"], operations: [read]}}, action: deny}}'

    assert {finding.code.id for finding in found(written(rules))} == {"RF190"}


def test_a_file_name_that_is_not_utf_8_becomes_a_uri() -> None:
    """Names of files are bytes: SARIF's places are URIs, percent-encoded."""
    rules = '    - {id: one, file: {paths: ["/a"], operations: [read]}, action: deny}\n'
    rules += '    - {id: two, file: {paths: ["/a"], operations: [read]}, action: deny}'
    result = load(written(rules), b"g\xff.yaml".decode("utf-8", "surrogateescape"))
    log = sarif(lint(result.policies, result.waivers, now=NOW), "1")

    places = [one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in log["runs"][0]["results"]]
    assert set(places) == {"g%FF.yaml"}


def test_sockets_that_fall_back_to_addresses_have_them() -> None:
    """SMC sockets connect to IPv4 and IPv6: a rule for them decides something."""
    rules = '    - {id: smc, network: {operations: [connect], families: [smc], to: ["10.0.0.0/8"]}, action: deny}'

    assert found(written(rules)) == []
