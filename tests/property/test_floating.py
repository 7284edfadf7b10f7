"""
Patterns at any depth have an automaton of their own; together with the other one it says what one of all would say.

Few letters, few components and every name over them: whatever two patterns can share, some name shares.
"""

import os
import random
from itertools import product

import pytest

from policy.compiler import CompileError, compile_profiles
from policy.compiler.evaluate import decide as tables_decide
from policy.model import glob
from policy.model.types import (
    Action,
    Actor,
    Class,
    ExecSelector,
    FailMode,
    File,
    FileSelector,
    FileType,
    HostScope,
    Mode,
    Policy,
    Request,
    Rule,
    Subject,
)
from policy.reference import decide as reference_decide

SEED = int(os.environ.get("RINGFENCE_SEED", "20261124"))
PROFILES = int(os.environ.get("RINGFENCE_FLOATING", "150"))
PARTS = ("a", "b", "ab", "ba")
NAMES = [f"/{'/'.join(parts)}".encode() for depth in range(4) for parts in product(PARTS, repeat=depth)]
WILD = ("*", "a*", "*b", "[ab]", "?", "a", "b", "ab", "ba", "a", "b", "{a,ab}", "b**", "**a", "a**b")


class _Maker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pattern(self) -> str:
        chosen = self.random.choice
        begin = chosen(["", "/**", "/**", "/a/**", "/b"])
        parts = [chosen(WILD) for _ in range(chosen([1, 1, 2]))]
        end = chosen(["", "", "/**"])
        text = "/".join(["", *parts])
        whole = chosen([begin + text + end, "/**" + chosen(["a", "b", "ab"]), "/" + chosen(PARTS), "/**", "/a/**/b/**"])
        return str(whole)

    def patterns(self) -> tuple[str, ...]:
        while True:
            found = tuple(self.pattern() for _ in range(self.random.choice([1, 1, 1, 2, 3])))
            try:
                list(map(glob.parse, found))
            except glob.GlobError:
                continue
            return found

    def rule(self, number: int) -> Rule:
        chosen = self.random.choice
        subject = chosen(
            [None] * 8 + [Subject(exe=self.patterns()), Subject(not_exe=self.patterns()), Subject(user=(1,))]
        )
        operations = chosen([("read",), ("read", "write"), ("write",), ("read", "write")])
        types = chosen([()] * 4 + [(FileType.FIFO,)])
        file = FileSelector(() if chosen([0] * 9 + [1]) else self.patterns(), operations, types)
        selector = ExecSelector(self.patterns()) if chosen([0, 0, 0, 1]) else file
        return Rule(f"r{number}", selector, chosen(list(Action)), subject)

    def policy(self, name: str) -> Policy:
        chosen = self.random.choice
        rules = tuple(self.rule(at) for at in range(chosen([1, 2, 3, 4, 9])))
        defaults = ((Class.FILE, chosen(list(Action))),) * chosen([0, 1])
        return Policy(name, (HostScope(),), rules, chosen(list(Mode)), chosen(list(FailMode)), defaults=defaults)

    def profile(self) -> tuple[Policy, ...]:
        return tuple(self.policy(name) for name in ("one", "two", "three")[: self.random.choice([1, 1, 2, 3])])

    def requests(self, name: bytes) -> tuple[Request, Request]:
        user = self.random.choice([1, 2, None])
        actor = Actor(self.random.choice([None, *NAMES]), user, 0)
        operations = self.random.choice([("read",), ("write",), ("read", "write")])
        return (
            Request(
                Class.FILE, operations, actor, File(name, self.random.choice([FileType.REGULAR, FileType.FIFO, None]))
            ),
            Request(Class.EXEC, ("exec",), actor, name),
        )


def test_both_automata_say_what_the_reference_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Every name over a few components is decided alike by the tables and by the reference."""
    maker, compared, floating = _Maker(SEED), 0, 0
    for at in range(PROFILES):
        profile = maker.profile()
        ruleset = compile_profiles([profile])
        floating += bool(ruleset.profiles[0].floating)
        for name in maker.random.sample(NAMES, 40):
            for request in maker.requests(name):
                expected = reference_decide(profile, request)
                assert tables_decide(ruleset, 0, request) == expected, (
                    f"seed {SEED}, profile {at}: {request}, {profile}"
                )
                compared += 1
    with capsys.disabled():
        print(
            f"\nfloating: seed {SEED}, {compared} decisions equal, {floating} of {PROFILES} profiles with both automata"
        )
    assert floating > PROFILES // 2


def _policy(name: str, *rules: tuple[FileSelector, Action], default: Action = Action.ALLOW) -> Policy:
    numbered = tuple(Rule(f"r{at}", selector, action) for at, (selector, action) in enumerate(rules))
    return Policy(name, (HostScope(),), numbered, defaults=((Class.FILE, default),))


_READ = ("read",)
_BELOW, _NAME = FileSelector(("/a/**",), _READ), FileSelector(("/**/b",), _READ)
_ANY_FIFO = FileSelector((), _READ, (FileType.FIFO,))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("one", "two"),
    [
        (((_BELOW, Action.ALLOW), Action.DENY), ((_NAME, Action.AUDIT), Action.ALLOW)),
        (((_BELOW, Action.AUDIT), Action.ALLOW), ((_NAME, Action.ALLOW), Action.DENY)),
        (((_BELOW, Action.ALLOW), Action.KILL), ((_NAME, Action.ALLOW), Action.DENY)),
    ],
)
def test_rules_that_relax_a_default_are_heard(
    one: tuple[tuple[FileSelector, Action], Action], two: tuple[tuple[FileSelector, Action], Action], turned: bool
) -> None:
    """Who allows what its policy's default refuses changes what others' decisions amount to."""
    names = ("y", "x") if turned else ("x", "y")
    _compare(*(_policy(name, rule, default=default) for name, (rule, default) in zip(names, (one, two), strict=True)))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("vague", [0, 1])
def test_rules_for_any_name_are_heard(vague: int, turned: bool) -> None:
    """A rule that asks for no name stands beside those that do, and may decide before them."""
    rules = [[(_BELOW, Action.DENY)], [(_NAME, Action.AUDIT)]]
    rules[vague].insert(0, (_ANY_FIFO, Action.ALLOW))
    rules[1 - vague][0] = rules[1 - vague][0][0], Action.AUDIT
    rules[vague][1] = rules[vague][1][0], Action.DENY
    names = ("y", "x") if turned else ("x", "y")
    _compare(*(_policy(name, *some) for name, some in zip(names, rules, strict=True)))


def _compare(*profile: Policy) -> None:
    ruleset = compile_profiles([profile])
    assert ruleset.profiles[0].floating
    for name, type_ in product((b"/a/b", b"/a/x", b"/x/b", b"/x"), FileType):
        request = Request(Class.FILE, _READ, Actor(b"/x", 0, 0), File(name, type_))
        assert tables_decide(ruleset, 0, request) == reference_decide(profile, request)


def test_pairs_are_refused_past_their_limit() -> None:
    """Where every directory and every name at any depth add up to a decision of their own, the refusal names both."""
    upper = [Rule(f"d{at}", FileSelector((f"/srv/{at}/**",), ("write",)), Action.DENY) for at in range(400)]
    lower = [Rule(f"n{at}", FileSelector((f"/**/{at}.key",), ("read",)), Action.DENY) for at in range(400)]
    with pytest.raises(CompileError) as caught:
        compile_profiles([[Policy("p", (HostScope(),), (*upper, *lower))]])

    assert "`/srv/" in caught.value.message
    assert "`/**/" in caught.value.message
    assert caught.value.rule
