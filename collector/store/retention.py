"""
Remove the oldest events beyond a count or an age, and count every one.

In steps of some thousands, so that what arrives meanwhile does not wait. Alerts go with their events: one that was not
delivered by then is counted as expired. Subjects that no event names any more go in a sweep of their own.
"""

import sqlite3

from collector.store.protocol import Expired

#: Events removed in one step.
STEP = 5_000


def expire(connection: sqlite3.Connection, keep_events: int, keep_ns: int, now_ns: int) -> Expired:
    """
    One step. To be called inside a transaction.

    Args:
        keep_events: As many of the newest events stay; 0: any number.
        keep_ns: Events stored longer ago than this go; 0: any age.
    """
    cutoff = _cutoff(connection, keep_events, keep_ns, now_ns)
    last = connection.execute(
        "SELECT max(id) FROM (SELECT id FROM events WHERE id <= ? ORDER BY id LIMIT ?)", (cutoff, STEP)
    ).fetchone()[0]
    if last is None:
        return Expired(0, 0, more=False)
    _remember(connection)
    _count_events(connection, last)
    alerts = _expire_alerts(connection, last)
    events = connection.execute("DELETE FROM events WHERE id <= ?", (last,)).rowcount
    connection.execute("DELETE FROM marks WHERE last_event < ?", (last,))
    return Expired(events, alerts, more=last < cutoff)


def _cutoff(connection: sqlite3.Connection, keep_events: int, keep_ns: int, now_ns: int) -> int:
    """Number of the newest event that has to go; numbers have no gaps but at the old end."""
    newest = connection.execute("SELECT ifnull(max(id), 0) FROM events").fetchone()[0]
    by_count = newest - keep_events if keep_events else 0
    by_age = connection.execute(
        "SELECT ifnull(max(last_event), 0) FROM marks WHERE stored_ns < ?", (now_ns - keep_ns,)
    ).fetchone()[0]
    return max(0, by_count, by_age if keep_ns else 0)


def _remember(connection: sqlite3.Connection) -> None:
    """Keep the highest numbers, so that none is given twice once its row is gone."""
    connection.execute(
        "INSERT INTO meta SELECT 'last_event', max(id) FROM events WHERE true"
        " ON CONFLICT DO UPDATE SET value = max(value, excluded.value)"
    )
    connection.execute(
        "INSERT INTO meta SELECT 'last_alert', ifnull(max(id), 0) FROM alerts WHERE true"
        " ON CONFLICT DO UPDATE SET value = max(value, excluded.value)"
    )


def _count_events(connection: sqlite3.Connection, last: int) -> None:
    """By stream, the newest sequence that goes: one sent again counts as known. By node, how many."""
    gone = connection.execute(
        "SELECT stream, max(sequence), count(*) FROM events WHERE id <= ? GROUP BY stream", (last,)
    ).fetchall()
    for stream, sequence, count in gone:
        connection.execute(
            "UPDATE streams SET expired_through = max(expired_through, ?) WHERE id = ?", (sequence, stream)
        )
        connection.execute(
            "UPDATE nodes SET expired = expired + ? WHERE id = (SELECT node FROM streams WHERE id = ?)", (count, stream)
        )


def _expire_alerts(connection: sqlite3.Connection, last: int) -> int:
    pending = connection.execute(
        "SELECT rule, receiver, count(*) FROM alerts WHERE event <= ? AND state = 0 GROUP BY rule, receiver", (last,)
    ).fetchall()
    for rule, receiver, count in pending:
        connection.execute(
            "UPDATE alert_counts SET expired = expired + ? WHERE rule = ? AND receiver = ?", (count, rule, receiver)
        )
    connection.execute("DELETE FROM alerts WHERE event <= ?", (last,))
    return sum(count for _, _, count in pending)


def sweep(connection: sqlite3.Connection) -> int:
    """
    Remove subjects and outcomes that no event names; returns how many. Reads every event: to be called seldom.

    Whoever caches their numbers must forget them.
    """
    removed = 0
    for table, column in (("subjects", "subject"), ("outcomes", "outcome")):
        removed += connection.execute(
            f"DELETE FROM {table} WHERE id NOT IN (SELECT {column} FROM events)"  # noqa: S608 - names are ours
        ).rowcount
    return removed
