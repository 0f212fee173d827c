"""An append-only file of entries, each with the digest of the one before: what the trial ledger is written in.

An entry that was edited, removed or put in between is found (`verify`); what was cut off at the end is found by whoever
kept the digest of the last entry. Others wait for a transaction; nothing is ever overwritten.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.data.errors import InputError
from assay.results.storage.places import ledger_path
from assay.results.storage.runs import to_json

__all__ = [
    "Entry",
    "Verification",
    "append_entry",
    "append_to",
    "connected",
    "decoded",
    "entries",
    "entries_in",
    "export_ledger",
    "is_chain",
    "last_entry",
    "verify",
]

_LOG = logging.getLogger(__name__)

_SCHEMA = """
create table if not exists entries (
  seq integer primary key autoincrement, kind text not null, key text not null unique, body text not null,
  data blob not null, created text not null, previous text not null, digest text not null);
create index if not exists entries_by_kind on entries (kind);
"""
_VERSION = 2
#: How long a ledger that another command holds is waited for, before and after that is said.
_QUIET_SECONDS, _WAIT_SECONDS = 2.0, 20.0
_FIRST = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One entry of the chain."""

    seq: int
    kind: str
    key: str
    body: Mapping[str, Any]
    data: bytes
    created: str
    digest: str


@dataclass(frozen=True)
class Verification:
    """What a walk along the chain found.

    Parameters
    ----------
    entries : how many stand in it.
    head : digest of the last; kept elsewhere, it shows whether the end was cut off.
    broken : what is wrong, by entry, the first ten.

    """

    entries: int
    head: str
    broken: tuple[str, ...]


def last_entry(path: Path | None = None) -> int:
    """Number of the last entry; 0 where there is none."""
    path = path or ledger_path()
    if not path.exists():
        return 0
    with connected(path, create=False) as connection:
        return int(connection.execute("select coalesce(max(seq), 0) from entries").fetchone()[0])


def _digest(previous: str, kind: str, key: str, body: str, data: bytes, created: str) -> str:
    parts = (previous, kind, key, body, hashlib.sha256(data).hexdigest(), created)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _is_whole(previous: Any, kind: Any, key: Any, body: Any, data: Any, created: Any, digest: Any) -> bool:
    """Whether an entry's cells are of their types and give its digest."""
    texts = (previous, kind, key, body, created, digest)
    if not all(isinstance(text, str) for text in texts) or not isinstance(data, bytes):
        return False
    return bool(_digest(previous, kind, key, body, data, created) == digest)


def append_to(
    connection: sqlite3.Connection, kind: str, key: str, body: Mapping[str, Any], data: bytes = b"", created: str = ""
) -> bool:
    """Add an entry at the end of the chain unless its key is there."""
    if connection.execute("select 1 from entries where key = ?", (key,)).fetchone():
        return False
    last = connection.execute("select digest from entries order by seq desc limit 1").fetchone()
    previous = last[0] if last else _FIRST
    if not isinstance(previous, str):
        raise InputError("trial ledger: its last entry is damaged; `runs trials --verify` says what is wrong")
    text = to_json(body)
    created = created or datetime.now(UTC).isoformat(timespec="seconds")
    connection.execute(
        "insert into entries (kind, key, body, data, created, previous, digest) values (?, ?, ?, ?, ?, ?, ?)",
        (kind, key, text, data, created, previous, _digest(previous, kind, key, text, data, created)),
    )
    return True


def append_entry(kind: str, key: str, body: Mapping[str, Any], *, path: Path | None = None) -> bool:
    """Add an entry of another kind (a look of the gate, a lockbox); False where its key is there already."""
    with connected(path or ledger_path(), create=True) as connection:
        return append_to(connection, kind, f"{kind}:{key}", body)


def entries(kind: str, *, path: Path | None = None) -> list[Entry]:
    """The entries of a kind, in the order in which they were made."""
    path = path or ledger_path()
    if not path.exists():
        return []
    with connected(path, create=False) as connection:
        return entries_in(connection, kind)


def entries_in(connection: sqlite3.Connection, kind: str) -> list[Entry]:
    """`entries` of an open ledger."""
    query = "select seq, kind, key, body, data, created, previous, digest from entries where kind = ? order by seq"
    found = []
    for seq, kind_, key, text, data, created, previous, digest in connection.execute(query, (kind,)):
        if not _is_whole(previous, kind_, key, text, data, created, digest):
            raise InputError(f"trial ledger: entry {seq} is damaged; `runs trials --verify` says what is wrong")
        found.append(Entry(seq, kind_, key, decoded(text, seq), data, created, digest))
    return found


def decoded(text: str, seq: int) -> dict[str, Any]:
    """The JSON of entry `seq`; an error of one line where it is none."""
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"trial ledger: entry {seq} is damaged; `runs trials --verify` says what is wrong")
    return found


def verify(path: Path | None = None) -> Verification:
    """Walk along the chain: every digest is made again, and every entry must follow the one before."""
    path = path or ledger_path()
    if not path.exists():
        return Verification(0, _FIRST, ())
    broken: list[str] = []
    previous, expected = _FIRST, 1
    query = "select seq, kind, key, body, data, created, previous, digest from entries order by seq"
    with connected(path, create=False) as connection:
        for seq, kind, key, body, data, created, before, digest in connection.execute(query):
            if seq != expected:
                broken.append(f"entry {expected} is missing")
            if before != previous:
                broken.append(f"entry {seq} does not follow the one before it")
            if not _is_whole(before, kind, key, body, data, created, digest):
                broken.append(f"entry {seq} ({kind}) was changed after it was made")
            previous, expected = digest, seq + 1
        highest = connection.execute("select seq from sqlite_sequence where name = 'entries'").fetchone()
    if highest and highest[0] >= expected:
        broken.append(f"entries {expected} to {highest[0]} are missing at the end")
    return Verification(expected - 1, previous, tuple(broken[:10]))


def export_ledger(target: Path, *, path: Path | None = None) -> int:
    """Copy the ledger to a new file; how many entries it holds.

    Raises
    ------
    InputError
        If the target is there already, or the ledger is not.

    """
    path = path or ledger_path()
    if target.exists():
        raise InputError(f"trial ledger: {target} is there already; name a new file")
    if not path.exists():
        raise InputError(f"trial ledger: there is none at {path}")
    with connected(path, create=False) as connection:
        connection.execute("vacuum into ?", (str(target),))
        return int(connection.execute("select count(*) from entries").fetchone()[0])


def is_chain(path: Path) -> bool:
    """Whether a file is a ledger of the present kind, if only an empty one; the first version had other tables."""
    with connected(path, create=False, check=False) as connection:
        tables = {row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")}
    return "entries" in tables or not tables


def _set_up(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute(f"pragma user_version = {_VERSION}")


def _begin(connection: sqlite3.Connection, path: Path) -> None:
    """Start a transaction; where another command holds the ledger, say so and wait."""
    try:
        connection.execute("begin immediate")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        _LOG.warning("trial ledger %s: another command holds it; waiting up to %.0f s", path, _WAIT_SECONDS)
        connection.execute(f"pragma busy_timeout = {_WAIT_SECONDS * 1000:.0f}")
        connection.execute("begin immediate")


@contextmanager
def connected(path: Path, *, create: bool, check: bool = True) -> Iterator[sqlite3.Connection]:
    """One transaction on the ledger; others wait for it."""
    connection = None
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=_QUIET_SECONDS, isolation_level=None)
        version = connection.execute("pragma user_version").fetchone()[0]
        if check and version > _VERSION:
            raise InputError(
                f"trial ledger {path}: made by a newer version ({version}, this reads {_VERSION}); update the package"
            )
        if not create and check and not connection.execute("select 1 from sqlite_master limit 1").fetchone():
            connection.close()  # whoever made the file was stopped before its first entry: nothing stands in it
            connection = sqlite3.connect(":memory:", isolation_level=None)
            _set_up(connection)
        if create:
            _begin(connection, path)
            _set_up(connection)
        elif check:
            connection.execute("select 1 from entries limit 1")
        yield connection
        if create:
            connection.execute("commit")
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            raise InputError(
                f"trial ledger {path}: of another version; `runs trials --merge {path}` reads it into the present one"
            ) from None
        raise InputError(f"trial ledger {path}: cannot be used: {error}; ASSAY_LEDGER names another place") from None
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # it cannot name such names
        raise InputError(
            f"trial ledger {path}: damaged ({error}); it is left as it is: restore a copy or move it away"
        ) from None
    except OSError as error:
        raise InputError(
            f"trial ledger {path}: cannot be written: {error.strerror}; ASSAY_LEDGER names another place"
        ) from None
    finally:
        if connection is not None:
            connection.close()
