"""
The spool when every single step of it fails, or is the last one: nothing acknowledged to a ring is lost, nothing is
doubled, numbers only grow and always mean the same batch, and the sums balance.
"""

import random
from dataclasses import dataclass, field

import pytest

from agent.spool.spool import Spool
from agent.spool.types import SpoolError, SpoolLimits
from tests.support.disk import Died, Disk, Plan

EVENTS = 40
STEP = 520
BOOT = "4f1c09aa"


@dataclass(frozen=True)
class Batch:
    """Events by number in the ring; the payload is these numbers."""

    end: int
    events: int
    payload: bytes
    rejected: dict[str, int] = field(default_factory=dict)
    boot_id: str = BOOT
    ring: int = 0
    identity: int = 1
    base: int = 0


class World:
    """A ring, a spool on a disk, and a collector. The ring and the collector outlive the agent."""

    def __init__(self, plan: Plan, limits: SpoolLimits, acknowledge: bool) -> None:
        self.disk = Disk(plan)
        self.limits = limits
        self.acknowledge = acknowledge
        self.committed = 0
        self.stored: dict[int, bytes] = {}
        self.random = random.Random(1)
        self.spool: Spool | None = None

    def run(self) -> None:
        """
        An agent's life from start to the end of the ring's events; Died ends it early, as does a spool that cannot be
        opened.
        """
        self.spool = Spool(self.disk, self.limits)
        position = max(self.committed, self.spool.ring_position(BOOT, 0, 1).end)
        while position < EVENTS * STEP:
            end = min(position + STEP * self.random.randint(1, 5), EVENTS * STEP)
            numbers = bytes(range(position // STEP, end // STEP))
            try:
                self.spool.append([Batch(end, len(numbers), numbers + bytes(40) * len(numbers))])
            except SpoolError:
                continue
            self.committed = position = end
            self.send()

    def send(self) -> None:
        """Send what is spooled; the collector stores each number once, and always the same under it."""
        spool = self.spool
        for batch in spool.read(spool.floor + 1, 1 << 20):
            assert batch.payload == self.stored.setdefault(batch.number, batch.payload)
        if self.stored and self.acknowledge and self.random.random() < 0.5:
            spool.acknowledge(max(self.stored))

    def events(self) -> list[int]:
        """Of all stored batches, in the order of their numbers."""
        return [n for number in sorted(self.stored) for n in self.stored[number][: len(self.stored[number]) // 41]]


def balance(spool: Spool) -> None:
    account = spool.account()
    assert account.came == account.out + account.pending + sum(account.dropped.values())


ROOMY = SpoolLimits(1 << 20, 900)
TIGHT = SpoolLimits(1800, 450)


def steps(limits: SpoolLimits, acknowledge: bool = True) -> int:
    """How many steps a life without faults has."""
    plan = Plan()
    World(plan, limits, acknowledge).run()
    return len(plan.steps)


def test_a_life_without_faults():
    """All events arrive once, in order; segments that are acknowledged are deleted but for the history."""
    world = World(Plan(), ROOMY, True)
    world.run()

    assert list(range(EVENTS)) == world.events()
    assert len(world.disk.names()) <= 4
    balance(world.spool)


FAULTS = [("fail", 1), ("fail", 2), ("fail", 3), ("die", 1), ("die-after", 1)]


@pytest.mark.parametrize(("kind", "times"), FAULTS)
@pytest.mark.parametrize("aftermath", ["kill", "nothing kept", "half kept", "all kept"])
def test_every_step_fails(kind, times, aftermath):
    """
    For every N: after the Nth step failed (and those after it) or was the last, all events arrive, once, in order.
    """
    for at in range(1, steps(ROOMY) + 1):
        world = World(Plan(at, kind, times), ROOMY, True)
        live_on(world, aftermath)

        assert list(range(EVENTS)) == world.events(), at
        account = world.spool.account()
        assert account.came == EVENTS, at
        assert not account.dropped
        balance(world.spool)


@pytest.mark.parametrize(("kind", "times"), FAULTS)
@pytest.mark.parametrize("aftermath", ["kill", "nothing kept", "half kept"])
def test_every_step_fails_while_the_spool_overflows(kind, times, aftermath):
    """For every N, with a collector that is down and a spool that drops: what is not there any more is counted."""
    for at in range(1, steps(TIGHT, False) + 1):
        world = World(Plan(at, kind, times), TIGHT, False)
        live_on(world, aftermath)
        left = world.spool.read(world.spool.floor + 1, 1 << 20)

        account = world.spool.account()
        assert account.came == EVENTS
        assert account.pending == sum(batch.events for batch in left)
        assert account.pending + account.dropped["spool-full"] == EVENTS
        assert account.dropped["spool-full"] > 0
        assert list(range(EVENTS)) == sorted(set(world.events())), "what was dropped had been read before"


def live_on(world: World, aftermath: str) -> None:
    """Until the end of the ring, over at most one death, and one more start to see what a later one finds."""
    try:
        world.run()
    except (Died, SpoolError):
        if aftermath == "kill":
            world.disk = world.disk.after_kill()
        else:
            world.disk = world.disk.after_power_loss({"nothing kept": 0, "half kept": 0.5, "all kept": 1}[aftermath])
        world.run()
    before = world.spool.account()
    world.disk = world.disk.after_kill()
    world.spool = Spool(world.disk, world.limits)
    assert before.came == world.spool.account().came
    world.send()


@pytest.mark.parametrize(("kind", "times"), [("fail", 1), ("fail", 2)])
def test_a_failed_sync_is_never_trusted(kind, times):
    """What a failed fsync left behind is not what a later successful one makes durable."""
    for at in range(1, steps(ROOMY) + 1):
        world = World(Plan(at, kind, times), ROOMY, False)
        try:
            world.run()
        except SpoolError:
            world.run()
        spool = Spool(world.disk.after_power_loss(0), ROOMY)

        assert bytes(range(EVENTS)) == b"".join(batch.payload[: batch.events] for batch in spool.read(0)), at


def test_what_a_killed_agent_wrote_is_made_durable_before_it_counts():
    """A batch that was written and not synced is found after kill -9, and is still there when the power goes then."""
    plan = Plan()
    disk = Disk(plan)
    Spool(disk, ROOMY).append([Batch(STEP, 1, b"a")])
    plan.at, plan.kind = len(plan.steps) + 3, "die"
    with pytest.raises(Died):
        Spool(disk, ROOMY).append([Batch(2 * STEP, 1, b"b")])
    disk = disk.after_kill()
    assert Spool(disk, ROOMY).ring_position(BOOT, 0, 1).end == 2 * STEP

    assert [batch.payload for batch in Spool(disk.after_power_loss(0), ROOMY).read(0)] == [b"a", b"b"]


def test_two_entries_are_one_step():
    """Batches of one call become durable together, with one fsync."""
    plan = Plan()
    spool = Spool(Disk(plan), ROOMY)
    spool.append([Batch(STEP, 1, b"a")])
    del plan.steps[:]
    spool.append([Batch(STEP, 1, b"b", ring=1), Batch(2 * STEP, 1, b"c")])

    assert plan.steps == ["write", "sync"]
