"""
The SQLite schema and its migrations, in the order they are applied; `user_version` is the number applied.

An event is one row of eleven small columns. What many events share stands once, by number: the stream it came on (node,
boot, ring), its subject (who) and its outcome (what was decided). Measured against every name in every row, that is
half the bytes and twice the rows a second.
"""

import sqlite3
from pathlib import Path

from collector.store.errors import SchemaError, StoreUnavailableError

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE nodes (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, boot_id TEXT NOT NULL DEFAULT '',
        version TEXT NOT NULL DEFAULT '', kernel TEXT NOT NULL DEFAULT '', last_seen_ns INTEGER NOT NULL DEFAULT 0,
        report BLOB NOT NULL DEFAULT x'', last_batch INTEGER NOT NULL DEFAULT 0,
        stored INTEGER NOT NULL DEFAULT 0, duplicate INTEGER NOT NULL DEFAULT 0, rejected INTEGER NOT NULL DEFAULT 0,
        rejected_batches INTEGER NOT NULL DEFAULT 0, expired INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE spools (
        node INTEGER NOT NULL REFERENCES nodes, spool TEXT NOT NULL, last_batch INTEGER NOT NULL,
        PRIMARY KEY (node, spool)) WITHOUT ROWID;
    CREATE TABLE streams (
        id INTEGER PRIMARY KEY, node INTEGER NOT NULL REFERENCES nodes, boot_id TEXT NOT NULL, ring INTEGER NOT NULL,
        expired_through INTEGER NOT NULL DEFAULT -1, UNIQUE (node, boot_id, ring));
    CREATE TABLE subjects (
        id INTEGER PRIMARY KEY, cgroup_id INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
        cgroup BLOB NOT NULL, workload BLOB NOT NULL, comm BLOB NOT NULL, exe BLOB NOT NULL,
        UNIQUE (exe, comm, cgroup_id, uid, gid, cgroup, workload));
    CREATE TABLE outcomes (
        id INTEGER PRIMARY KEY, generation INTEGER NOT NULL, class INTEGER NOT NULL, effect INTEGER NOT NULL,
        reason INTEGER NOT NULL, verdict INTEGER NOT NULL, protocol INTEGER NOT NULL, policy TEXT NOT NULL,
        rule TEXT NOT NULL, action TEXT NOT NULL, mode TEXT NOT NULL, severity TEXT NOT NULL, message TEXT NOT NULL,
        UNIQUE (generation, policy, rule, class, effect, reason, verdict, protocol, action, mode, severity, message));
    CREATE TABLE events (
        id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, sequence INTEGER NOT NULL, unix_ns INTEGER NOT NULL,
        subject INTEGER NOT NULL, outcome INTEGER NOT NULL, tgid INTEGER NOT NULL, tid INTEGER NOT NULL,
        operations INTEGER NOT NULL, flags INTEGER NOT NULL, object BLOB NOT NULL);
    CREATE UNIQUE INDEX events_identity ON events (stream, sequence);
    CREATE TABLE marks (stored_ns INTEGER NOT NULL, last_event INTEGER NOT NULL);
    CREATE TABLE alerts (
        id INTEGER PRIMARY KEY, event INTEGER NOT NULL, rule TEXT NOT NULL, receiver TEXT NOT NULL,
        state INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, suppressed INTEGER NOT NULL DEFAULT 0,
        created_ns INTEGER NOT NULL, next_ns INTEGER NOT NULL, done_ns INTEGER NOT NULL DEFAULT 0,
        error TEXT NOT NULL DEFAULT '');
    CREATE INDEX alerts_pending ON alerts (receiver, next_ns) WHERE state = 0;
    CREATE INDEX alerts_event ON alerts (event);
    CREATE TABLE alert_counts (
        rule TEXT NOT NULL, receiver TEXT NOT NULL, matched INTEGER NOT NULL DEFAULT 0,
        suppressed INTEGER NOT NULL DEFAULT 0, overflow INTEGER NOT NULL DEFAULT 0,
        delivered INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0, expired INTEGER NOT NULL DEFAULT 0,
        failed_attempts INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (rule, receiver)) WITHOUT ROWID;
    """,
)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """
    Open the store's file with the settings every connection needs.

    WAL with `synchronous=FULL`: what was committed survives `kill -9` and loss of power. Transactions are explicit.
    A connection is used by one thread at a time, not always the same.
    """
    try:
        mode = "ro" if read_only else "rwc"
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("PRAGMA cache_size = -65536")
        if not read_only:
            connection.execute("PRAGMA page_size = 8192")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA wal_autocheckpoint = 4000")
    except sqlite3.Error as error:
        raise StoreUnavailableError(f"cannot open store `{path}`: {error}") from error
    return connection


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to date, each step in a transaction of its own; refuse one from the future."""
    try:
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if found > len(MIGRATIONS):
            raise SchemaError(str(path), found, len(MIGRATIONS))
        for number, script in enumerate(MIGRATIONS[found:], start=found + 1):
            connection.executescript(f"BEGIN IMMEDIATE;{script};PRAGMA user_version = {number};COMMIT;")
    except sqlite3.Error as error:
        raise StoreUnavailableError(f"cannot set up store `{path}`: {error}") from error
