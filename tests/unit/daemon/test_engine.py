"""The engine: all or nothing, the kernel wins, and nothing is counted twice."""

from pathlib import Path

import pytest

from agent.daemon.ports import ClassReach
from agent.daemon.store import StoreError
from agent.kernel.coverage import Reach
from policy.model.types import Action, Class, HostScope, Level, Mode, UnitScope
from tests.unit.daemon.fakes import FakeKernel, World, policy

LSM_OFF = ClassReach(Reach.NONE, "BPF LSM is not active", "lockdown,apparmor", "bpf", "add `bpf`")


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.policies |= {
        "a": policy("a", "/shop*"),
        "a2": policy("a", "/shop*", action=Action.KILL),
        "b": policy("b", "/shop/web"),
        "c": policy("c", "/other"),
        "host": policy("host", HostScope()),
        "unit": policy("unit", UnitScope("web.service")),
        "named": policy("named", "/shop*", minimum_level=Level.OBSERVED),
        "permissive": policy("permissive", "/shop*", mode=Mode.PERMISSIVE),
    }
    return world


def codes(world: World, *texts: str, **more: bool) -> list[str]:
    return [problem.code for problem in world.push(*texts, **more).problems if problem.is_error]


def test_push_makes_every_document_live_in_one_generation(world: World) -> None:
    """All documents of a push become live together."""
    world.cgroup("shop")
    outcome = world.push("a", "c")

    assert not outcome.refused
    assert 1 == outcome.generation == world.kernel.live().generation
    assert {"a", "c"} == world.engine.snapshot.policies.keys()
    assert world.kernel.log == ["install 1"]


def test_one_bad_document_refuses_all(world: World) -> None:
    """With an error in one document nothing of the push changes anything."""
    assert codes(world, "a", "nonsense") == ["syntax"]
    assert world.kernel.log == []
    assert not world.engine.snapshot.policies


def test_same_push_again_changes_nothing(world: World) -> None:
    """A push of what is live already installs nothing and says so."""
    world.push("a")
    outcome = world.push("a")

    assert outcome.unchanged
    assert outcome.generation == 1
    assert world.kernel.log == ["install 1"]


def test_later_push_keeps_other_policies(world: World) -> None:
    """A push replaces policies of the same name and leaves the others."""
    world.push("a", "c")
    world.push("a2")

    live = world.engine.snapshot.policies
    assert live["a"].policy.rules[0].action == Action.KILL
    assert live["c"].pushed.pushed_unix_ns == 1
    assert live["a"].pushed.pushed_unix_ns == 2


def test_dry_run_changes_nothing(world: World) -> None:
    """A dry run does all but install."""
    assert not world.push("a", dry_run=True).refused
    assert world.kernel.log == []
    assert not world.engine.snapshot.policies


def test_policy_twice_in_one_push_is_refused(world: World) -> None:
    """Two documents with one name do not race."""
    assert codes(world, "a", "a2") == ["duplicate-policy"]


def test_class_that_cannot_be_enforced_is_refused_with_facts(world: World) -> None:
    """A refusal names the policy, what was found and what is needed."""
    world.kernel.classes[Class.FILE] = LSM_OFF
    (problem,) = world.push("a").problems

    assert problem.message == "cannot enforce policy `a`: BPF LSM is not active"
    assert (
        problem.found,
        problem.required,
        problem.hint,
    ) == ("lockdown,apparmor", "bpf (class `file`, rule `r`)", "add `bpf`")
    assert world.kernel.log == []


@pytest.mark.parametrize(("text", "refused"), [("a", True), ("named", False), ("permissive", False)])
def test_observing_is_enough_where_the_policy_says_so(world: World, text: str, *, refused: bool) -> None:
    """`minimumLevel: observed` accepts a class that is only recorded; a permissive policy needs no more."""
    world.kernel.classes[Class.FILE] = ClassReach(Reach.OBSERVED, "observed only")

    assert refused == world.push(text).refused


@pytest.mark.parametrize("text", ["named", "permissive"])
def test_nothing_at_all_is_never_enough(world: World, text: str) -> None:
    """A class that can be neither enforced nor observed is refused, whatever the policy accepts."""
    world.kernel.classes[Class.FILE] = LSM_OFF

    assert codes(world, text) == ["cannot-enforce"]


def test_failed_install_changes_nothing(world: World) -> None:
    """When the kernel refuses, the old generation and the agent's knowledge of it stay."""
    world.push("a")
    world.kernel.fail.add("install")
    outcome = world.push("c")

    assert outcome.refused
    assert 1 == world.engine.snapshot.generation == world.kernel.live().generation
    assert {"a"} == world.engine.snapshot.policies.keys()
    world.kernel.fail.clear()
    assert world.push("c").generation == 3


def test_failed_write_installs_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written down is not installed."""

    def full(*_: object) -> None:
        raise StoreError("no space left on device")

    monkeypatch.setattr(world.store, "write_generation", full)

    assert world.push("a").refused
    assert world.kernel.log == []


def test_last_policy_deleted_leaves_no_generation(world: World) -> None:
    """Without policies no generation is live, and a deletion of one of two leaves the other."""
    world.push("a", "c")
    assert world.engine.delete(["c"], 0).generation == 2
    assert world.engine.delete(["a"], 0).generation == 0

    assert world.kernel.live().generation == 0
    assert world.kernel.log[-1] == "withdraw"


def test_deleting_the_unknown_deletes_nothing(world: World) -> None:
    """A deletion with one unknown name deletes none of them."""
    world.push("a")
    outcome = world.engine.delete(["a", "nope"], 0)

    assert [problem.code for problem in outcome.problems] == ["not-found"]
    assert {"a"} == world.engine.snapshot.policies.keys()


# ---- scopes ---------------------------------------------------------------------------------------------------------


def test_child_inherits_and_adds(world: World) -> None:
    """A cgroup's profile is its own policies and those of every cgroup above; only where it changes is it written."""
    shop, web = world.cgroup("shop"), world.cgroup("shop/web")
    world.cgroup("shop/web/child")
    world.push("a", "b")

    live = world.engine.snapshot
    assert {shop: ("a",), web: ("a", "b")} == {cgroup: live.profiles[number] for cgroup, number in live.scopes.items()}


def test_new_cgroup_is_scoped_without_a_new_generation(world: World) -> None:
    """A cgroup that appears in a scope takes an existing profile at once; when it goes, its scope goes."""
    world.cgroup("shop")
    world.push("a")
    shop2 = world.cgroup("shop2")
    world.engine.follow()

    assert world.kernel.scopes()[shop2] == 0
    (world.root / "shop2").rmdir()
    world.engine.follow()
    assert shop2 not in world.kernel.scopes()
    assert world.kernel.live().generation == 1


def test_new_combination_makes_a_new_generation(world: World) -> None:
    """A combination of policies that no profile has yet is compiled when its cgroup appears."""
    world.cgroup("shop")
    world.push("a", "b")
    web = world.cgroup("shop/web")
    world.engine.follow()

    live = world.engine.snapshot
    assert live.generation == 2
    assert live.profiles[world.kernel.scopes()[web]] == ("a", "b")


def test_scope_without_a_cgroup_waits_for_one(world: World) -> None:
    """A unit that is not running yet is a warning, and confined when it starts."""
    assert [problem.code for problem in world.push("unit").problems] == ["empty-scope"]
    web = world.cgroup("system.slice/web.service")
    world.engine.follow()

    assert {web} == world.kernel.scopes().keys()


# ---- leases ---------------------------------------------------------------------------------------------------------


def test_unconfirmed_push_reverts_with_the_kernel(world: World) -> None:
    """When the lease runs out the kernel has the old generation back, and the agent says the same."""
    world.push("a")
    world.push("c", confirm=60)
    assert {"a", "c"} == world.engine.snapshot.policies.keys()
    world.kernel.clock.ns += 61 * 10**9
    world.engine.tick()

    assert {"a"} == world.engine.snapshot.policies.keys()
    assert 1 == world.engine.snapshot.generation == world.store.state().generation
    assert any("not confirmed" in note for note in world.engine.notes)


def test_confirmed_push_stays(world: World) -> None:
    """A confirmation in time ends the lease."""
    world.push("a", confirm=60)
    assert world.engine.confirm() == (1, True)
    world.kernel.clock.ns += 61 * 10**9
    world.engine.tick()

    assert {"a"} == world.engine.snapshot.policies.keys()
    assert world.engine.confirm() == (1, False)


def test_confirmation_too_late_is_none(world: World) -> None:
    """After the lease nothing waits any more."""
    world.push("a", confirm=60)
    world.kernel.clock.ns += 61 * 10**9

    assert world.engine.confirm() == (0, False)
    assert not world.engine.snapshot.policies


def test_no_other_change_while_a_push_waits(world: World) -> None:
    """What the kernel would fall back to must stay what it was."""
    world.push("a", confirm=60)

    assert codes(world, "c") == ["confirmation-pending"]
    assert world.engine.delete(["a"], 0).refused


def test_new_cgroup_under_a_lease_keeps_the_lease(world: World) -> None:
    """A generation that is compiled for a new combination reverts at the same moment as the one it replaces."""
    world.push("a")
    world.push("b", confirm=60)
    world.cgroup("shop/web")
    world.engine.follow()
    assert world.kernel.live().generation == 3
    world.kernel.clock.ns += 61 * 10**9

    assert world.kernel.live().generation == 1


# ---- restarts -------------------------------------------------------------------------------------------------------


def test_restarted_agent_adopts_what_is_live(world: World) -> None:
    """After a restart the kernel's generation is the agent's, and nothing is installed again."""
    world.cgroup("shop")
    world.push("a")
    engine = world.restart()

    assert {"a"} == engine.snapshot.policies.keys()
    assert engine.snapshot.generation == 1
    assert world.kernel.log == ["install 1"]
    assert engine.notes == []


def test_cgroups_are_brought_up_to_date_at_start(world: World) -> None:
    """A cgroup that came while no agent ran is scoped by the next one."""
    world.cgroup("shop")
    world.push("a")
    shop2 = world.cgroup("shop2")
    world.restart()

    assert shop2 in world.kernel.scopes()


@pytest.mark.parametrize("after", ["write_generation", "install"])
def test_kernel_wins_after_a_crash(world: World, monkeypatch: pytest.MonkeyPatch, after: str) -> None:
    """An agent killed around the switch leaves the old or the new generation; the next one takes what is live."""

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    world.push("a")
    monkeypatch.setattr(
        world.kernel if after == "write_generation" else world.store,
        *{"write_generation": ("install", killed), "install": ("write_state", killed)}[after],
    )
    with pytest.raises(Killed):
        world.push("c")
    monkeypatch.undo()
    engine = world.restart()

    expected = {"a"} if after == "write_generation" else {"a", "c"}
    assert expected == engine.snapshot.policies.keys()
    assert engine.snapshot.generation == world.kernel.live().generation
    assert world.push("b").generation == 3


def test_reboot_installs_the_last_generation_again(world: World) -> None:
    """After a reboot the kernel is empty and gets what it had, under a new number."""
    world.cgroup("shop")
    world.push("a")
    engine = world.restart(reboot=True)

    assert {"a"} == engine.snapshot.policies.keys()
    assert world.kernel.live().generation == 2


def test_reboot_does_not_bring_an_unconfirmed_push_back(world: World) -> None:
    """A push that was waiting for its confirmation at a reboot is not installed again."""
    world.push("a")
    world.push("c", confirm=60)
    engine = world.restart(reboot=True)

    assert {"a"} == engine.snapshot.policies.keys()


def test_unknown_live_generation_stays(world: World) -> None:
    """What the kernel enforces is not taken away because the files are gone."""
    world.push("a")
    for file in (world.directory / "state" / "generations").iterdir():
        file.unlink()
    engine = world.restart()

    assert 1 == world.kernel.live().generation == engine.snapshot.generation
    assert any("push them again" in note for note in engine.notes)
    assert world.push("c").generation == 2


def test_damaged_state_is_told_and_survived(world: World) -> None:
    """A damaged file is a note, kept beside its place, and no crash."""
    world.push("a")
    (world.directory / "state" / "state.json").write_bytes(b"\x00garbage")
    engine = world.restart()

    assert any("damaged" in note for note in engine.notes)
    assert {"a"} == engine.snapshot.policies.keys()
    assert (world.directory / "state" / "state.damaged").exists()


# ---- hits -----------------------------------------------------------------------------------------------------------


def hits_of(world: World, name: str) -> int:
    return sum(sum(rules.values()) for key, rules in world.engine.hits().items() if key.startswith(f"{name}@"))


def count(kernel: FakeKernel, amount: int) -> None:
    kernel.counts[kernel.current] += amount


def test_hits_are_exact_over_generations_and_restarts(world: World) -> None:
    """A policy keeps its counts while others come and go, slots are given away, and the agent starts anew."""
    world.cgroup("shop")
    world.push("a")
    count(world.kernel, 5)
    for text in ("c", "host", "b", "permissive"):
        world.push(text, force=True)
        assert hits_of(world, "a") == 5
    world.kernel.counts[world.kernel.current][0] += 2  # rules are ordered by policy: the first is a's
    world.restart()

    assert hits_of(world, "a") == 7


def test_changed_policy_counts_anew(world: World) -> None:
    """Counts are of a policy as pushed: another text begins at nought."""
    world.cgroup("shop")
    world.push("a")
    count(world.kernel, 5)
    world.push("a2")

    live = world.engine.snapshot.policies["a"].pushed
    assert sum(world.engine.hits().get(f"a@{live.pushed_unix_ns}", {}).values()) == 0


def test_crash_before_the_switch_counts_nothing_twice(world: World) -> None:
    """Counts that were retired with a generation that never became live are still counted once."""
    world.cgroup("shop")
    world.push("a")
    count(world.kernel, 5)
    world.push("c")
    world.push("b")
    world.kernel.fail.add("install")
    world.push("permissive")
    world.kernel.fail.clear()
    assert hits_of(world, "a") == 5
    world.restart()

    assert hits_of(world, "a") == 5


def test_rule_numbers_of_earlier_generations_are_known(world: World) -> None:
    """Events of a generation before the restart can still be named."""
    world.cgroup("shop")
    world.push("a")
    world.push("a2")
    engine = world.restart()

    reference = engine.rule(1, 0)
    assert reference is not None
    assert reference.action == Action.DENY
    assert engine.rule(99, 0) is None
    assert engine.rule(1, 99) is None
