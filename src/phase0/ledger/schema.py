"""The ledger's file: its tables and version, how it is opened, and in which words its failures are told.

SQLite in WAL mode: readers never wait, writers of several processes take turns. Not for network file systems.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import filelock

from phase0.errors import BusyError, DataError, Phase0Error

VERSION = 2
_APPLICATION = 0x70683030  # "ph00": tells a ledger from any other SQLite file
_PATIENCE = 300  # seconds; a commit takes milliseconds, but whoever holds the lock may be stopped for a while

_TABLES = """
CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;

-- Requests and replies of one commit, one behind the other, compressed with zstd.
CREATE TABLE block (
    id INTEGER PRIMARY KEY,
    size INTEGER NOT NULL,      -- bytes before compression
    hash BLOB NOT NULL,         -- XXH3-64 of them
    body BLOB NOT NULL
) STRICT;

-- One row for each purchase. The first answer to a question stands; a later one is counted, and lies in no block.
CREATE TABLE reply (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL,          -- digest of the request, 16 bytes
    block INTEGER,
    start INTEGER,              -- of the request, in the block
    middle INTEGER,             -- where the reply begins
    stop INTEGER,
    model INTEGER NOT NULL,     -- this and the like: id of a name
    server INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    status INTEGER NOT NULL,
    reason INTEGER,
    run INTEGER NOT NULL,
    tokens_in INTEGER,
    tokens_out INTEGER,
    cost INTEGER,               -- 10**-12 dollars
    at REAL NOT NULL,           -- seconds since 1970
    imported INTEGER NOT NULL   -- 1: somebody else paid for it
) STRICT;
CREATE UNIQUE INDEX answer ON reply (key) WHERE block IS NOT NULL;

CREATE TABLE failure (
    key BLOB PRIMARY KEY,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    run TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE batch (
    tag TEXT PRIMARY KEY,
    server TEXT NOT NULL,
    model TEXT NOT NULL,
    keys BLOB NOT NULL,         -- digests of 16 bytes, one behind the other
    state TEXT NOT NULL,        -- intent, sent or settled
    batch_id TEXT,
    status TEXT,                -- how it ended
    at REAL NOT NULL,
    run TEXT NOT NULL,
    destination TEXT            -- JSON: where it was sent, and how; no key is in it
) STRICT;
"""

_STAKES = """
-- What a run may have paid, or will, beyond what its answers say: at the most it can be.
CREATE TABLE stake (
    name TEXT PRIMARY KEY,      -- of a purchase, or the tag of a batch
    run TEXT NOT NULL,
    cost INTEGER NOT NULL       -- 10**-12 dollars
) STRICT, WITHOUT ROWID;
"""

_CHANGES = {1: f"ALTER TABLE batch ADD COLUMN destination TEXT; {_STAKES}"}
"""What makes a file of the next version of one of this version."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection whose commits are on the disk when they return, and which waits its turn."""
    connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    # FULL syncs the log at every commit: 0.3 ms here, shared by all replies of the commit. With NORMAL a power cut
    # takes replies that were confirmed.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -16000")  # 16 MB
    connection.execute("PRAGMA journal_size_limit = 67108864")
    return connection


def prepare(path: Path) -> None:
    """Make the file if there is none, bring an older one up to date, and refuse what is no ledger or a newer one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two processes that turn one new file into a WAL database at once are refused by SQLite without waiting.
        lock = filelock.FileLock(path.with_name(f"{path.name}.lock"), timeout=_PATIENCE)
        with lock, telling(path), closing(connect(path)) as connection:
            _prepare(path, connection)
    except filelock.Timeout:
        raise _busy(path) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    application, version, tables = connection.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)"
        " FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if application != _APPLICATION and (tables or version):
        raise DataError(f"{path}: is an SQLite database, but no ledger of phase0")
    if version > VERSION:
        raise DataError(
            f"{path}: was written by a newer phase0 (version {version} of the ledger; this program knows {VERSION}). "
            "Update phase0; nothing was changed."
        )
    connection.execute("PRAGMA journal_mode = WAL")
    if not tables:
        connection.executescript(
            f"BEGIN; {_TABLES} {_STAKES}"
            f" PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
        )
    elif version < VERSION:
        changes = " ".join(_CHANGES[older] for older in range(version, VERSION))
        connection.executescript(f"BEGIN IMMEDIATE; {changes} PRAGMA user_version = {VERSION}; COMMIT;")


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Whatever SQLite raises in the block is raised in our words."""
    try:
        yield
    except sqlite3.Error as error:
        raise told(path, error) from error


def told(path: Path, error: sqlite3.Error) -> Phase0Error:
    """A failure of SQLite as one sentence that says what is lost and what to do."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return _busy(path)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return damaged(path, str(error))
        case sqlite3.SQLITE_FULL:
            return DataError(
                f"{path}: the disk is full. All replies that were confirmed are kept; those that came last are not. "
                "Make room and run the same command again."
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return DataError(f"{path}: cannot be written ({error})")
        case _:
            return DataError(f"{path}: reading or writing it failed ({error}). All that was confirmed is kept.")


def damaged(path: Path, how: str) -> DataError:
    """What to do about a ledger that cannot be read: replies in it are worth money."""
    return DataError(
        f"{path}: is damaged ({how}). Put a copy in its place, together with the file {path.name}-wal beside it, or "
        "move both away to begin a new ledger: what it held would be bought again."
    )


def _busy(path: Path) -> BusyError:
    return BusyError(f"{path}: another process has kept it locked for {_PATIENCE} s. Is a stopped process holding it?")
