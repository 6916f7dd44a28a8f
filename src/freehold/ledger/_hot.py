"""A hot file: calls in a SQLite file that one process writes and anybody reads."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from freehold.vocabulary import Call

from ._rows import HOT_SCHEMA, body_rows, call_rows, insert
from ._sqlite import Vanished, code_of, open_readonly, open_writable, sync_folder

if TYPE_CHECKING:
    from ._vault import DataKey

_TIMEOUT_S = 0.25
_SMALL_CACHE = "PRAGMA cache_size=-256"  # KiB: rows go to the end, so that more would be kept for nothing


class HotTotals(NamedTuple):
    """What a closed hot file holds; the manifest keeps it to check every read against."""

    rows: int
    first_us: int
    last_us: int
    size: int


class HotFile:
    """The hot file that this process writes.

    Commits are whole batches. Writing a batch again is harmless: rows are known by call id. With a `key`, bodies are
    encrypted on their way in. The journal is folded into the file when it is closed, and only then.

    `asked`: what the request to close all files said when it was made (`Layout.rotate`). `taken` (on the monotonic
    clock), `size_synced` and `followed` are its writer's notes.
    """

    def __init__(self, path: Path, synchronous: str, key: DataKey | None = None, asked: int = 0) -> None:
        self.path = path
        self.asked = asked
        self.taken = 0.0
        self.rows = 0
        self.size = 0
        self.size_synced = 0
        self.followed = False
        self._key = key
        self._seq = 1
        self._db = open_writable(path, create=True, timeout_s=_TIMEOUT_S)
        try:
            self._db.execute(_SMALL_CACHE)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={synchronous}")
            self._db.execute("PRAGMA wal_autocheckpoint=0")
            self._db.execute("BEGIN IMMEDIATE")
            for statement in HOT_SCHEMA:
                self._db.execute(statement)
            self._db.execute("COMMIT")
            sync_folder(path.parent)
            self._inode = path.stat().st_ino
        except BaseException:
            self._db.close()
            raise

    def write(self, calls: Sequence[Call], size: int) -> None:
        """Commit a batch.

        Raises:
            Vanished: somebody removed or replaced the file.
            sqlite3.Error: nothing of the batch was written; try again.
        """
        self._check_present()
        db, first = self._db, self._seq
        try:
            db.execute("BEGIN IMMEDIATE")
            before = db.total_changes
            insert(db, "calls", call_rows(first, calls, self._key))
            added = db.total_changes - before
            insert(db, "bodies", body_rows(first, calls, self._key))
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise
        self._seq += len(calls)
        self.rows += added
        self.size += size

    def sync(self) -> None:
        """Make what is committed outlive a power cut. Any thread may, while another one writes.

        Raises:
            OSError: the disk says that it could not.
        """
        with contextlib.suppress(FileNotFoundError), self.path.with_name(f"{self.path.name}-wal").open("rb") as journal:
            os.fsync(journal.fileno())

    def close(self) -> None:
        """Close the connection; the file stays as it is, for `finish`."""
        self._db.close()

    def _check_present(self) -> None:
        try:
            same = self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            raise Vanished(self.path.name)


def finish(path: Path) -> HotTotals:
    """Fold a hot file that nobody writes any more into one plain file, and count it.

    Recovers the WAL of a process that was killed. Where a reader holds the file the WAL stays beside it, which is
    harmless. Any other failure is not: it may leave a journal that every reader would have to roll back, and none may.

    Raises:
        sqlite3.Error: the file is missing, damaged or cannot be written; try again.
    """
    db = open_writable(path, create=False, timeout_s=_TIMEOUT_S)
    try:
        db.execute(_SMALL_CACHE)
        orphans = "DELETE FROM bodies WHERE seq NOT IN (SELECT seq FROM calls)"
        if db.execute("SELECT (SELECT count(*) FROM bodies) > (SELECT count(*) FROM calls)").fetchone()[0]:
            db.execute(orphans)
        totals = count(db, path)
        try:
            for pragma in ("wal_checkpoint(TRUNCATE)", "journal_mode=DELETE"):
                db.execute(f"PRAGMA {pragma}").fetchall()  # it commits, and may fail, once its row has been read
        except sqlite3.OperationalError as error:
            if code_of(error) != "locked":
                raise
    finally:
        db.close()
    return totals


def look(path: Path) -> HotTotals:
    """Count a hot file without touching it.

    Raises:
        sqlite3.Error: it is missing or damaged.
    """
    db = open_readonly(path)
    try:
        return count(db, path)
    finally:
        db.close()


def sound(path: Path) -> bool:
    """Whether the pages of a closed hot file hang together; reads the whole file.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    db = open_readonly(path)
    try:
        return db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    finally:
        db.close()


def count(db: sqlite3.Connection, path: Path) -> HotTotals:
    """Totals of an open hot file, as the connection sees it."""
    rows, first, last = db.execute(
        "SELECT count(*), coalesce(min(started_at_us), 0), coalesce(max(started_at_us), 0) FROM calls"
    ).fetchone()
    return HotTotals(rows, first, last, os.stat(path).st_size)  # noqa: PTH116
