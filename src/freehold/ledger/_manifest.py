"""The manifest: the only truth about which hot files and segments exist, and what each writer lost.

A small SQLite file with a rollback journal, because a reader of a WAL needs to make files of its own, which a full or
read-only disk refuses. Every change is one transaction; every operation opens it anew, so that a manifest which was
moved away and restored is seen. Readers take one consistent `Listing` and check what they read against it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from freehold.errors import LedgerUnavailable

from ._hot import HotTotals
from ._layout import REMOVE_AFTER_S, Layout, now_us
from ._sqlite import open_settled, open_writable

VERSION = 2
_FIRST = (
    """CREATE TABLE IF NOT EXISTS writers (writer TEXT PRIMARY KEY, pid INTEGER NOT NULL, host TEXT NOT NULL,
       started_us INTEGER NOT NULL, ended_us INTEGER, answered INTEGER, dropped INTEGER)""",
    """CREATE TABLE IF NOT EXISTS hot (name TEXT PRIMARY KEY, writer TEXT NOT NULL, state TEXT NOT NULL,
       rows INTEGER, first_us INTEGER, last_us INTEGER, bytes INTEGER, segment TEXT, changed_us INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS segments (name TEXT PRIMARY KEY, rows INTEGER NOT NULL, first_us INTEGER NOT NULL,
       last_us INTEGER NOT NULL, bytes INTEGER NOT NULL, state TEXT NOT NULL, changed_us INTEGER NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS written_off (name TEXT PRIMARY KEY, rows INTEGER, at_us INTEGER NOT NULL)",
)
_SECOND = (
    "ALTER TABLE hot ADD COLUMN key TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE segments ADD COLUMN place TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE segments ADD COLUMN key TEXT NOT NULL DEFAULT ''",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "INSERT INTO facts VALUES ('ledger', lower(hex(randomblob(16))))",
    """CREATE TABLE erasures (id TEXT PRIMARY KEY, digest TEXT NOT NULL, salt TEXT NOT NULL,
       begun_us INTEGER NOT NULL, done_us INTEGER)""",
    "CREATE TABLE look_again (segment TEXT PRIMARY KEY, rules TEXT NOT NULL, at_us INTEGER NOT NULL)",
)
_STEPS = (_FIRST, _SECOND)
"""What makes each version of the one before it. An older Freehold refuses a newer manifest: it would look for segments
in the wrong place, and hand out encrypted bodies as they are."""


Noting = Callable[[sqlite3.Connection], None]
"""Something to be noted in a transaction of the manifest."""


class HotEntry(msgspec.Struct, frozen=True):
    """A hot file as the manifest lists it; totals are known once it is closed.

    `key`: the wrapped data key of its bodies, "" where they are not encrypted.
    """

    name: str
    writer: str
    closed: bool
    rows: int = 0
    first_us: int = 0
    last_us: int = 0
    size: int = 0
    changed_us: int = 0
    key: str = ""


class SegmentEntry(msgspec.Struct, frozen=True):
    """A sealed segment as the manifest lists it: where it lies ("" for the home), and its wrapped data key, if any."""

    name: str
    rows: int
    first_us: int
    last_us: int
    size: int
    place: str = ""
    key: str = ""


class Replaced(NamedTuple):
    """A hot file or segment that no listing names any more. `place` is None for a hot file."""

    name: str
    place: str | None


class FileEntry(msgspec.Struct, frozen=True):
    """A hot file that was ever listed, whatever became of it; `number` grows with each file that is made.

    `state`: `open`, `closed`, `sealed` (the file stays for a while), `removed` or `written_off`. Totals are known once
    it is closed.
    """

    number: int
    name: str
    writer: str
    state: str
    rows: int
    first_us: int
    last_us: int
    key: str = ""


class WriterEntry(msgspec.Struct, frozen=True):
    """A process that wrote, or still writes.

    `answered` and `dropped` are known once it ended; `answered` is -1 where its mark was lost.
    """

    writer: str
    pid: int
    host: str
    started_us: int
    ended_us: int | None = None
    answered: int | None = None
    dropped: int | None = None


class WrittenOff(msgspec.Struct, frozen=True):
    """A file that a person gave up. `rows` None: it was never closed, nobody counted it."""

    name: str
    rows: int | None


class Listing(msgspec.Struct, frozen=True):
    """What exists, at one moment."""

    hot: tuple[HotEntry, ...] = ()
    segments: tuple[SegmentEntry, ...] = ()
    writers: tuple[WriterEntry, ...] = ()
    written_off: tuple[WrittenOff, ...] = ()


class Manifest:
    """Reading and changing the manifest of one ledger. Holds no connection between operations."""

    def __init__(self, layout: Layout, *, timeout_s: float = 5.0) -> None:
        self._layout = layout
        self._timeout_s = timeout_s

    def create(self) -> None:
        """Make the folders and the manifest where they are missing.

        Raises:
            OSError: the folders cannot be made.
            sqlite3.Error: the file cannot be written.
        """
        self._layout.make()
        with self.change():
            pass

    def listing(self) -> Listing:
        """What exists now. A ledger that was never written is empty.

        Raises:
            sqlite3.Error: the manifest cannot be read.
            LedgerUnavailable: it is missing although files lie there, or a newer Freehold made it.
        """
        path = self._layout.manifest
        if not path.exists():
            return self._nothing()
        with contextlib.closing(self._open()) as db:
            db.execute("BEGIN")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                return self._nothing()
            _check_version(version)
            key, place = ("key", "place, key") if version > 1 else ("''", "'', ''")
            hot = db.execute(
                "SELECT name, writer, state = 'closed', coalesce(rows, 0), coalesce(first_us, 0),"  # noqa: S608
                f" coalesce(last_us, 0), coalesce(bytes, 0), changed_us, {key} FROM hot"
                " WHERE state IN ('open', 'closed') ORDER BY changed_us, name"
            ).fetchall()
            segments = db.execute(
                f"SELECT name, rows, first_us, last_us, bytes, {place} FROM segments"  # noqa: S608
                " WHERE state = 'live' ORDER BY first_us, name"
            ).fetchall()
            writers = db.execute(
                "SELECT writer, pid, host, started_us, ended_us, answered, dropped FROM writers ORDER BY started_us"
            ).fetchall()
            written_off = db.execute("SELECT name, rows FROM written_off ORDER BY at_us, name").fetchall()
        return Listing(
            tuple(HotEntry(name, writer, bool(closed), *rest) for name, writer, closed, *rest in hot),
            tuple(SegmentEntry(*row) for row in segments),
            tuple(WriterEntry(*row) for row in writers),
            tuple(WrittenOff(*row) for row in written_off),
        )

    def files_after(self, number: int) -> tuple[FileEntry, ...]:
        """Hot files made after the one of that number, oldest first.

        Raises:
            sqlite3.Error: the manifest cannot be read.
            LedgerUnavailable: a newer Freehold made it.
        """
        if not self._layout.manifest.exists():
            return ()
        with contextlib.closing(self._open()) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                return ()
            _check_version(version)
            key = "key" if version > 1 else "''"
            rows = db.execute(
                "SELECT rowid, name, writer, state, coalesce(rows, 0), coalesce(first_us, 0),"  # noqa: S608
                f" coalesce(last_us, 0), {key} FROM hot WHERE rowid > ? ORDER BY rowid",
                (number,),
            ).fetchall()
        return tuple(FileEntry(*row) for row in rows)

    def _open(self) -> sqlite3.Connection:
        return open_settled(self._layout.manifest, timeout_s=self._timeout_s)

    @contextmanager
    def change(self) -> Generator[sqlite3.Connection]:
        """One transaction that holds the write lock; committed on leaving, undone on any error."""
        with contextlib.closing(open_writable(self._layout.manifest, create=True, timeout_s=self._timeout_s)) as db:
            db.execute("PRAGMA synchronous=FULL")
            db.execute("BEGIN IMMEDIATE")
            try:
                version = db.execute("PRAGMA user_version").fetchone()[0]
                _check_version(version)
                for step in _STEPS[version:]:
                    for statement in step:
                        db.execute(statement)
                if version < VERSION:
                    db.execute(f"PRAGMA user_version={VERSION}")
                yield db
                db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise

    def ledger(self) -> str:
        """The name of this ledger, made up once: what tells its segments from those of another."""
        with self.change() as db:
            return db.execute("SELECT value FROM facts WHERE name = 'ledger'").fetchone()[0]

    def add_hot(self, name: str, writer: str, key: str = "") -> None:
        """List a new hot file of a living writer. From now on its absence is an error, never an empty answer."""
        with self.change() as db:
            now = now_us()
            db.execute(
                "INSERT OR IGNORE INTO writers (writer, pid, host, started_us) VALUES (?, ?, ?, ?)",
                (writer, os.getpid(), socket.gethostname(), now),
            )
            db.execute(
                "INSERT INTO hot (name, writer, state, changed_us, key) VALUES (?, ?, 'open', ?, ?)",
                (name, writer, now, key),
            )

    def close_hot(self, name: str, totals: HotTotals) -> None:
        """Record that nobody writes a hot file any more, and what it holds."""
        with self.change() as db:
            db.execute(
                "UPDATE hot SET state = 'closed', rows = ?, first_us = ?, last_us = ?, bytes = ?, changed_us = ?"
                " WHERE name = ? AND state = 'open'",
                (*totals, now_us(), name),
            )

    def end_writer(self, writer: str, answered: int, dropped: int | None = None) -> int:
        """Record that a writer ended; returns the calls it answered and did not keep.

        `dropped` None: reckon it, as answered minus the rows of all files of that writer. `answered` -1: unknown.
        """
        with self.change() as db:
            if dropped is None:
                rows = db.execute("SELECT coalesce(sum(rows), 0) FROM hot WHERE writer = ?", (writer,)).fetchone()[0]
                dropped = max(0, answered - rows)
            now = now_us()
            db.execute(
                "INSERT OR IGNORE INTO writers (writer, pid, host, started_us) VALUES (?, 0, '', ?)", (writer, now)
            )
            db.execute(
                "UPDATE writers SET ended_us = ?, answered = ?, dropped = ? WHERE writer = ? AND ended_us IS NULL",
                (now, answered, dropped, writer),
            )
        return dropped

    def sealed(self, entry: SegmentEntry | None, sources: Sequence[str], also: Noting | None = None) -> bool:
        """Replace closed hot files and segments by the segment made of them, if any; False where another was first.

        `also` notes something in the same transaction.
        """
        names = json.dumps(list(sources))
        with self.change() as db:
            there = db.execute(
                "SELECT (SELECT count(*) FROM hot WHERE state = 'closed' AND name IN (SELECT value FROM json_each(?1)))"
                " + (SELECT count(*) FROM segments WHERE state = 'live' AND name IN (SELECT value FROM json_each(?1)))",
                (names,),
            ).fetchone()[0]
            if there != len(sources):
                return False
            now = now_us()
            db.execute(
                "UPDATE hot SET state = 'sealed', segment = ?, changed_us = ?"
                " WHERE name IN (SELECT value FROM json_each(?))",
                ("" if entry is None else entry.name, now, names),
            )
            db.execute(
                "UPDATE segments SET state = 'replaced', changed_us = ? WHERE name IN (SELECT value FROM json_each(?))",
                (now, names),
            )
            if entry is not None:
                db.execute(
                    "INSERT INTO segments (name, rows, first_us, last_us, bytes, place, key, state, changed_us)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, 'live', ?)",
                    (*msgspec.structs.astuple(entry), now),
                )
            if also is not None:
                also(db)
        return True

    def column(self, sql: str) -> list[str]:
        """The first column of a query over the tables that came with the second version; empty before that.

        Raises:
            sqlite3.Error: the manifest cannot be read.
            LedgerUnavailable: a newer Freehold made it.
        """
        if not self._layout.manifest.exists():
            return []
        with contextlib.closing(self._open()) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            _check_version(version)
            return [row[0] for row in db.execute(sql)] if version > 1 else []

    def looked_at(self, rules: str) -> dict[str, int]:
        """Segments that were read for these rules of retention, and when something in them will be due."""
        with contextlib.closing(self._open()) as db:
            if db.execute("PRAGMA user_version").fetchone()[0] < 2:
                return {}
            return dict(db.execute("SELECT segment, at_us FROM look_again WHERE rules = ?", (rules,)).fetchall())

    def look_again(self, segment: str, rules: str, at_us: int) -> None:
        """Note when something in a segment will be due."""
        with self.change() as db:
            db.execute("DELETE FROM look_again WHERE segment NOT IN (SELECT name FROM segments)")
            db.execute("INSERT OR REPLACE INTO look_again VALUES (?, ?, ?)", (segment, rules, at_us))

    def rekey(self, rewrapped: Callable[[str], str]) -> int:
        """Put the data key of every file, replaced ones too, under another master key, all or none; returns how many.

        Raises:
            Whatever `rewrapped` raises; nothing is changed then.
        """
        changed = 0
        with self.change() as db:
            for table in ("hot", "segments"):
                for name, key in db.execute(f"SELECT name, key FROM {table} WHERE key != ''").fetchall():  # noqa: S608
                    if (now := rewrapped(key)) != key:
                        db.execute(f"UPDATE {table} SET key = ? WHERE name = ?", (now, name))  # noqa: S608
                        changed += 1
        return changed

    def write_off(self, name: str) -> int | None:
        """Stop listing a file that is lost, and remember that it was; returns its rows, None where nobody knows.

        Raises:
            KeyError: no such file is listed.
        """
        with self.change() as db:
            found = db.execute(
                "SELECT rows FROM hot WHERE name = ? AND state IN ('open', 'closed')"
                " UNION ALL SELECT rows FROM segments WHERE name = ? AND state = 'live'",
                (name, name),
            ).fetchone()
            if found is None:
                raise KeyError(name)
            # An open file keeps no row count, so its writer's losses include it; they are not counted twice.
            db.execute("INSERT INTO written_off VALUES (?, ?, ?)", (name, found[0], now_us()))
            db.execute("UPDATE hot SET state = 'written_off' WHERE name = ?", (name,))
            db.execute("DELETE FROM segments WHERE name = ?", (name,))
        return found[0]

    def removable(self, after_s: float = REMOVE_AFTER_S) -> list[Replaced]:
        """Hot files and segments that were replaced so long ago that no read can still be using them."""
        with self.change() as db:
            rows = db.execute(
                "SELECT name, NULL FROM hot WHERE state = 'sealed' AND changed_us <= ?1"
                " UNION ALL SELECT name, place FROM segments WHERE state = 'replaced' AND changed_us <= ?1",
                (now_us() - int(after_s * 1e6),),
            ).fetchall()
        return [Replaced(*row) for row in rows]

    def removed(self, names: Sequence[str]) -> None:
        """Record that replaced files are gone. Row counts of hot files stay: losses are reckoned from them."""
        with self.change() as db:
            for name in names:
                db.execute("UPDATE hot SET state = 'removed', key = '' WHERE name = ? AND state = 'sealed'", (name,))
                db.execute("DELETE FROM segments WHERE name = ? AND state = 'replaced'", (name,))

    def places(self) -> set[str]:
        """Addresses of the places where segments lie, listed or replaced."""
        with self.change() as db:
            return {address for (address,) in db.execute("SELECT DISTINCT place FROM segments")}

    def known_files(self) -> set[str]:
        """Names of every hot file and segment that was ever listed."""
        sql = "SELECT name FROM hot UNION SELECT name FROM segments UNION SELECT name FROM written_off"
        with self.change() as db:
            return {name for (name,) in db.execute(sql)}

    def _nothing(self) -> Listing:
        if self._layout.holds_files():
            raise LedgerUnavailable(
                f"{self._layout.manifest.name} is missing or empty, but the ledger holds files",
                hint=f"restore {self._layout.manifest} from a backup",
                code="manifest_missing",
            )
        return Listing()


def _check_version(version: int) -> None:
    if version > VERSION:
        raise LedgerUnavailable(
            f"the ledger has format {version}, this Freehold reads up to {VERSION}", hint="upgrade Freehold"
        )
