"""Reading policies: positions and hints, several errors at once, and bounds on everything."""

import random
import time
from pathlib import Path

import pytest

from policy.language import Severity, digest, dump, format_diagnostic, json_schema, load
from policy.language.document import TEXT_MAX
from policy.language.reading import DIAGNOSTICS_MAX
from policy.model.types import HostScope, Subject

GOOD = """\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: web}
spec:
  scope: [{host: true}]
  rules:
    - id: no-shell
      exec:
        paths: ["/bin/*sh"]
        operations: [exec]
      action: deny
"""
SECONDS = 5


def change(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_good_text_has_no_diagnostics() -> None:
    """What is right is silent."""
    result = load(GOOD, "policies/web.yaml")

    assert result.ok
    assert result.policies[0].name == "web"
    assert result.policies[0].rules[0].position.line == 7


def test_diagnostic_has_the_form_of_the_contract() -> None:
    """Severity, policy, rule, message; then the place; then a hint."""
    result = load(change("[exec]", "[exce]"), "policies/web.yaml")

    assert [format_diagnostic(one) for one in result.diagnostics] == [
        "error: policy `web`, rule `no-shell`: unknown operation `exce`\n"
        "  --> policies/web.yaml:10:22\n"
        "hint: did you mean `exec`?"
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "message", "hint"),
    [
        ("action: deny", "acton: deny", 11, "unknown field `acton`", "did you mean `action`?"),
        ("action: deny", "action: dney", 11, "unknown action `dney`", "did you mean `deny`?"),
        ("exec:\n", "exek:\n", 8, "unknown field `exek`", "did you mean `exec`?"),
        ("{host: true}", "{host: false}", 5, "`host` can only be `true`", "leave it out"),
        ("[{host: true}]", "[]", 5, "`scope` is empty", ""),
        ("  scope: [{host: true}]\n", "", 4, "field `scope` is missing", ""),
        (
            "{host: true}",
            "{container: {}}",
            5,
            "field `container` is not supported by this version",
            "supported: `cgroup`",
        ),
        ("{host: true}", "{cgroup: }", 5, "`cgroup` must be text, found nothing", ""),
        ("{host: true}", "{unit: nginx}", 5, "not a unit that has a cgroup", "`.service`"),
        ("{host: true}", "{unit: a@.service}", 5, "a template of units", "`a@1.service`"),
        ("{name: web}", "{name: Web_1}", 3, "`Web_1` is not a name", "did you mean `web-1`?"),
        ("{name: web}", "{name: 5}", 3, "`name` must be text, found a number", 'write it in quotes: "5"'),
        ("kind: Policy", "kind: Polcy", 2, "unknown kind `Polcy`", "did you mean `Policy`?"),
        ("kind: Policy", "kind: Deployment", 2, "unknown kind `Deployment`", "known: `Policy`, `Waiver`"),
        ("dev/v1", "dev/v9", 1, "apiVersion `ringfence.dev/v9` is not known", "ringfence.dev/v1"),
        ("[exec]", "exec", 10, "`operations` must be a list, found text", '["exec"]'),
        ('"/bin/*sh"', '"bin/*sh"', 9, "does not begin with `/`", "from the root"),
        ("deny", "deny\n      subject: {parnet: [/a]}", 12, "unknown field `parnet`", "did you mean `parent`?"),
        ("deny", "deny\n      subject: {usr: [0]}", 12, "unknown field `usr`", "did you mean `user`?"),
        ("deny", "deny\n      subject:", 12, "`subject` must be fields, found nothing", ""),
        ("deny", "deny\n      severity: hihg", 12, "unknown severity `hihg`", "did you mean `high`?"),
        (
            "deny",
            "deny\n      file: {paths: [/a], operations: [read]}",
            7,
            "the rule is about one class, found `file` and `exec`",
            "write one for each class",
        ),
        ("deny", "deny\n      capabilty: {}", 12, "unknown field `capabilty`", "did you mean `capability`?"),
        (
            "deny",
            "deny\n    - {id: no-shell, action: allow, exec: {paths: [/a]}}",
            12,
            "duplicate rule id `no-shell`",
            "",
        ),
        ("deny", "deny\n      mode: permissive", 12, "unknown field `mode`", "`mode` belongs under `spec`"),
    ],
)
def test_mistakes_are_explained(old: str, new: str, line: int, message: str, hint: str) -> None:
    """Each mistake is one error, where it stands, with what to write instead where that is known."""
    result = load(change(old, new), "web.yaml")

    assert [one.severity for one in result.diagnostics] == [Severity.ERROR]
    found = result.diagnostics[0]
    assert message in found.message
    assert hint in found.hint
    assert found.position.line == line


@pytest.mark.parametrize(
    ("rule", "message", "hint"),
    [
        (
            "network: {operations: [bnd]}, action: deny",
            "unknown operation `bnd`",
            "did you mean `bind`?",
        ),
        (
            "network: {operations: [connect], to: [10.0.0.1/8]}, action: deny",
            "not an address",
            "did you mean `10.0.0.0/8`?",
        ),
        (
            "network: {operations: [connect], to: [example.org]}, action: deny",
            "not an address",
            "names are not resolved",
        ),
        ("network: {operations: [connect], to: []}, action: deny", "`to` is empty", "leave it out to mean any"),
        ("network: {operations: [connect], ports: [70000]}, action: deny", "past the greatest port", ""),
        ("network: {operations: [connect], ports: [9-1]}, action: deny", "is empty", "write `1-9`"),
        ("network: {operations: [connect], protocols: [tpc]}, action: deny", "unknown protocol `tpc`", "`tcp`"),
        ("syscall: {names: [ptarce]}, action: audit", "unknown system call `ptarce`", "did you mean `ptrace`?"),
        (
            "syscall: {names: [execve]}, action: deny",
            "action `deny` is not supported for class `syscall`",
            "class `exec`",
        ),
        (
            "syscall: {names: [openat, clone3]}, action: deny",
            "action `deny` is not supported for class `syscall`",
            "class `file` or `namespace`",
        ),
        (
            "file: {paths: [/a], operations: [umount]}, action: deny",
            "unknown operation `umount`",
            "class `mount` has it",
        ),
        ("file: {paths: [], operations: [read]}, action: deny", "`paths` is empty", ""),
        (
            "file: {paths: [/a], operations: [read]}, subject: {user: [-1]}, action: deny",
            "neither a number nor a name",
            "",
        ),
        ("action: deny", "the rule has no class", ""),
    ],
)
def test_rules_are_checked(rule: str, message: str, hint: str) -> None:
    """What a rule cannot say is refused by its own name."""
    text = GOOD + f"    - {{id: second, {rule}}}\n"
    (found,) = load(text).diagnostics

    assert message in found.message
    assert hint in found.hint
    assert (found.policy, found.rule, found.position.line) == ("web", "second", 12)


def test_all_mistakes_come_at_once() -> None:
    """Several mistakes are several diagnostics, in the order of the text."""
    text = change("[exec]", "[exce]").replace("deny", "dney").replace("{host: true}", "{hots: true}")

    assert [one.position.line for one in load(text).diagnostics] == [5, 10, 11]


def test_one_file_may_hold_many_policies() -> None:
    """Documents are policies; a name may occur once."""
    both = load(GOOD + "---\n" + change("web", "db"))
    twice = load(GOOD + "---\n" + GOOD)

    assert [policy.name for policy in both.policies] == ["web", "db"]
    assert [one.code for one in twice.diagnostics] == ["duplicate-policy"]


def test_syntax_error_keeps_what_came_before() -> None:
    """A text that breaks off is not valid, whatever was read before."""
    result = load(GOOD + "---\n[")

    assert not result.ok
    assert len(result.policies) == 1


HOSTILE = {
    "nothing": "",
    "comments": "#\n" * 100,
    "scalar": "web",
    "too large": "x: " + "y" * 10_000_000,
    "alias bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "alias to itself": "a: &a [*a]",
    "unknown alias": "a: *b",
    "deep flow": "[" * 1_000_000,
    "deep mapping": "{a: " * 200_000,
    "deep block": "- " * 500_000,
    "huge number": "a: " + "9" * 100_000,
    "huge exponent": "a: 1e999999999",
    "many values": "[" + "a," * 500_000 + "]",
    "many keys": "".join(f"k{at}: v\n" for at in range(90_000)),
    "many documents": "--- a\n" * 170_000,
    "many rules": GOOD + "    - {}\n" * 90_000,
    "many operations": change("[exec]", "[" + "x," * 300_000 + "]"),
    "many paths": change('"/bin/*sh"', "x," * 300_000),
    "long lists": GOOD
    + "".join(f"    - {{id: a{at}, exec: {{paths: [{'x,' * 9000}]}}, action: deny}}\n" for at in range(25)),
    "unknown calls": GOOD
    + "".join(f"    - {{id: a{at}, syscall: {{names: [{'x,' * 900}]}}, action: audit}}\n" for at in range(250)),
    "unknown signals": GOOD
    + "".join(f"    - {{id: a{at}, signal: {{signals: [{'x,' * 900}]}}, action: audit}}\n" for at in range(250)),
    "strange devices": GOOD
    + "".join(
        f"    - {{id: a{at}, device: {{operations: [read], numbers: [{'x,' * 900}]}}, action: deny}}\n"
        for at in range(250)
    ),
    "long name": change("web", "w" * 900_000),
    "long pattern": change("/bin/*sh", "/" + "*a" * 400_000),
    "long field": change("action", "a" * 1000),
    "duplicate key": "a: 1\na: 2",
    "merge key": "a: {<<: {b: 1}}",
    "tag": "a: !!python/object/apply:os.system [id]",
    "key of a list": "? [a]\n: b",
    "NUL": "a: \0",
    "control": "a: \x1b[2J",
    "surrogate": "a: \ud800",
    "tab": "\ta: b",
    "not UTF-8": b"a: b\nc: \xff\xfe",
    "UTF-16": GOOD.encode("utf-16"),
    "null everywhere": "apiVersion:\nkind:\nmetadata:\nspec:\n",
    "lists everywhere": "apiVersion: []\nkind: []\nmetadata: []\nspec: []\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_in_time(name: str) -> None:
    """Whatever the text, there is an error with a place and a text without control characters, soon."""
    begin = time.process_time()
    result = load(HOSTILE[name], "evil\x1b.yaml")
    texts = [format_diagnostic(one) for one in result.diagnostics]

    assert time.process_time() - begin < SECONDS
    assert not result.ok
    assert 0 < len(texts) <= DIAGNOSTICS_MAX + 1
    assert all(line.isprintable() and len(line) < 1500 for text in texts for line in text.split("\n"))


def test_the_limit_is_named() -> None:
    """A text that is too large is told its size and the limit."""
    (found,) = load("x" * 10_000_000).diagnostics

    assert "10,000,000" in found.message
    assert f"{TEXT_MAX:,}" in found.message


def test_the_largest_text_is_read_in_time() -> None:
    """Ten thousand rules, nearly a MiB, are read well within the bound."""
    rules = "".join(
        f"    - {{id: r{at}, file: {{paths: ['/srv/a{at}/b'], operations: [read]}}, action: deny}}\n"
        for at in range(10_000)
    )
    begin = time.process_time()
    result = load(GOOD + rules)

    assert time.process_time() - begin < SECONDS
    assert result.ok
    assert len(result.policies[0].rules) == 10_001


def test_mutated_text_never_raises(capsys: pytest.CaptureFixture[str]) -> None:
    """Any bytes whatever are read or refused."""
    seed, count = 20261123, 3000
    chosen = random.Random(seed)
    seeds = [GOOD.encode(), Path("docs/guides/policy-language.md").read_bytes()]
    for _ in range(count):
        text = bytearray(chosen.choice(seeds))
        for _ in range(chosen.choice([1, 2, 5, 20])):
            at = chosen.randrange(len(text))
            piece = chosen.choice(
                [b"", b"\n", b"- ", b": ", b"[", b"}", b"&a ", b"*a", b"'", b"\x00", b"\xff", b"null", b"9" * 30]
            )
            text[at : at + chosen.choice([0, 1, 8])] = piece
        for one in load(bytes(text)).diagnostics:
            format_diagnostic(one)
    with capsys.disabled():
        print(f"\nmutated policies: seed {seed}, {count} read or refused")


def test_negated_subject_is_read_and_printed() -> None:
    """`not` holds the parts of a subject that must not match."""
    text = change("action: deny", "action: deny\n      subject: {exe: [/a], not: {user: [0, www-data], group: [5]}}")
    (policy,) = load(text).policies

    assert policy.rules[0].subject == Subject(exe=("/a",), not_user=(0, "www-data"), not_group=(5,))
    assert load(dump(policy)).policies == (policy,)


def test_digest_is_of_the_meaning() -> None:
    """Layout, comments and order of operations do not change the digest; a rule does."""
    (one,) = load(GOOD).policies
    (same,) = load("# comment\n" + change("[exec]", "[exec, exec]")).policies
    (other,) = load(change("deny", "kill")).policies

    assert digest(one) == digest(same) != digest(other)


def test_addresses_become_canonical() -> None:
    """A single address is a network; IPv4-mapped IPv6 is IPv4."""
    to = "['10.0.0.1', '::ffff:10.0.0.0/104', '2001:DB8::/32']"
    rule = f"    - {{id: n, network: {{operations: [connect], to: {to}}}, action: deny}}\n"
    (policy,) = load(GOOD + rule).policies

    assert policy.rules[1].selector.to == ("10.0.0.1/32", "10.0.0.0/8", "2001:db8::/32")  # type: ignore[union-attr]


def test_schema_is_one_document() -> None:
    """The JSON Schema forbids unknown fields, names every field, and knows `not`."""
    schema = json_schema()

    assert schema["required"] == ["apiVersion", "kind"]
    assert all(model["additionalProperties"] is False for model in schema["$defs"].values())
    assert "not" in schema["$defs"]["Subject"]["properties"]
    assert load(GOOD).policies[0].scope == (HostScope(),)
