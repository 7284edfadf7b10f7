"""The store keeps every event once, counts everything, and gives it back in pages."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from collector.ingest.decode import decode
from collector.store.errors import OutOfOrderError, SchemaError, StoreUnavailableError
from collector.store.protocol import Appended, ViolationFilter
from collector.store.sqlite import SqliteStore
from tests.support.collector_batches import BOOT, NODE, batch

T = TypeVar("T")
DAY = 86_400 * 10**9


class Clock:
    """Nanoseconds that move when told to."""

    def __init__(self) -> None:
        self.now = 1_795_468_812 * 10**9

    def __call__(self) -> int:
        return self.now


def with_store(path: Path, work: Callable[[SqliteStore], Awaitable[T]], **settings: object) -> T:
    """Open the store of `path`, do `work`, close it."""

    async def run() -> T:
        store = SqliteStore(path / "store.db", **settings)  # type: ignore[arg-type]
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


async def append(
    store: SqliteStore, number: int, sequences: Sequence[int], spool: str = "s", after: int = 0, **made: object
) -> Appended:
    wire = batch(number, sequences, **made)  # type: ignore[arg-type]
    return await store.append(decode(wire, wire.node, spool, after))


async def all_ids(store: SqliteStore, **query: object) -> list[str]:
    page = await store.violations(ViolationFilter(**query), 1000, None)  # type: ignore[arg-type]
    return [one.violation.id for one in page.violations]


def test_batch_twice_is_stored_once(tmp_path: Path):
    """A batch that was stored but not acknowledged comes again: it is stored once and counted as duplicate."""

    async def work(store: SqliteStore) -> None:
        first = await append(store, 1, range(100))
        again = await append(store, 1, range(100))

        assert (len(first.stored), first.duplicate) == (100, 0)
        assert (len(again.stored), again.duplicate) == (0, 100)
        assert len(await all_ids(store)) == 100
        account = await store.account(NODE)
        assert (account.stored, account.duplicate) == (100, 100)

    with_store(tmp_path, work)


def test_reopened_store_knows_what_it_has(tmp_path: Path):
    """What was stored before a restart is still known after it, and so is the last batch."""
    with_store(tmp_path, lambda store: append(store, 7, range(50)))

    async def work(store: SqliteStore) -> None:
        assert await store.last_batch(NODE, "s") == 7
        again = await append(store, 7, range(40, 60))
        assert (len(again.stored), again.duplicate) == (10, 10)

    with_store(tmp_path, work)


def test_overlap_and_repeats_within_a_batch(tmp_path: Path):
    """Only what is new of a batch is stored, in its order; a sequence twice within it counts once."""

    async def work(store: SqliteStore) -> None:
        await append(store, 1, [10, 30, 50])
        mixed = await append(store, 2, [50, 20, 60, 20, 30, 5])

        assert mixed.stored.positions.tolist() == [1, 2, 5]
        assert mixed.duplicate == 3
        assert [f"{NODE}:{BOOT[:8]}:v{n}" for n in (5, 60, 20, 50, 30, 10)] == await all_ids(store)

    with_store(tmp_path, work)


def test_same_sequence_elsewhere_is_another_event(tmp_path: Path):
    """An event is named by node, boot, ring and sequence: a different one of any makes it another event."""

    async def work(store: SqliteStore) -> None:
        other_boot = "00000000-6d3e-4b7c-9a51-0d2f6a8e1b23"
        for number, made in enumerate(
            ({}, {"ring": 1}, {"boot_id": other_boot}, {"node": "db-1"}, {"node": "db-1", "ring": 1}), start=1
        ):
            appended = await append(store, number, [42], **made)
            assert len(appended.stored) == 1, made
        assert len(await all_ids(store, ring=None)) == 5

    with_store(tmp_path, work)


def test_batch_behind_an_unstored_one_is_refused(tmp_path: Path):
    """A batch is stored only if the one before it on its connection is: else the node would resume behind both."""

    async def work(store: SqliteStore) -> None:
        await append(store, 1, [1])
        with pytest.raises(OutOfOrderError):
            await append(store, 3, [3], after=2)
        assert await store.last_batch(NODE, "s") == 1
        await append(store, 2, [2], after=1)
        await append(store, 3, [3], after=2)
        assert await store.last_batch(NODE, "s") == 3

    with_store(tmp_path, work)


def test_one_bad_job_fails_alone(tmp_path: Path):
    """Blocks that share a transaction with one that fails are stored all the same, each once."""

    async def work(store: SqliteStore) -> None:
        results = await asyncio.gather(
            append(store, 1, range(10)),
            append(store, 9, range(90, 99), after=8),
            append(store, 2, range(10, 20), after=1),
            return_exceptions=True,
        )

        assert [Appended, OutOfOrderError, Appended] == [type(result) for result in results]
        assert len(await all_ids(store)) == 20
        assert (await store.account(NODE)).stored == 20

    with_store(tmp_path, work)


def test_new_spool_begins_again(tmp_path: Path):
    """Numbers of batches count within a spool: a new one begins at 1 and is not taken for the old one."""

    async def work(store: SqliteStore) -> None:
        await append(store, 500, [1], spool="old")
        assert await store.last_batch(NODE, "new") == 0
        await append(store, 1, [2], spool="new")
        assert (await store.last_batch(NODE, "old"), await store.last_batch(NODE, "new")) == (500, 1)

    with_store(tmp_path, work)


def test_full_disk_stores_nothing_and_says_so(tmp_path: Path):
    """When the file cannot grow a block fails as a whole, and goes through once it can."""

    async def work(store: SqliteStore) -> None:
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreUnavailableError, match="full"):
            await append(store, 1, range(5000))
        assert await all_ids(store) == []
        store._connection.execute("PRAGMA max_page_count = 1000000")
        assert len((await append(store, 1, range(5000))).stored) == 5000

    with_store(tmp_path, work)


def test_hostile_names_are_kept_raw_and_shown_printable(tmp_path: Path):
    """Names are stored as the bytes they are; what is shown is one line of printable characters."""
    names = [
        b"/tmp/a\nb",
        b"\x1b]0;owned\x07",
        b"\xff\xfe",
        b"<script>alert(1)</script>",
        "ü\u202etxt".encode(),
        b"a\\x0a",
    ]

    async def work(store: SqliteStore) -> None:
        await append(store, 1, range(len(names)), objects=names)
        page = await store.violations(ViolationFilter(), 10, None)
        shown = [one.violation.object for one in reversed(page.violations)]

        assert shown == [
            r"/tmp/a\x0ab",
            r"\x1b]0;owned\x07",
            r"\xff\xfe",
            "<script>alert(1)</script>",
            r"ü\xe2\x80\xaetxt",
            r"a\x5cx0a",
        ]
        assert all(text.isprintable() for text in shown)

    with_store(tmp_path, work)
    with sqlite3.connect(tmp_path / "store.db") as connection:
        assert names == [row[0] for row in connection.execute("SELECT object FROM events ORDER BY id")]


def test_retention_counts_what_goes(tmp_path: Path):
    """What is beyond the count goes, oldest first, and is counted; its numbers are not given again."""

    async def work(store: SqliteStore) -> None:
        await append(store, 1, range(100))
        expired = await store.expire(30, 0, 0)

        assert (expired.events, expired.more) == (70, False)
        assert len(await all_ids(store)) == 30
        account = await store.account(NODE)
        assert (account.stored, account.expired) == (100, 70)
        await store.expire(0, 1, 2**62)
        assert await all_ids(store) == []

    with_store(tmp_path, work)

    async def after(store: SqliteStore) -> None:
        appended = await append(store, 2, [1000])
        assert appended.stored.first == 101

    with_store(tmp_path, after)


def test_expired_events_do_not_come_back(tmp_path: Path):
    """An event that was stored and went by retention is still known when it is sent again."""

    async def work(store: SqliteStore) -> None:
        await append(store, 1, range(100))
        await store.expire(10, 0, 0)
        again = await append(store, 1, range(100))
        assert (len(again.stored), again.duplicate) == (0, 100)

    with_store(tmp_path, work)


def test_retention_by_age_goes_by_the_collectors_clock(tmp_path: Path):
    """A node whose clock is wrong neither loses its events early nor keeps them for ever."""
    clock = Clock()

    async def work(store: SqliteStore) -> None:
        await append(store, 1, [1], unix_ns=0)
        clock.now += 10 * DAY
        await append(store, 2, [2], unix_ns=2**62)
        assert (await store.expire(0, 11 * DAY, clock.now)).events == 0
        clock.now += 2 * DAY
        assert (await store.expire(0, 11 * DAY, clock.now)).events == 1
        assert [f"{NODE}:{BOOT[:8]}:v2"] == await all_ids(store)

    with_store(tmp_path, work, clock_ns=clock)


def test_pages_hold_everything_once(tmp_path: Path):
    """Following `next` gives every event once, newest first, even when more arrive meanwhile."""

    async def work(store: SqliteStore) -> None:
        await append(store, 1, range(95))
        seen: list[int] = []
        before: int | None = None
        for turn in range(20):
            page = await store.violations(ViolationFilter(), 10, before)
            seen += [one.number for one in page.violations]
            await append(store, 2 + turn, [1000 + turn])
            if (before := page.next) is None:
                break
        assert list(range(95, 0, -1)) == seen

    with_store(tmp_path, work)


def test_filters(tmp_path: Path):
    """All conditions must hold, any value of each."""

    async def work(store: SqliteStore) -> None:
        await append(store, 1, [1], unix_ns=1000)
        await append(store, 2, [2], unix_ns=2000, policy="db", rule="r2", effect=4)
        await append(store, 3, [3], unix_ns=3000, node="db-1", **{"class": 2})
        await append(store, 4, [4], unix_ns=4000, objects=[b"/tmp/\xffevil"], comm=2)
        await append(store, 5, [5], unix_ns=5000, ring=1, effect=1)

        async def found(**query: object) -> list[int]:
            return sorted(int(one.rpartition("v")[2].rpartition("o")[2]) for one in await all_ids(store, **query))

        assert await found() == [1, 2, 3, 4]
        assert await found(ring=1) == [5]
        assert await found(policies=("db",)) == [2]
        assert await found(policies=("web",), rules=("secrets", "r2")) == [1, 3, 4]
        assert await found(nodes=("db-1",)) == [3]
        assert await found(classes=("exec",)) == [3]
        assert await found(effects=("kill", "audit")) == [2]
        assert await found(since_ns=2000, until_ns=4000) == [2, 3]
        assert await found(text=b"\xffev") == [4]
        assert await found(text=b"/etc/ssl") == [1, 2, 3]
        assert await found(text=b"%") == []

    with_store(tmp_path, work)


def test_violation_by_id(tmp_path: Path):
    """An id leads to its event; anything that is not an id leads nowhere."""

    async def work(store: SqliteStore) -> None:
        await append(store, 1, [6720])
        found = await store.violation(f"{NODE}:{BOOT[:8]}:v6720")
        assert found is not None
        assert found.object == "/etc/ssl/private/6720"
        for text in (
            "",
            ":::",
            f"{NODE}:{BOOT[:8]}:o6720",
            f"{NODE}:{BOOT[:8]}:v{2**70}",
            "x" * 9999,
            "a:b:v" + "9" * 5000,
        ):
            assert await store.violation(text) is None

    with_store(tmp_path, work)


def test_two_collectors_cannot_share_a_store(tmp_path: Path):
    """The second process is told, before it has touched anything."""

    async def work(store: SqliteStore) -> None:
        with pytest.raises(StoreUnavailableError, match="held by another"):
            SqliteStore(tmp_path / "store.db")

    with_store(tmp_path, work)


def test_store_of_a_newer_version_is_refused(tmp_path: Path):
    """A schema we do not know is not touched."""
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("PRAGMA user_version = 999")

    async def open_it() -> None:
        with pytest.raises(SchemaError, match="999"):
            SqliteStore(tmp_path / "store.db")

    asyncio.run(open_it())


def test_store_is_private(tmp_path: Path):
    """Nobody else may read what nodes report."""
    with_store(tmp_path / "state", lambda store: append(store, 1, [1]))

    assert (tmp_path / "state" / "store.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
