"""Subjects as domains and tests: parents, ancestors, ends of waivers, and what happens if they could not be told."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from policy.compiler import CompileError, compile_profiles, decisions, limits
from policy.compiler.decisions import TEST
from policy.compiler.evaluate import path_label
from policy.compiler.ruleset import PATH_COLUMNS
from policy.model.types import Action, Actor, Effect, FailMode, Mode, Rule, Subject
from tests.unit.policy.make import ROOT, decide, file, policy, read, rule

READ = file("/a", operations=("read",))
CRON, SSHD = b"/usr/sbin/cron", b"/usr/sbin/sshd"


def below(*ancestors: bytes, actor: Actor = ROOT) -> Actor:
    return replace(actor, ancestors=frozenset(ancestors))


def test_a_domain_is_an_executable_and_its_parent() -> None:
    """Both parts count, each may be unknown, and pairs that no rule tells apart are one domain."""
    shell = rule(READ, "deny", Subject(exe=("/bin/sh",), parent=("/bin/nginx",), not_parent=("/bin/x",)))
    table = compile_profiles([[policy(shell)]]).profiles[0]

    assert (table.parents, table.domains) == (3, 4)  # of domains: nothing told; no; perhaps; yes
    for exe, parent, expected in (
        (b"/bin/sh", b"/bin/nginx", Effect.DENY),
        (b"/bin/sh", b"/bin/cron", Effect.ALLOW),
        (b"/bin/cat", b"/bin/nginx", Effect.ALLOW),
        (b"/bin/cat", None, Effect.ALLOW),
        (None, b"/bin/cron", Effect.ALLOW),
    ):
        assert decide([policy(shell)], read(b"/a", Actor(exe, 0, 0, parent))).effect is expected
    for exe, parent in ((b"/bin/sh", None), (None, b"/bin/nginx"), (None, None)):
        assert decide([policy(shell)], read(b"/a", Actor(exe, 0, 0, parent))).error


def test_without_parents_an_executable_is_its_domain() -> None:
    """No table is looked up for what nobody asks."""
    table = compile_profiles([[policy(rule(READ, "deny", Subject(exe=("/bin/sh",))))]]).profiles[0]

    assert (table.parents, table.domains_table) == (1, 0)


def test_ancestors_are_tested_as_the_rules_stand() -> None:
    """Every set of ancestors, and none that could be told: as the first-match reading says."""
    rules = (
        rule(READ, "allow", Subject(ancestor=("/usr/sbin/cron",), not_ancestor=("/bin/su",)), id="a"),
        rule(READ, "kill", Subject(not_ancestor=("/usr/sbin/*d",)), id="b"),
        rule(READ, "audit", Subject(exe=("/usr/bin/cat",), ancestor=("/bin/su",)), id="c"),
        rule(READ, "deny", id="d"),
    )
    found = set()
    for fail_mode, mode in product(FailMode, Mode):
        web = policy(*rules, fail_mode=fail_mode, mode=mode)
        for chosen in product([0, 1], repeat=3):
            names = [name for name, one in zip((CRON, SSHD, b"/bin/su"), chosen, strict=True) if one]
            found.add(decide([web], read(b"/a", below(*names))).rule[1])
        assert decide([web], read(b"/a")).error
    assert found == {"a", "b", "c", "d"}


def test_unknown_ancestors_matter_only_where_rules_differ() -> None:
    """If all that may match ask for the same, nothing is undecided, and nothing is tested."""
    same = rule(READ, "deny", Subject(ancestor=("/bin/su",)), id="su")
    web = policy(same, rule(READ, "deny"))

    assert not decide([web], read(b"/a")).error
    assert decide([web], read(b"/a", below(b"/bin/su"))).rule[1] == "su"


def test_a_waiver_ends_in_the_decision() -> None:
    """The end is part of the tables: the same bytes say one thing before it and another from it on."""
    waived = rule(file("/etc/**"), "deny", id="etc")
    allow = Rule("waiver:x", file("/**"), Action.ALLOW, Subject(user=(0,)), within=waived, until=1_000)
    web = policy(allow, waived)

    for time, expected in ((0, Effect.ALLOW), (999, Effect.ALLOW), (1_000, Effect.DENY), (1 << 40, Effect.DENY)):
        assert decide([web], replace(read(b"/etc/a"), time=time)).effect is expected
    assert decide([web], replace(read(b"/srv/a"), time=0)).rule[1] == "default:file"
    assert decide([web], replace(read(b"/etc/a", Actor(b"/x", 33, 33)), time=0)).effect is Effect.DENY
    assert decide([web], replace(read(b"/etc/a", Actor(b"/x", None, None)), time=0)).error


def test_an_end_that_cannot_be_told_leaves_the_rule_in_doubt() -> None:
    """Where the kernel has no wall clock, the first test leads to what is made of a rule that might match."""
    waived = rule(READ, "deny", id="etc")
    allow = [Rule(f"waiver:{at}", READ, Action.ALLOW, within=waived, until=1_000 + at) for at in range(5)]
    ruleset = compile_profiles([[policy(*allow, waived)]])
    table = ruleset.profiles[0].classes[1]
    words = ruleset.words.tolist()
    label = words[ruleset.profiles[0].path_labels + PATH_COLUMNS * path_label(ruleset, ruleset.profiles[0], b"/a")]
    test = words[words[table.cells + label]]  # of the unknown executable, for reading

    assert words[test] >> 24 == TEST
    untold = words[test + 4]
    assert words[untold] >> 4 & 1 == 1
    assert ruleset.rules[words[untold + 1]].rule == "waiver:0"


def test_waivers_for_ever_are_refused() -> None:
    """The kernel holds 32 bits of seconds."""
    with pytest.raises(CompileError, match="2106"):
        compile_profiles([[policy(Rule("waiver:x", READ, Action.ALLOW, until=1 << 32))]])


def test_many_ends_take_few_tests() -> None:
    """A thousand waivers with different ends about one object are told apart by halving."""
    rules = [
        Rule(f"waiver:{at}", READ, Action.ALLOW if at % 2 else Action.AUDIT, until=(at * 7919) % 1000 + 1)
        for at in range(1000)
    ]
    web = policy(*rules, rule(READ, "deny"))

    ruleset = compile_profiles([[web]])
    assert int((ruleset.words >> 24 == TEST).sum()) > 0
    for time in (0, 1, 500, 999, 1000):
        decide([web], replace(read(b"/a"), time=time))


def test_too_many_lists_of_ancestors_are_refused() -> None:
    """The mask has 64 bits; equal lists share one."""
    rules = [rule(READ, "deny", Subject(ancestor=(f"/e{at}",)), id=f"r{at}") for at in range(limits.ANCESTORS)]
    shared = [rule(READ, "deny", Subject(not_ancestor=("/e7",)), id=f"s{at}") for at in range(9)]
    files = [replace(one, selector=file(f"/f{at}")) for at, one in enumerate([*rules[:16], *shared])]
    compile_profiles([[policy(*files)]])

    with pytest.raises(CompileError, match="rule `r64` needs one more list") as caught:
        compile_profiles([[policy(*rules, rule(READ, "deny", Subject(ancestor=("/one/more",)), id="r64"))]])
    assert (caught.value.limit, caught.value.found, caught.value.rule) == (64, 65, "r64")


def test_more_tests_than_the_kernel_makes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names a rule and what was counted; four operations of the deepest rows count together."""
    actions = ("deny", "allow", "audit")
    rules = [
        rule(file("/a", operations=("read", "write")), actions[at % 3], Subject(ancestor=(f"/e{at}",)), id=f"r{at}")
        for at in range(20)
    ]
    monkeypatch.setattr(decisions, "DECISION_STEPS", 2 * 21 + 2)
    compile_profiles([[policy(*rules)]])

    monkeypatch.setattr(decisions, "DECISION_STEPS", 2 * 21 + 1)
    with pytest.raises(CompileError, match=r"rule `r0` and 19 others .*44 tests; the limit is 43") as caught:
        compile_profiles([[policy(*rules)]])
    assert (caught.value.rule, caught.value.found) == ("r0", 44)


def test_diagrams_that_would_explode_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What making decisions costs is bounded, whatever is asked of ancestors."""
    monkeypatch.setattr(decisions, "DIAGRAM_STEPS", 20_000)
    rules = [
        rule(
            file(f"/f{at}"),
            ("deny", "allow", "audit")[at % 3],
            Subject(ancestor=(f"/e{at % 30}",), not_ancestor=(f"/e{at * 7 % 30}",)),
            id=f"r{at}",
        )
        for at in range(200)
    ]
    with pytest.raises(CompileError, match="rule `r0`") as caught:
        compile_profiles([[policy(*rules)]])
    assert caught.value.found > caught.value.limit


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        (
            lambda at: Subject(user=(at,)),
            lambda at: Subject(group=(at,)),
            "601 kinds of users times 601 kinds of groups",
        ),
        (lambda at: Subject(exe=(f"/{at}",)), lambda at: Subject(parent=(f"/{at}",)), "602 kinds of executables times"),
        (lambda at: Subject(exe=(f"/{at}",)), lambda at: Subject(user=(at,)), "602 kinds of executables and parents"),
    ],
    ids=["accounts", "parents", "both"],
)
def test_kinds_of_subjects_are_bounded_before_they_are_made(
    first: Callable[[int], Subject], second: Callable[[int], Subject], named: str
) -> None:
    """Products of what subjects ask are refused by their sizes, not by running out of memory."""
    rules = [rule(READ, "deny", make(at), id=f"{at}{make}") for make in (first, second) for at in range(600)]
    with pytest.raises(CompileError, match=named) as caught:
        compile_profiles([[policy(*rules)]])
    assert caught.value.found > caught.value.limit > 0
