"""The whole of agent.kernel against the kernel that runs: install, refuse, count, switch, go back, come back, leave."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent import abi
from agent.host.clocks import boot_ns
from agent.kernel.enforcer import Enforcer, NoGenerationError
from agent.kernel.gate import FOREVER, Gate, NotInstalledError
from agent.kernel.install import GenerationError
from agent.kernel.maps import MapMismatchError
from agent.kernel.pins import Pins, set_name
from agent.kernel.programs_file import MapShape, dump
from agent.kernel.tables import RulesetLimitError
from policy.compiler.ruleset import ClassTable
from policy.model.types import Class, Effect
from tests.support.compiled import TREE, compiled_programs
from tests.support.handmade import network_ruleset, profile_table
from tests.support.workers import Worker

Start = Callable[[Path | None], Worker]
DENY, ALLOW = network_ruleset(Effect.DENY), network_ruleset(Effect.ALLOW)


def number(cgroup: Path) -> int:
    return cgroup.stat().st_ino


def passed(moment: int) -> None:
    """Until the boot clock is past `moment`."""
    while boot_ns() <= moment:
        pass


def test_refused_exactly_while_a_ruleset_is_live(enforcer: Enforcer, cgroup: Path, worker: Start) -> None:
    """Allowed before, refused with EPERM while it is live, allowed after; 23 attempts are 23 violations."""
    inside, outside = worker(cgroup), worker(None)
    assert inside.connect() == 0

    enforcer.install(DENY, {number(cgroup): 0}, 1)
    assert {inside.connect() for _ in range(23)} == {errno.EPERM}
    assert outside.connect() == 0

    assert enforcer.totals()["violations"] == 23
    assert enforcer.hits(enforcer.live().slot) == [23]
    enforcer.withdraw()
    assert inside.connect() == 0
    assert enforcer.totals()["violations"] == 23


def test_binding_is_refused(enforcer: Enforcer, cgroup: Path, worker: Start) -> None:
    """Own addresses of both families, in the cgroup alone; allowed again by the next generation."""
    inside, outside, scopes = worker(cgroup), worker(), {number(cgroup): 0}
    addresses = ("127.0.0.1", "::1")
    assert [inside.bind(address) for address in addresses] == [0, 0]
    enforcer.install(DENY, scopes, 1)

    assert [inside.bind(address) for address in addresses] == [errno.EPERM, errno.EPERM]
    assert [outside.bind(address) for address in addresses] == [0, 0]
    enforcer.install(ALLOW, scopes, 2)
    assert [inside.bind(address) for address in addresses] == [0, 0]


def test_a_cgroup_made_later_below_is_in_scope(enforcer: Enforcer, cgroup: Path, worker: Start) -> None:
    """What a workload makes below its cgroup inherits at once."""
    enforcer.install(DENY, {number(cgroup): 0}, 1)
    child = cgroup / "made" / "later"
    child.mkdir(parents=True)

    assert worker(child).connect() == errno.EPERM


def test_nested_scopes_decide_once(enforcer: Enforcer, cgroup: Path, worker: Start) -> None:
    """Where one scope is below another, the nearest one decides, and one attempt is one violation."""
    child = cgroup / "inner"
    child.mkdir()
    enforcer.install(DENY, {number(cgroup): 0, number(child): 0}, 1)

    assert worker(child).connect() == errno.EPERM
    assert enforcer.totals()["violations"] == 1


def test_a_narrower_scope_stays_confined(enforcer: Enforcer, cgroup: Path, worker: Start) -> None:
    """A generation that scopes only a child of what was scoped before: the child is confined, its siblings are not."""
    child, sibling = cgroup / "child", cgroup / "sibling"
    child.mkdir()
    sibling.mkdir()
    inside, beside = worker(child), worker(sibling)
    enforcer.install(DENY, {number(cgroup): 0}, 1)
    assert (inside.connect(), beside.connect()) == (errno.EPERM, errno.EPERM)
    enforcer.install(DENY, {number(child): 0}, 2)

    assert (inside.connect(), beside.connect()) == (errno.EPERM, 0)
    assert enforcer.hits(enforcer.live().slot) == [1]


def test_a_switch_is_whole(enforcer: Enforcer, cgroup: Path, worker: Start) -> None:
    """Each generation replaces the one before; the counts of one whose place is taken are handed over."""
    inside = worker(cgroup)
    scopes = {number(cgroup): 0}
    enforcer.install(DENY, scopes, 1)
    assert inside.connect() == errno.EPERM
    for generation in (2, 3):
        enforcer.install(ALLOW, scopes, generation)
        assert inside.connect() == 0

    assert enforcer.victim() == 1
    installed = enforcer.install(DENY, scopes, 4)

    assert installed.retired is not None
    assert (installed.retired.generation, installed.retired.hits) == (1, (1,))
    assert list(enforcer.generations()) == [2, 3, 4]
    assert inside.connect() == errno.EPERM


def test_generations_only_go_up(enforcer: Enforcer) -> None:
    """A number that was there already is refused, and what is live stays."""
    enforcer.install(ALLOW, {}, 5)
    with pytest.raises(GenerationError, match="required at least 6"):
        enforcer.install(DENY, {}, 5)

    assert enforcer.live().generation == 5


def test_rollback_brings_the_one_before(enforcer: Enforcer, cgroup: Path, worker: Start) -> None:
    """One step back; a second has nothing to go to."""
    inside, scopes = worker(cgroup), {number(cgroup): 0}
    enforcer.install(DENY, scopes, 1)
    enforcer.install(ALLOW, scopes, 2)
    assert inside.connect() == 0

    assert enforcer.rollback().generation == 1
    assert inside.connect() == errno.EPERM
    with pytest.raises(NoGenerationError):
        enforcer.rollback()


def test_unconfirmed_reverts_by_itself(enforcer: Enforcer, cgroup: Path, worker: Start) -> None:
    """When the time is over the programs follow the last confirmed generation, with nobody's help."""
    inside, scopes = worker(cgroup), {number(cgroup): 0}
    enforcer.install(ALLOW, scopes, 1)
    moment = boot_ns() + 300_000_000
    enforcer.install(DENY, scopes, 2, moment)
    assert inside.connect() == errno.EPERM
    passed(moment)

    assert inside.connect() == 0
    assert enforcer.live().generation == 1
    with pytest.raises(NoGenerationError, match="within its time"):
        enforcer.confirm()


def test_confirmed_stays(enforcer: Enforcer, cgroup: Path, worker: Start) -> None:
    """A confirmed generation stays past the time at which it would have gone."""
    inside = worker(cgroup)
    moment = boot_ns() + 300_000_000
    enforcer.install(DENY, {number(cgroup): 0}, 1, moment)
    assert enforcer.confirm()
    passed(moment)

    assert inside.connect() == errno.EPERM
    assert not enforcer.confirm()


def test_an_unconfirmed_one_is_nobodys_fallback(enforcer: Enforcer) -> None:
    """Installed over an unconfirmed generation, the next one goes back to the last that was confirmed."""
    later = boot_ns() + 3600 * 10**9
    enforcer.install(ALLOW, {}, 1)
    enforcer.install(DENY, {}, 2, later)
    enforcer.install(DENY, {}, 3, later)

    assert enforcer.live().fallback == 1


def test_the_gate_allows_everything(enforcer: Enforcer, pins: Path, cgroup: Path, worker: Start) -> None:
    """Open, by another process's descriptor as well: allowed. Closed, or its time over: refused."""
    inside = worker(cgroup)
    enforcer.install(DENY, {number(cgroup): 0}, 1)
    gate = Gate.adopt(pins)
    assert gate.open() == FOREVER
    assert (inside.connect(), enforcer.gate.open_until()) == (0, FOREVER)

    gate.close()
    assert (inside.connect(), enforcer.gate.open_until()) == (errno.EPERM, None)
    passed(gate.open(0.05))
    assert inside.connect() == errno.EPERM
    gate.release()


def test_there_is_no_gate_where_nothing_is_installed(pins: Path) -> None:
    """An error of its own, with the path."""
    with pytest.raises(NotInstalledError, match="control"):
        Gate.adopt(pins)


def test_scopes_change_in_a_live_generation(enforcer: Enforcer, cgroup: Path, worker: Start) -> None:
    """A cgroup taken into the live generation is confined at once, and let go at once."""
    inside = worker(cgroup)
    enforcer.install(DENY, {}, 1)
    assert inside.connect() == 0

    enforcer.scope_set(number(cgroup), 0)
    assert inside.connect() == errno.EPERM
    assert enforcer.scopes() == {number(cgroup): 0}
    enforcer.scope_remove(number(cgroup))
    assert inside.connect() == 0


def test_a_scope_remembers_since_when_it_is_one(enforcer: Enforcer, cgroup: Path) -> None:
    """The epoch at which a push first scoped a cgroup is kept by later pushes; one found later has none."""
    scopes = {number(cgroup): 0}
    child = cgroup / "later"
    child.mkdir()
    enforcer.install(DENY, scopes, 1)
    first = _since(enforcer)
    enforcer.scope_set(number(child), 0)
    enforcer.install(DENY, {**scopes, number(child): 0}, 2)

    assert first[number(cgroup)] > 0
    assert _since(enforcer) == {number(cgroup): first[number(cgroup)], number(child): 0}


def _since(enforcer: Enforcer) -> dict[int, int]:
    from agent.kernel.scopes import scopes_of

    live = enforcer.live().slot
    return {c: since for c, (_, since) in scopes_of(enforcer._bpf, enforcer._map("scopes"), live).items()}


def test_a_scope_past_the_ruleset_is_refused(enforcer: Enforcer, cgroup: Path) -> None:
    """A profile that the ruleset does not have: refused with the limit, and nothing has changed."""
    with pytest.raises(RulesetLimitError, match="found 4, at most 1"):
        enforcer.install(DENY, {number(cgroup): 3}, 1)
    assert enforcer.live().generation == 0

    enforcer.install(DENY, {}, 1)
    with pytest.raises(RulesetLimitError, match="found 4, at most 1"):
        enforcer.scope_set(number(cgroup), 3)
    assert enforcer.scopes() == {}


def test_cgroups_that_are_gone_do_no_harm(enforcer: Enforcer, cgroup: Path) -> None:
    """A cgroup removed between its discovery and the install is left out; the rest is installed."""
    child = cgroup / "short"
    child.mkdir()
    gone = number(child)
    child.rmdir()
    enforcer.install(DENY, {number(cgroup): 0, gone: 0}, 1)

    assert enforcer.live().generation == 1


def test_programs_for_a_class_are_attached_while_it_has_rules(enforcer: Enforcer) -> None:
    """Syscalls are observed only while a live rule asks for it."""

    def observed() -> bool:
        return any(hook.hook == "sys_enter" and hook.detail == "the whole kernel" for hook in enforcer.hooks())

    watching = replace(DENY, profiles=(profile_table({Class.SYSCALL.number: ClassTable(labels=2)}),))
    assert not observed()
    enforcer.install(watching, {}, 1)
    assert observed()
    enforcer.install(DENY, {}, 2)
    assert not observed()


def test_a_killed_agent_changes_nothing(pins: Path, cgroup: Path, worker: Start, tmp_path: Path) -> None:
    """The process that installed is killed: still refused. The next one takes everything over and counts on."""
    (tmp_path / "programs").write_bytes(dump(compiled_programs()))
    script = f"""
from pathlib import Path
from agent.kernel.enforcer import Enforcer
from tests.support.handmade import network_ruleset
enforcer = Enforcer.open_or_install(Path({str(tmp_path / "programs")!r}), Path({str(pins)!r}), "cgroup")
enforcer.install(network_ruleset(), {{{number(cgroup)}: 0}}, 1)
print("live", flush=True)
input()
"""
    agent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=TREE
    )
    inside = worker(cgroup)
    assert agent.stdout and agent.stdout.readline() == "live\n"
    assert inside.connect() == errno.EPERM
    agent.send_signal(signal.SIGKILL)
    agent.communicate()
    assert inside.connect() == errno.EPERM

    enforcer = Enforcer.open_or_install(compiled_programs(), pins, "cgroup")

    assert enforcer.adopted
    assert enforcer.live().generation == 1
    assert inside.connect() == errno.EPERM
    assert enforcer.hits(enforcer.live().slot) == [3]
    enforcer.close()


def test_another_version_takes_over_without_a_gap(pins: Path, cgroup: Path, worker: Start) -> None:
    """Other programs, same maps: attached before the old ones go; one attempt is one violation again."""
    inside = worker(cgroup)
    old = Enforcer.open_or_install(compiled_programs(), pins, "cgroup")
    old.install(DENY, {number(cgroup): 0}, 1)
    old.close()
    newer = replace(compiled_programs(), key="f" * 64)
    enforcer = Enforcer.open_or_install(newer, pins, "cgroup")

    assert enforcer.upgraded_from == (set_name(compiled_programs(), "cgroup"),)
    assert Pins(pins).sets() == [set_name(newer, "cgroup")]
    assert inside.connect() == errno.EPERM
    assert enforcer.totals()["violations"] == 1
    enforcer.close()


@pytest.mark.parametrize("name", ["slots", "scopes"])
def test_a_pinned_map_of_another_shape_is_refused(pins: Path, name: str) -> None:
    """A map, or the maps inside a map, of another size: found and required are named, and every pin stays."""
    file = compiled_programs()
    Enforcer.open_or_install(file, pins, "cgroup").close()
    before = [path for path in sorted(pins.rglob("*")) if not path.is_dir()]
    other = replace(file, maps=tuple(_wider(m) if m.name == name else m for m in file.maps), key="0" * 64)
    with pytest.raises(MapMismatchError, match=rf"{name}: found .*, required .*value"):
        Enforcer.open_or_install(other, pins, "cgroup")

    assert [path for path in sorted(pins.rglob("*")) if not path.is_dir()] == before


def _wider(shape: MapShape) -> MapShape:
    if shape.inner:
        return replace(shape, inner=replace(shape.inner, value=shape.inner.value + 8))
    return replace(shape, value=shape.value + 8)


def test_uninstall_leaves_nothing(enforcer: Enforcer, pins: Path, cgroup: Path, worker: Start) -> None:
    """No pin, no link: what was refused is allowed."""
    inside = worker(cgroup)
    enforcer.install(DENY, {number(cgroup): 0}, 1)
    assert inside.connect() == errno.EPERM
    enforcer.uninstall()

    assert not pins.exists()
    assert inside.connect() == 0


def test_the_agent_can_mark_itself(enforcer: Enforcer) -> None:
    """The mark is in the storage of our own task."""
    enforcer.exempt_self()
    process = os.pidfd_open(os.getpid())
    try:
        row = enforcer._bpf.map_lookup(enforcer._map("tasks"), process.to_bytes(4, "little"), abi.TASK.itemsize)
    finally:
        os.close(process)

    assert row is not None
    place = (abi.TASK.fields or {})["flags"][1]
    assert int.from_bytes(row[place : place + 4], "little") == abi.TaskFlag.EXEMPT
