"""What sealed calls were recognised as, kept beside their segments so that nobody has to recognise them again.

For each segment a small Parquet file, row for row the segment's (`recognised/SEGMENT`), and in `recognised.db` how many
calls came out as what, and an even sample of each kind. It holds no content. Where a segment is replaced (merged, or
rewritten without what expired), its marks go over to the new one by the digests of the calls' ids, so that a call whose
content is gone stays what it was. What is lost is made again as far as there are bodies. The ledger keeps these marks
and does not know what a task is.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from freehold.errors import LedgerUnavailable
from freehold.vocabulary import Call

from ._layout import Layout
from ._manifest import Listing, Manifest, SegmentEntry
from ._rows import GOLD, NAMES, segment_source, to_call
from ._snapshot import Filter, Snapshot, retried
from ._sqlite import open_readonly, open_writable

if TYPE_CHECKING:
    import duckdb

SAMPLED = 256
"""Rows of a kind that are kept as its sample, those with the lowest ranks."""

TO_MINE = 3000
"""The same for kinds that begin with ?: what is left to find something in."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS segments (name TEXT PRIMARY KEY, key TEXT NOT NULL, rows INTEGER NOT NULL,
    first_us INTEGER NOT NULL, last_us INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS counts (segment TEXT NOT NULL, declared TEXT NOT NULL, task TEXT NOT NULL,
    template TEXT NOT NULL, how TEXT NOT NULL, model TEXT NOT NULL, day INTEGER NOT NULL, calls INTEGER NOT NULL,
    first_us INTEGER NOT NULL, last_us INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS counts_segment ON counts (segment);
CREATE TABLE IF NOT EXISTS samples (kind TEXT NOT NULL, rank INTEGER NOT NULL, segment TEXT NOT NULL,
    row INTEGER NOT NULL, PRIMARY KEY (kind, rank, segment, row)) WITHOUT ROWID;
"""
_CHUNK = 1024
_BLOCK = 64
_DIGEST = "md5_number_lower(id)"
"""Names a call in eight bytes, the same in every version of the query engine."""
_TAGS = NAMES.index("tags")


class Mark(NamedTuple):
    """What one call was recognised as; all "" where as nothing. `how` as in `vocabulary.Match`."""

    task: str = ""
    template: str = ""
    how: str = ""


_NOTHING = Mark()


class Asked(NamedTuple):
    """The part of a sealed call that recognising needs. `row` is its place in the segment; `tags` is JSON.

    `mark` is what the call was recognised as in a segment that is no more.
    """

    row: int
    id: str
    started_at_us: int
    model: str
    dialect: str
    task: str
    template: str
    key: str
    tags: str
    request: bytes
    mark: Mark = _NOTHING


class Place(NamedTuple):
    """Where a sealed call lies."""

    segment: str
    row: int


class Counted(msgspec.Struct, frozen=True):
    """How many calls of one model on one UTC day were recognised alike, and when the first and the last began.

    `declared` is the task that their caller named, "" for none; `day` counts from the epoch.
    """

    declared: str
    task: str
    template: str
    how: str
    model: str
    day: int
    calls: int
    first_us: int
    last_us: int


class Looked(msgspec.Struct, frozen=True):
    """What looking through one segment found. `samples`: by kind, ranks and rows.

    `again`: only its calls without a template were looked at; what is known of the others stays.
    """

    segment: str
    rows: int
    again: bool
    first_us: int
    last_us: int
    counts: list[Counted]
    samples: dict[str, list[tuple[int, int]]]


class Pending(msgspec.Struct, frozen=True):
    """A segment to look through; `again` where only its calls without a template are left to look at.

    `span` holds the times of its first and last call.
    """

    segment: str
    rows: int
    again: bool
    span: tuple[int, int]


def most_of(kind: str) -> int:
    """How many rows of a kind are kept as its sample."""
    return TO_MINE if kind.startswith("?") else SAMPLED


class Recognised:
    """The marks of one ledger. Got from `Ledger.recognised`."""

    def __init__(self, layout: Layout, manifest: Manifest, engine: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self._layout = layout
        self._manifest = manifest
        self._engine = engine
        self._folder = layout.recognised
        self._path = layout.root / "recognised.db"

    def pending(self, key: str) -> list[Pending]:
        """Segments that have not been looked through with what `key` stands for, oldest first."""
        known = self._known()
        found: list[Pending] = []
        for segment in self._segments():
            at, rows = known.get(segment.name, ("", -1))
            whole = rows == segment.rows and (self._folder / segment.name).exists()
            if not whole or at != key:
                found.append(Pending(segment.name, segment.rows, whole, (segment.first_us, segment.last_us)))
        return found

    def asked(self, pending: Pending) -> Iterator[Asked]:
        """The calls of a segment that are to be recognised, in no order that is promised.

        Raises:
            LedgerUnavailable: the segment cannot be read.
        """
        entry = self._entry(pending.segment)
        where, values = "true", list[object]()
        if pending.again:
            where = "file_row_number IN (SELECT place FROM read_parquet(?) WHERE template = '')"
            values.append(str(self._folder / pending.segment))
        before = {} if pending.again else self._marks_before(entry)
        if entry.key:
            with self._snapshot() as snapshot:
                for number, row in snapshot.numbered_rows(entry, where, values):
                    call = to_call(row, None)
                    parts = (call.model, call.dialect, call.task, call.template, call.key, row[_TAGS], call.request)
                    yield Asked(number, call.id, call.started_at_us, *parts, before.get(number, _NOTHING))
            return
        columns = "started_at_us, model, dialect, task, template, key, tags, request"
        sql = f"SELECT file_row_number, id, {columns} FROM {segment_source('?', numbered=True)} WHERE {where}"  # noqa: S608
        with closing(self._engine().cursor()) as cursor:
            found = cursor.execute(sql, [self._path_of(entry), *values])
            while rows := found.fetchmany(_CHUNK):
                yield from (Asked._make((*row, before.get(row[0], _NOTHING))) for row in rows)

    def marks(self, segment: str) -> dict[int, Mark]:
        """The marks of a segment that was looked through, by row; those of calls recognised as nothing are left out."""
        sql = "SELECT place, task, template, how FROM read_parquet(?) WHERE how <> ''"
        with closing(self._engine().cursor()) as cursor:
            return {row[0]: Mark(*row[1:]) for row in cursor.execute(sql, [str(self._folder / segment)]).fetchall()}

    def write(self, segment: str, rows: int, marks: Mapping[int, Mark]) -> None:
        """Keep a segment's marks, by row. Where the same are kept already, nothing changes: sums rest on them."""
        import duckdb

        with contextlib.suppress(duckdb.Error):
            if self.marks(segment) == marks:
                return
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{segment}.{secrets.token_hex(4)}.part"
        columns = [list(column) for column in zip(*(marks.get(i, _NOTHING) for i in range(rows)), strict=True)]
        values = ", ".join(f"unnest(?::VARCHAR[]) AS {name}" for name in Mark._fields)
        ids = f"SELECT file_row_number AS place, {_DIGEST} AS digest FROM {segment_source('?', numbered=True)}"  # noqa: S608
        quoted = str(part).replace("'", "''")
        with closing(self._engine().cursor()) as cursor:
            cursor.execute(
                f"COPY (SELECT * FROM (SELECT unnest(range({rows})) AS place, {values}) JOIN ({ids}) USING (place)"  # noqa: S608
                f" ORDER BY place) TO '{quoted}' (FORMAT parquet, COMPRESSION zstd)",
                [*(columns or [[], [], []]), self._path_of(self._entry(segment))],
            )
        self._put(part, segment)

    def carry(self, entry: SegmentEntry) -> None:
        """Give a segment that took the place of others the marks that its calls had there, if nobody has looked at it.

        Whoever looks through it makes them anew. Where the home cannot be written or they cannot be read, it gets none.
        """
        import duckdb

        if (self._folder / entry.name).exists():
            return
        part = self._folder / f"{entry.name}.{secrets.token_hex(4)}.part"
        quoted = str(part).replace("'", "''")
        fields = ", ".join(f"coalesce(mark.{name}, '') AS {name}" for name in Mark._fields)
        known = "SELECT digest, any_value({task: task, template: template, how: how}) AS mark"
        sql = (
            f"COPY (SELECT file_row_number AS place, {fields}, {_DIGEST} AS digest"  # noqa: S608
            f" FROM {segment_source('?', numbered=True)}"
            f" LEFT JOIN ({known} FROM read_parquet(?) WHERE how <> '' GROUP BY digest) k ON k.digest = {_DIGEST}"
            f" ORDER BY place) TO '{quoted}' (FORMAT parquet, COMPRESSION zstd)"
        )
        try:
            paths = self._paths_before(entry)
            if not paths:
                return
            with closing(self._engine().cursor()) as cursor:
                cursor.execute(sql, [self._path_of(entry), paths])
            with contextlib.suppress(FileExistsError):
                (self._folder / entry.name).hardlink_to(part)  # not in the place of what somebody wrote meanwhile
        except (OSError, sqlite3.Error, duckdb.Error):
            return
        finally:
            part.unlink(missing_ok=True)

    def keep(self, key: str, looked: Iterable[Looked]) -> None:
        """Count what was found in segments whose marks are written, in place of what was counted there before."""
        with self._change() as db:
            for one in looked:
                alone = " AND template = ''" if one.again else ""
                db.execute(f"DELETE FROM counts WHERE segment = ?{alone}", (one.segment,))  # noqa: S608
                db.execute("DELETE FROM samples WHERE segment = ? AND substr(kind, 1, 1) = '?'", (one.segment,))
                db.execute(
                    "INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?)",
                    (one.segment, key, one.rows, one.first_us, one.last_us),
                )
                rows = [(one.segment, *msgspec.structs.astuple(counted)) for counted in one.counts]
                db.executemany("INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
                for kind, ranked in one.samples.items():
                    places = [(kind, rank, one.segment, row) for rank, row in ranked]
                    db.executemany("INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?)", places)
            self._cut_samples(db)

    def counts(self) -> list[Counted]:
        """How many calls came out as what, over all segments that exist and were looked through."""
        sql = (
            "SELECT declared, task, template, how, model, day, sum(calls), min(first_us), max(last_us) FROM counts"
            " WHERE segment IN (SELECT value FROM json_each(?))"
            " GROUP BY declared, task, template, how, model, day"
        )
        live = json.dumps([segment.name for segment in self._segments()])
        with self._read() as db:
            return [Counted(*row) for row in db.execute(sql, (live,))] if db is not None else []

    def tidy(self) -> None:
        """Forget segments that are no more, once those that took their place have been looked through."""
        with self._change() as db:
            self._forget_gone(db)

    def sampled(self, kinds: Iterable[str] | None = None, *, most: int = TO_MINE) -> dict[str, list[Place]]:
        """The samples of some kinds, or of all; at most so many rows of each."""
        found: dict[str, list[Place]] = {}
        with self._read() as db:
            if db is None:
                return {}
            wanted = kinds if kinds is not None else [k for (k,) in db.execute("SELECT DISTINCT kind FROM samples")]
            sql = "SELECT segment, row FROM samples WHERE kind = ? ORDER BY rank LIMIT ?"
            for kind in wanted:
                found[kind] = [Place(*row) for row in db.execute(sql, (kind, most))]
        return found

    def calls_at(self, places: Iterable[Place]) -> Iterator[Call]:
        """The calls at some places, whole, segment by segment; those whose segment is no more are left out."""
        live = {segment.name: segment for segment in self._segments()}
        by_segment: dict[str, list[int]] = {}
        for place in places:
            if place.segment in live:
                by_segment.setdefault(place.segment, []).append(place.row)
        for segment, rows in sorted(by_segment.items()):
            yield from self._calls(live[segment], "file_row_number IN (SELECT unnest(?))", [sorted(rows)])

    def spread(self, most: int, *, until_us: int | None = None) -> list[Call]:
        """At most so many sealed calls, drawn in short runs evenly over all segments; the same as long as these are.

        All of them, where there are no more than that.
        """
        segments = [s for s in self._segments() if until_us is None or s.first_us < until_us]
        total = sum(segment.rows for segment in segments)
        every = 1 if total <= most else -(-total // most)
        found: list[Call] = []
        at = 0
        for segment in segments:
            rows = [row for row in range(segment.rows) if (row + at) // _BLOCK % every == 0]
            where = "true" if every == 1 else f"file_row_number IN ({', '.join(map(str, rows))})"
            if rows:
                found += self._calls(segment, f"{where} AND started_at_us < ?", [until_us or 2**62])
            at += segment.rows
        return found[:most]

    def unsealed(self) -> Iterator[Call]:
        """The calls that no segment holds yet, oldest first."""
        listing = retried(self._manifest.listing)
        with Snapshot(self._layout, Listing(listing.hot), self._engine) as snapshot:
            yield from (to_call(row, row[GOLD]) for row in snapshot.rows(Filter()))

    def sizes(self) -> tuple[int, int]:
        """How many calls are sealed, and how many lie in closed files that could be."""
        listing = retried(self._manifest.listing)
        return sum(one.rows for one in listing.segments), sum(one.rows for one in listing.hot if one.closed)

    def forget(self) -> None:
        """Forget every mark; the next look begins anew."""
        with self._change() as db:
            for table in ("segments", "counts", "samples"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608
        self._sweep(set())

    def _calls(self, segment: SegmentEntry, where: str, values: Sequence[object]) -> Iterator[Call]:
        with self._snapshot() as snapshot:
            for _, row in snapshot.numbered_rows(segment, where, values):
                yield to_call(row, row[GOLD])

    def _snapshot(self) -> Snapshot:
        """Where segments are read through; no hot file is opened."""
        return Snapshot(self._layout, Listing(), self._engine)

    def _segments(self) -> tuple[SegmentEntry, ...]:
        return retried(self._manifest.listing).segments

    def _entry(self, name: str) -> SegmentEntry:
        found = next((one for one in self._segments() if one.name == name), None)
        if found is None:
            raise LedgerUnavailable(
                f"segment {name} was replaced while it was read", hint="run the command again", code="segment_replaced"
            )
        return found

    def _path_of(self, entry: SegmentEntry) -> str:
        with self._snapshot() as snapshot:
            return str(retried(lambda: snapshot.segment_path(entry)))

    def _marks_before(self, entry: SegmentEntry) -> dict[int, Mark]:
        """By row, what calls of this segment were in segments that are no more."""
        paths = self._paths_before(entry)
        if not paths:
            return {}
        ids = f"SELECT file_row_number, {_DIGEST} AS digest FROM {segment_source('?', numbered=True)}"  # noqa: S608
        kept = "SELECT digest, task, template, how FROM read_parquet(?) WHERE how <> ''"
        joined = f"SELECT file_row_number, task, template, how FROM ({ids}) JOIN ({kept}) USING (digest)"  # noqa: S608
        with closing(self._engine().cursor()) as cursor:
            found = cursor.execute(joined, [self._path_of(entry), paths]).fetchall()
        return {number: Mark(*mark) for number, *mark in found}

    def _paths_before(self, entry: SegmentEntry) -> list[str]:
        """The marks of segments that are no more and may have held calls of this one."""
        live = {segment.name for segment in self._segments()}
        sql = "SELECT name FROM segments WHERE first_us <= ? AND last_us >= ?"
        with self._read() as db:
            names = [n for (n,) in db.execute(sql, (entry.last_us, entry.first_us))] if db is not None else []
        return [str(self._folder / name) for name in names if name not in live and (self._folder / name).exists()]

    def _put(self, part: Path, segment: str) -> None:
        """Put marks into their place. Their time is later than that of those before: sums are kept under it."""
        final = self._folder / segment
        with contextlib.suppress(FileNotFoundError):
            before = final.stat().st_mtime_ns
            if part.stat().st_mtime_ns <= before:
                os.utime(part, ns=(before + 1, before + 1))
        part.rename(final)

    def _known(self) -> dict[str, tuple[str, int]]:
        with self._read() as db:
            if db is None:
                return {}
            return {name: (key, rows) for name, key, rows in db.execute("SELECT name, key, rows FROM segments")}

    @staticmethod
    def _cut_samples(db: sqlite3.Connection) -> None:
        full = "SELECT kind FROM samples GROUP BY kind HAVING count(*) > ?"
        for (kind,) in db.execute(full, (SAMPLED,)).fetchall():
            db.execute(
                "DELETE FROM samples WHERE kind = ?1 AND rank >= (SELECT rank FROM samples WHERE kind = ?1"
                " ORDER BY rank LIMIT 1 OFFSET ?2)",
                (kind, most_of(kind)),
            )

    def _forget_gone(self, db: sqlite3.Connection) -> None:
        """Forget segments that were replaced or removed."""
        live = {segment.name for segment in self._manifest.listing().segments}
        gone = [name for (name,) in db.execute("SELECT name FROM segments") if name not in live]
        for name in gone:
            db.execute("DELETE FROM segments WHERE name = ?", (name,))
            db.execute("DELETE FROM counts WHERE segment = ?", (name,))
            db.execute("DELETE FROM samples WHERE segment = ?", (name,))
        if gone:
            self._sweep(live)

    def _sweep(self, live: set[str]) -> None:
        for path in self._folder.glob("*.parquet") if self._folder.exists() else ():
            if path.name not in live:
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _read(self) -> Generator[sqlite3.Connection | None]:
        if not self._path.exists():
            yield None
            return
        with closing(open_readonly(self._path)) as db:
            yield db

    @contextlib.contextmanager
    def _change(self) -> Generator[sqlite3.Connection]:
        self._layout.make()
        with closing(open_writable(self._path, create=True, timeout_s=30.0)) as db:
            db.executescript(_SCHEMA)
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise
