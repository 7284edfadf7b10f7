"""Which generation is live, which one comes back, which place is free: on arrays in memory."""

import pytest

from agent import abi
from agent.kernel import slots as slots_module
from agent.kernel.slots import Slot, Slots

CONTROL, SLOTS = 1, 2


class Arrays:
    """The two arrays."""

    def __init__(self) -> None:
        self.values: dict[tuple[int, bytes], bytes] = {}

    def map_lookup(self, fd: int, key: bytes, size: int) -> bytes | None:
        return self.values.get((fd, key), bytes(size))

    def map_update(self, fd: int, key: bytes, value: bytes) -> None:
        self.values[fd, key] = value


@pytest.fixture
def slots(monkeypatch: pytest.MonkeyPatch) -> Slots:
    monkeypatch.setattr(slots_module, "boot_ns", lambda: 1000)
    return Slots(Arrays(), {"control": CONTROL, "slots": SLOTS})  # type: ignore[arg-type]


def install(slots: Slots, generation: int, reverts_at: int = 0) -> int:
    plan = slots.plan()
    slots.write(plan.slot, Slot(generation, slots.next_epoch(), reverts_at, plan.fallback, 1, 1))
    slots.select(plan.slot)
    return plan.slot


def test_nothing_is_live_at_first(slots: Slots) -> None:
    """Slot 0 means none, and is never given out."""
    assert (slots.live(), slots.previous()) == (0, 0)
    assert slots.plan().slot != 0


def test_a_slot_that_is_read_is_never_taken(slots: Slots) -> None:
    """Neither the one selected nor the one it may go back to, whatever their leases say."""
    for generation in range(1, 200):
        selected, fallback = slots.selected(), slots.read(slots.selected()).fallback
        leased = bool(slots.read(selected).reverts_at)
        where = install(slots, generation, reverts_at=(0, 2000, 500)[generation % 3])

        assert where not in {selected, 0}
        assert not (leased and where == fallback)
        assert not slots.read(slots.read(where).fallback).reverts_at


def test_a_lease_that_ran_out_is_followed(slots: Slots) -> None:
    """After its time the fallback is live, as for the programs."""
    first = install(slots, 1)
    install(slots, 2, reverts_at=999)

    assert slots.live() == first
    assert slots.needed() == {first, slots.selected()}


def test_the_fallback_of_an_unconfirmed_one_is_handed_on(slots: Slots) -> None:
    """Two pushes in a row, neither confirmed: both would go back to the same one."""
    first = install(slots, 1)
    install(slots, 2, reverts_at=5000)
    third = install(slots, 3, reverts_at=5000)

    assert slots.read(third).fallback == first


def test_previous_is_older_and_still_there(slots: Slots) -> None:
    """A rollback leads to the generation before; from there no further, its own past is overwritten."""
    for generation in (1, 2, 3, 4):
        install(slots, generation)
    back = slots.previous()
    assert slots.read(back).generation == 3
    slots.select(back)
    install(slots, 5)
    slots.select(back)

    assert slots.read(slots.previous()).generation in (0, 2)


def test_epochs_only_grow(slots: Slots) -> None:
    """Even where the clock stands still."""
    seen = [slots.read(install(slots, generation)).epoch for generation in range(1, 9)]
    seen += [slots.renew(slots.live()) for _ in range(3)]

    assert seen == sorted(set(seen))


def test_what_is_written_is_read(slots: Slots) -> None:
    """Every member of struct rf_slot."""
    content = Slot(generation=2**40, epoch=3, reverts_at=4, fallback=1, rules=6, processors=7)
    slots.write(2, content)

    assert slots.read(2) == content
    assert abi.SLOT.itemsize == 40
