"""Profiles are compiled apart and put together: what was compiled before is used again, and nothing else changes."""

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pytest

from policy.compiler import CompileError, Ruleset, compile_profiles, limits, linking, units
from policy.compiler.evaluate import decide
from policy.compiler.ruleset import ProfileTable
from policy.model.types import Action, Effect, ExecSelector, NetworkSelector, Policy, Position, Rule, Subject
from tests.unit.policy.make import file, policy, read, rule


class Remembers:
    """A cache that keeps everything and counts."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.puts = 0

    def get(self, key: str) -> bytes | None:
        return self.kept.get(key)

    def put(self, key: str, data: bytes) -> None:
        self.puts += 1
        self.kept[key] = data


def shop(name: str, port: int = 443) -> Policy:
    return policy(
        rule(file("/etc/shadow", f"/srv/{name}/**", operations=("read", "write")), "deny"),
        rule(file("/**/id_rsa"), "deny", id="keys"),
        rule(NetworkSelector(to=("10.0.0.0/8",), ports=((port, port),), protocols=(6,)), "deny", id="net"),
        Rule("shells", ExecSelector(("/bin/sh",)), Action.KILL, Subject(exe=(f"/usr/bin/{name}",), user=(33,))),
        name=name,
    )


def profiles(count: int = 6) -> list[list[Policy]]:
    every = [shop(f"p{at}") for at in range(count)]
    return [[one] for one in every] + [every[:2], every[1:4]]


def same(one: Ruleset, other: Ruleset) -> bool:
    return one.to_bytes() == other.to_bytes()


def test_cached_units_make_the_same_bytes() -> None:
    """Whether a profile was compiled now or before makes no difference to a single byte."""
    cache, wanted = Remembers(), profiles()
    fresh = compile_profiles(wanted)

    assert same(fresh, compile_profiles(wanted, cache=cache))
    assert cache.puts == len(wanted)
    assert same(fresh, compile_profiles(wanted, cache=cache))
    assert cache.puts == len(wanted)


def test_only_profiles_of_a_changed_policy_are_compiled() -> None:
    """A change of one policy compiles the profiles that it is part of, and no other."""
    cache, wanted = Remembers(), profiles()
    compile_profiles(wanted, cache=cache)
    changed = replace(wanted[1][0], rules=wanted[1][0].rules[1:])
    after = [[changed if one.name == "p1" else one for one in profile] for profile in wanted]
    cache.puts = 0

    assert same(compile_profiles(after, cache=cache), compile_profiles(after))
    assert cache.puts == sum(changed in profile for profile in after) == 3


def test_what_a_unit_depends_on_is_its_key() -> None:
    """Every member of a policy changes the key, and so does the architecture; where it stands in a file does not."""
    web = shop("web")
    moved = replace(
        web,
        position=Position("x.yaml", 7, 1),
        rules=tuple(replace(one, position=Position("x", 9, 9)) for one in web.rules),
    )

    def key(one: Policy, architecture: str = "x86_64") -> str:
        return units.key((one,), architecture, {})

    assert key(web) == key(moved)
    others = [
        key(web, "aarch64"),
        key(replace(web, name="other")),
        key(replace(web, rules=web.rules[::-1])),
        key(replace(web, rules=(replace(web.rules[0], until=5), *web.rules[1:]))),
        key(replace(web, rules=(replace(web.rules[0], within=web.rules[1]), *web.rules[1:]))),
        key(replace(web, rules=(*web.rules[:-1], replace(web.rules[-1], subject=None)))),
        key(replace(web, rules=(*web.rules[:-1], replace(web.rules[-1], subject=Subject(user=(33,)))))),
    ]
    assert len({key(web), *others}) == len(others) + 1


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:40] + b"x" + data[41:]]
)
def test_damaged_units_are_compiled_again(damage: object) -> None:
    """What a cache gives back is checked, and a damaged unit is one that is not there."""
    cache, wanted = Remembers(), profiles()
    fresh = compile_profiles(wanted, cache=cache)
    cache.kept = {name: damage(data) for name, data in cache.kept.items()}  # type: ignore[operator]
    cache.puts = 0

    assert same(compile_profiles(wanted, cache=cache), fresh)
    assert cache.puts == len(wanted)


def test_every_profile_decides_by_its_own_rules() -> None:
    """Behind each other, each unit still decides, and names rules by the node's numbers."""
    wanted = profiles()
    ruleset = compile_profiles(wanted)

    for at, profile in enumerate(wanted):
        for one in profile:
            found = decide(ruleset, at, read(f"/srv/{one.name}/x".encode()))
            assert (found.effect, found.rule) == (Effect.DENY, (one.name, one.rules[0].id))
        assert decide(ruleset, at, read(b"/home/x/id_rsa")).rule == (profile[0].name, "keys")


def test_equal_automata_and_tables_stand_there_once() -> None:
    """Policies of one shape share what does not name their rules."""
    alone, many = (
        compile_profiles(
            [[policy(rule(file("/etc/shadow", "/**/id_rsa"), "deny"), name=f"p{at}")] for at in range(count)]
        )
        for count in (1, 50)
    )

    assert np.array_equal(alone.automaton, many.automaton)
    assert len({table.path_labels for table in many.profiles}) <= 50


def test_every_member_of_a_profile_is_moved_or_is_a_number() -> None:
    """A member that is added to a profile's table is an offset, a state, or named here as neither."""
    numbers = {"path_label_count", "domains", "parents", "credentials", "gid_classes", "has_credentials"}
    numbers |= {"address_default", "unix_base", "classes", "byte_classes", "policies"}

    assert numbers | {*linking.STATES, *linking.OFFSETS} == {field.name for field in fields(ProfileTable)}


def test_profiles_that_do_not_fit_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may fit alone; what is refused is their sum, by the limit that it passes."""
    wanted: Sequence[Sequence[Policy]] = profiles()
    for name, low in (("AUTOMATON_ENTRIES", 400), ("WORDS", 3000)):
        with monkeypatch.context() as patch:
            patch.setattr(linking, name, low)
            with pytest.raises(CompileError) as caught:
                compile_profiles(wanted)
        assert caught.value.limit == getattr(limits, name)
