"""
Read events and alerts: filters, pages by key, words.

Each call uses a connection that nobody else uses meanwhile, and is interrupted when it takes too long.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from collector.store.errors import QueryTooSlowError, StoreUnavailableError
from collector.store.events import RuleReference
from collector.store.protocol import (
    AlertCounts,
    AlertPage,
    AlertRecord,
    Numbered,
    Page,
    PendingAlert,
    ViolationFilter,
)
from collector.store.spelling import CLASSES, EFFECTS, RawEvent, Violation, parse_event_id, spell

#: A query may take this long.
PATIENCE_NS = 5_000_000_000
#: Clocks of nodes may be this wrong before `since` leaves out something.
SKEW_NS = 3_600_000_000_000
STATES = ("pending", "delivered", "dead")

_EVENT = (
    "e.id, n.name, s.boot_id, s.ring, e.sequence, e.unix_ns, o.generation, o.policy, o.rule, o.action, o.mode,"
    " o.severity, o.message, o.class, o.effect, o.reason, o.verdict, e.operations, e.flags, e.tgid, e.tid, u.uid,"
    " u.gid, e.object, u.exe, u.comm, u.cgroup, u.workload"
)
_JOINS = (
    "JOIN streams s ON s.id = e.stream JOIN nodes n ON n.id = s.node"
    " JOIN subjects u ON u.id = e.subject JOIN outcomes o ON o.id = e.outcome"
)
_ALERT = "a.id, a.rule, a.receiver, a.state, a.attempts, a.suppressed, a.created_ns, a.next_ns, a.done_ns, a.error"


@contextmanager
def bounded(connection: sqlite3.Connection, clock_ns: Callable[[], int]) -> Iterator[None]:
    """Interrupt what runs inside after `PATIENCE_NS`, and turn SQLite's errors into ours."""
    end = clock_ns() + PATIENCE_NS
    connection.set_progress_handler(lambda: int(clock_ns() > end), 100_000)
    try:
        yield
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            raise QueryTooSlowError(f"no answer within {PATIENCE_NS // 10**9} s: ask for less") from error
        raise StoreUnavailableError(str(error)) from error
    except sqlite3.Error as error:
        raise StoreUnavailableError(str(error)) from error
    finally:
        connection.set_progress_handler(None, 0)


def violations(connection: sqlite3.Connection, query: ViolationFilter, limit: int, before: int | None) -> Page:
    """One page, newest first."""
    conditions, values = _conditions(connection, query)
    if before is not None:
        conditions.append("e.id < ?")
        values.append(before)
    where = " AND ".join(conditions) or "1"
    rows = connection.execute(
        f"SELECT {_EVENT} FROM events e {_JOINS} WHERE {where} ORDER BY e.id DESC LIMIT ?",  # noqa: S608 - marks only
        (*values, limit + 1),
    ).fetchall()
    found = tuple(Numbered(row[0], spell(_raw(row[1:]))) for row in rows[:limit])
    return Page(found, found[-1].number if len(rows) > limit else None)


def violations_after(connection: sqlite3.Connection, number: int, limit: int) -> tuple[list[Numbered], int]:
    """The newest `limit` violations behind `number`, oldest first, and how many there are behind it in all."""
    rows = connection.execute(
        f"SELECT {_EVENT} FROM events e {_JOINS} WHERE e.id > ? AND s.ring = 0 ORDER BY e.id DESC LIMIT ?",  # noqa: S608
        (number, limit),
    ).fetchall()
    found = [Numbered(row[0], spell(_raw(row[1:]))) for row in reversed(rows)]
    if len(rows) < limit:
        return found, len(rows)
    older = connection.execute(
        "SELECT count(*) FROM events e JOIN streams s ON s.id = e.stream WHERE e.id > ? AND e.id < ? AND s.ring = 0",
        (number, found[0].number),
    ).fetchone()[0]
    return found, len(rows) + older


def violation(connection: sqlite3.Connection, event_id: str) -> Violation | None:
    """The event with this id. Of two boots whose ids begin alike the later one is meant."""
    if (parts := parse_event_id(event_id)) is None:
        return None
    node, boot, ring, sequence = parts
    row = connection.execute(
        f"SELECT {_EVENT} FROM events e {_JOINS} WHERE n.name = ? AND substr(s.boot_id, 1, 8) = ? AND s.ring = ?"  # noqa: S608
        " AND e.sequence = ? ORDER BY e.id DESC LIMIT 1",
        (node, boot, ring, sequence),
    ).fetchone()
    return spell(_raw(row[1:])) if row else None


def alerts(
    connection: sqlite3.Connection,
    state: str | None,
    rule: str | None,
    receiver: str | None,
    limit: int,
    before: int | None,
) -> AlertPage:
    """One page of alerts, newest first."""
    given = {
        "a.state = ?": STATES.index(state) if state in STATES else None,
        "a.rule = ?": rule,
        "a.receiver = ?": receiver,
        "a.id < ?": before,
    }
    conditions = {text: value for text, value in given.items() if value is not None}
    where = " AND ".join(conditions) or "1"
    rows = connection.execute(
        f"SELECT {_ALERT}, {_EVENT} FROM alerts a LEFT JOIN events e ON e.id = a.event {_JOINS.replace('JOIN', 'LEFT JOIN')}"  # noqa: S608, E501
        f" WHERE {where} ORDER BY a.id DESC LIMIT ?",
        (*conditions.values(), limit + 1),
    ).fetchall()
    found = tuple(_alert(row) for row in rows[:limit])
    return AlertPage(found, found[-1].number if len(rows) > limit else None)


def due_alerts(connection: sqlite3.Connection, receiver: str, now_ns: int, limit: int) -> Sequence[PendingAlert]:
    """Pending alerts whose time has come, the longest waiting first."""
    rows = connection.execute(
        f"SELECT a.id, a.rule, a.attempts, a.suppressed, a.created_ns, {_EVENT}"  # noqa: S608 - our own columns
        f" FROM alerts a JOIN events e ON e.id = a.event {_JOINS}"
        " WHERE a.state = 0 AND a.receiver = ? AND a.next_ns <= ? ORDER BY a.next_ns, a.id LIMIT ?",
        (receiver, now_ns, limit),
    ).fetchall()
    return [PendingAlert(row[0], row[1], receiver, row[2], row[3], row[4], spell(_raw(row[6:]))) for row in rows]


def next_due(connection: sqlite3.Connection, receiver: str) -> int | None:
    """When the first pending alert of a receiver is due."""
    value = connection.execute(
        "SELECT min(next_ns) FROM alerts WHERE state = 0 AND receiver = ?", (receiver,)
    ).fetchone()[0]
    return None if value is None else int(value)


def alert_counts(connection: sqlite3.Connection) -> list[AlertCounts]:
    """Counts by rule and receiver, with what is pending now."""
    rows = connection.execute(
        "SELECT rule, receiver, matched, suppressed, overflow, delivered, dead, expired, failed_attempts,"
        " (SELECT count(*) FROM alerts a WHERE a.state = 0 AND a.receiver = c.receiver AND a.rule = c.rule)"
        " FROM alert_counts c ORDER BY rule, receiver"
    ).fetchall()
    return [AlertCounts(*row) for row in rows]


def _conditions(connection: sqlite3.Connection, query: ViolationFilter) -> tuple[list[str], list[object]]:
    lists: list[tuple[str, tuple[object, ...]]] = [
        ("n.name", query.nodes),
        ("o.policy", query.policies),
        ("o.rule", query.rules),
        ("o.class", tuple(CLASSES.index(name) for name in query.classes)),
        ("o.effect", tuple(EFFECTS.index(name) for name in query.effects)),
        ("s.ring", () if query.ring is None else (query.ring,)),
    ]
    conditions = [f"{column} IN ({','.join('?' * len(some))})" for column, some in lists if some]
    values: list[object] = [value for _, some in lists for value in some]
    if query.since_ns is not None:
        conditions += ["e.unix_ns >= ?", "e.id > ?"]
        values += [query.since_ns, _stored_before(connection, query.since_ns - SKEW_NS)]
    if query.until_ns is not None:
        conditions.append("e.unix_ns < ?")
        values.append(query.until_ns)
    if query.text:
        conditions.append("(instr(e.object, ?1t) OR instr(u.exe, ?1t) OR instr(u.comm, ?1t))".replace("?1t", "?"))
        values += [query.text] * 3
    return conditions, values


def _stored_before(connection: sqlite3.Connection, unix_ns: int) -> int:
    """Number of an event that was stored before this time, with all older ones; 0 if none is known to be."""
    row = connection.execute("SELECT ifnull(max(last_event), 0) FROM marks WHERE stored_ns < ?", (unix_ns,)).fetchone()
    return int(row[0])


def _alert(row: Sequence[Any]) -> AlertRecord:
    """From the columns of `_ALERT`, then the number and the columns of `_EVENT`."""
    number, rule, receiver, state, *counts, error, event = row[:11]
    attempts, suppressed, created_ns, next_ns, done_ns = counts
    words = None if event is None else spell(_raw(row[11:]))
    return AlertRecord(
        number, rule, receiver, STATES[state], attempts, suppressed, created_ns, next_ns, done_ns, error, words
    )


def _raw(row: Sequence[Any]) -> RawEvent:
    """From the columns of `_EVENT` behind the number."""
    node, boot_id, ring, sequence, unix_ns, generation, policy, rule, action, mode, severity, message, *rest = row
    class_, effect, reason, verdict, operations, flags, *who = rest
    return RawEvent(
        node,
        boot_id,
        ring,
        sequence,
        unix_ns,
        generation,
        RuleReference(policy, rule, action, mode, severity, message),
        class_,
        effect,
        reason,
        verdict,
        operations,
        flags,
        *who,
    )
