"""Waivers on a node: pushed beside policies, compiled into them, never left waiving nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.daemon.ports import ClassReach, Problem
from agent.kernel.coverage import Part, Reach
from policy.language import load
from policy.model.types import CapabilitySelector, Class, Subject, Waiver
from policy.model.waivers import PREFIX
from tests.unit.daemon.fakes import World, policy

SECOND = 10**9
BACKUP = Waiver("backup", "a", "r", "the nightly backup", "ops", until=1000)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    without = policy("a", "/shop*")
    world.policies |= {
        "a": policy("a", "/shop*"),
        "a without r": replace(without, rules=(replace(without.rules[0], id="s"),)),
        "c": policy("c", "/other"),
        "backup": BACKUP,
        "longer": replace(BACKUP, until=2000),
        "of c": replace(BACKUP, name="of-c", policy="c"),
        "of nothing": replace(BACKUP, name="lost", policy="b"),
        "mistyped": replace(BACKUP, name="mistyped", rule="rr"),
        "wrong class": replace(BACKUP, name="wrong", selector=CapabilitySelector(("kill",))),
        "by exe": replace(BACKUP, name="by-exe", subject=Subject(exe=("/usr/bin/tar",))),
        "by name": replace(BACKUP, name="by-name", subject=Subject(user=("nobody-of-this-name",))),
    }
    world.cgroup("shop")
    world.cgroup("other")
    return world


def rules(world: World) -> list[str]:
    """Rules of the ruleset that was installed last."""
    install = world.kernel.installed[world.kernel.current]
    return [f"{one.policy}/{one.rule}" for one in install.ruleset.rules]


def codes(problems: tuple[Problem, ...]) -> list[tuple[str, str]]:
    return [(problem.severity, problem.code) for problem in problems]


def test_waiver_and_policy_become_live_in_one_generation(world: World) -> None:
    """Pushed together or after its policy, a waiver is compiled into it before the rule that it waives."""
    world.push("backup", "a")
    assert rules(world) == ["a/waiver:backup", "a/r"]

    outcome = world.push("c", "of c")
    assert (outcome.names, outcome.waivers) == (("c",), ("of-c",))
    assert rules(world) == ["a/waiver:backup", "a/r", "c/waiver:of-c", "c/r"]
    assert world.push("of c").unchanged


def test_pushed_again_a_waiver_is_replaced(world: World) -> None:
    """A waiver of the same name takes the place of the one before."""
    world.push("a", "backup")

    assert not world.push("longer").unchanged
    assert world.engine.snapshot.waivers["backup"].waiver.until == 2000
    assert rules(world) == ["a/waiver:backup", "a/r"]


@pytest.mark.parametrize(
    ("text", "code"),
    [("of nothing", "unknown-policy"), ("mistyped", "unknown-rule"), ("wrong class", "wrong-class")],
)
def test_a_waiver_that_fits_nothing_is_refused(world: World, text: str, code: str) -> None:
    """A waiver of what is not live here would allow nothing and look as if it did: nothing of the push is live."""
    world.push("a")
    outcome = world.push("c", text)

    assert codes(outcome.problems) == [("error", code)]
    assert outcome.problems[0].message.startswith(f"waiver `{world.policies[text].name}`: ")
    assert rules(world) == ["a/r"]


def test_a_policy_is_not_pushed_from_under_its_waiver(world: World) -> None:
    """A policy without the waived rule is refused by the waiver's name, and passes once the waiver is gone."""
    world.push("a", "backup")
    (problem,) = world.push("a without r").problems

    assert problem.code == "waiver-left"
    assert "`backup`" in problem.message
    assert "agentctl waiver delete backup" in problem.hint
    assert not world.engine.delete([], 0, ["backup"]).refused
    assert not world.push("a without r").refused


def test_waivers_go_with_their_policy_and_say_so(world: World) -> None:
    """Deleting a policy deletes its waivers with a warning each, none for those that were asked for."""
    world.push("a", "backup", "c", "of c")

    assert codes(world.engine.delete(["c"], 0).problems) == [("warning", "waiver-dropped")]
    assert set(world.engine.snapshot.waivers) == {"backup"}
    assert world.engine.delete(["a"], 0, ["backup"]).problems == ()
    assert not world.engine.snapshot.waivers

    world.push("a", "backup")
    world.now = 1000 * SECOND
    assert world.engine.delete(["a"], 0).problems == ()


def test_delete_of_an_unknown_waiver_changes_nothing(world: World) -> None:
    """All or none, for waivers too."""
    world.push("a", "backup")

    assert codes(world.engine.delete([], 0, ["backup", "nothing"]).problems) == [("error", "not-found")]
    assert set(world.engine.snapshot.waivers) == {"backup"}


def test_an_expired_waiver_is_left_out_of_the_next_generation(world: World) -> None:
    """It is known, as expired, until something else changes; by then its policy may lose the rule."""
    world.push("a", "backup")
    world.now = 1000 * SECOND

    assert set(world.engine.snapshot.waivers) == {"backup"}
    assert not world.push("a without r").refused
    assert rules(world) == ["a/s"]
    assert not world.engine.snapshot.waivers


def test_an_expired_waiver_that_is_pushed_is_a_warning(world: World) -> None:
    """Directories of policies are pushed again and again; what has ended in them must not refuse the rest."""
    world.now = 1000 * SECOND
    outcome = world.push("a", "backup")

    assert codes(outcome.problems) == [("warning", "expired-waiver")]
    assert rules(world) == ["a/r"]
    assert world.push("a", "backup").unchanged


def test_a_restarted_agent_knows_the_waivers(world: World) -> None:
    """What an earlier agent wrote down is known again, and pushing it again changes nothing."""
    world.push("a", "backup")
    engine = world.restart()

    assert engine.snapshot.waivers["backup"].waiver == BACKUP
    assert world.push("a", "backup").unchanged


@pytest.mark.parametrize(("now", "expected"), [(0, ["a/waiver:backup", "a/r"]), (1000, ["a/r"])])
def test_after_a_reboot_only_lasting_waivers_come_back(world: World, now: int, expected: list[str]) -> None:
    """A waiver that ended while the machine was off is not installed again."""
    world.push("a", "backup")
    world.now = now * SECOND
    world.restart(reboot=True)

    assert rules(world) == expected


def test_a_waiver_whose_policy_cannot_be_read_any_more_is_noted(world: World) -> None:
    """An agent that starts with a damaged policy goes on with the others, and says which waiver is without use."""
    world.push("a", "backup", "c")
    del world.policies["a"]
    engine = world.restart()

    assert not engine.snapshot.waivers
    assert any("waiver `backup` is left out" in note for note in engine.notes)
    assert not world.push("c").refused


def test_a_reverted_push_takes_its_waivers_along(world: World) -> None:
    """Waivers belong to a generation: with `--confirm` they come and go with it."""
    world.push("a")
    world.push("backup", confirm=10)
    assert set(world.engine.snapshot.waivers) == {"backup"}
    world.kernel.clock.ns += 11 * SECOND
    world.engine.tick()

    assert not world.engine.snapshot.waivers


def test_new_combinations_of_policies_keep_their_waivers(world: World) -> None:
    """A cgroup that makes a new profile necessary gets it with the waivers that are live."""
    world.policies["below"] = policy("below", "/shop/web")
    world.push("a", "backup", "below")
    world.cgroup("shop/web")
    world.engine.follow()

    assert world.engine.snapshot.profiles == (("a",), ("a", "below"))
    assert "a/waiver:backup" in rules(world)


def test_what_the_node_cannot_do_in_a_rule_it_cannot_do_in_a_waiver(world: World) -> None:
    """Hooks that know no executable cannot tell who is waived: refused, as the rule would be."""
    world.kernel.classes[Class.FILE] = ClassReach(
        Reach.ENFORCED, "cgroup hooks", lacks={Part.EXE: "BPF LSM is not active"}
    )
    world.push("a")

    assert codes(world.push("by exe").problems) == [("error", "cannot-enforce")]
    assert codes(world.push("by name").problems) == [("error", "unresolved-name")]


def test_rules_of_waivers_cannot_be_written() -> None:
    """No rule that is written has such an id, so nobody takes one for a waiver."""
    text = f"""
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {{name: web}}
spec:
  scope: [{{host: true}}]
  rules:
    - {{id: "{PREFIX}backup", exec: {{paths: [/bin/sh]}}, action: allow}}
"""
    assert [one.rule for one in load(text).diagnostics] == [f"{PREFIX}backup"]
