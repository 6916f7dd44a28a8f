"""Reading: one consistent view over sealed segments and hot files, in order of time, in constant memory.

What a reader keeps to, and the wrong totals that taught it, stand in `design/ledger.md`: it never creates a file, takes
a missing or failing one as a reason to start again and never as empty, and checks the rows of whatever it opens
against the manifest.
"""

from __future__ import annotations

import heapq
import itertools
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from freehold.errors import LedgerUnavailable
from freehold.vocabulary import Call

from ._hot import count
from ._keys import data_key
from ._layout import Layout
from ._manifest import HotEntry, Listing, Manifest, SegmentEntry
from ._parquet import DICTIONARY
from ._places import Hopeless, place_at
from ._rows import GOLD, ID, NAMES, Row, hot_columns, segment_source, to_call
from ._sqlite import Vanished, open_readonly, open_settled

if TYPE_CHECKING:
    import duckdb

    from ._vault import DataKey

T = TypeVar("T")

_ATTEMPTS = 7
_CHUNK = 256
_FOREVER_US = 2**62


class Filter(NamedTuple):
    """Which calls a reader wants; `sources` empty: all.

    `templates`: leave out sealed calls that were recognised by a template which is none of these (`recognised`).
    """

    task: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    sources: tuple[str, ...] = ()
    bodies: bool = True
    call_id: str | None = None
    templates: tuple[str, ...] | None = None

    def where(self, after: tuple[int, str] | None) -> tuple[str, list[Any]]:
        """SQL condition with its parameters, the same in SQLite and DuckDB; `after`: strictly later in the order."""
        terms, values = ["true"], list[Any]()
        for term, value in (
            ("id = ?", self.call_id),
            ("task = ?", self.task),
            ("started_at_us >= ?", self.since_us),
            ("started_at_us < ?", self.until_us),
        ):
            if value is not None:
                terms.append(term)
                values.append(value)
        if self.sources:
            terms.append(f"source IN ({', '.join('?' * len(self.sources))})")
            values += self.sources
        if after is not None:
            terms.append("(started_at_us > ? OR (started_at_us = ? AND id > ?))")
            values += (after[0], *after)
        return " AND ".join(terms), values

    def touches(self, first_us: int, last_us: int) -> bool:
        """Whether a file with calls from `first_us` to `last_us` can hold a wanted one."""
        return (self.since_us is None or last_us >= self.since_us) and (
            self.until_us is None or first_us < self.until_us
        )


def retried(read: Callable[[], T]) -> T:
    """Run a whole read again when any part of it fails; a file that is really missing ends loudly.

    Raises:
        LedgerUnavailable: it failed every time, or another attempt would be of no use.
    """
    for attempt in itertools.count(1):
        try:
            return read()
        except (LedgerUnavailable, *_failures()) as error:
            give_up_or_wait(error, attempt)
    raise AssertionError


def give_up_or_wait(error: BaseException, attempt: int) -> None:
    """Wait before another attempt.

    Raises:
        LedgerUnavailable: there have been enough.
    """
    if isinstance(error, Hopeless):
        raise error
    if attempt >= _ATTEMPTS:
        if isinstance(error, LedgerUnavailable):
            raise error
        what = f"{type(error).__name__}: {error}"
        raise LedgerUnavailable(
            f"the ledger cannot be read whole ({what})", hint="run freehold doctor", code="ledger_unreadable"
        ) from error
    time.sleep(0.005 * 2**attempt)


def _failures() -> tuple[type[Exception], ...]:
    import duckdb

    return (sqlite3.Error, OSError, Vanished, duckdb.Error)


class Snapshot:
    """What existed at one moment. Files still being written are pinned at once, closed ones opened when reached."""

    def __init__(self, layout: Layout, listing: Listing, engine: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self.layout = layout
        self.listing = listing
        self._engine = engine
        self._stack = ExitStack()
        self._open: list[tuple[HotEntry, sqlite3.Connection]] = []
        try:
            for entry in listing.hot:
                if not entry.closed:
                    self._open.append((entry, self._pin(entry)))
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def count(self) -> int:
        """Calls in the snapshot. Every file's rows are checked against the manifest first."""
        rows = sum(count(db, self.layout.hot / entry.name).rows for entry, db in self._open)
        for entry in self.listing.hot:
            if entry.closed:
                self._checked(entry).close()
                rows += entry.rows
        self.check_segments(self.listing.segments)
        return rows + sum(segment.rows for segment in self.listing.segments)

    def rows(self, wanted: Filter, after: tuple[int, str] | None = None) -> Iterator[Row]:
        """Rows in order of time, then id; without bodies the two last columns are empty."""
        heap: list[tuple[int, str, int, Row | None, Iterator[Row]]] = []
        order = itertools.count()

        def put(first_us: int, rows: Iterator[Row]) -> None:
            heapq.heappush(heap, (first_us, "", next(order), None, rows))

        for entry, db in self._open:
            put(-_FOREVER_US, _hot_rows(db, wanted, after, data_key(self.layout, entry.key)))
        for entry in self.listing.hot:
            if entry.closed and wanted.touches(entry.first_us, entry.last_us):
                put(entry.first_us, self._closed_rows(entry, wanted, after))
        for segment in self.listing.segments:
            if wanted.touches(segment.first_us, segment.last_us):
                put(segment.first_us, self._segment_rows(segment, wanted, after))
        while heap:
            _, _, number, row, rows = heap[0]
            if row is not None:
                yield row
            following = next(rows, None)
            if following is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (following[0], following[1], number, following, rows))

    def find(self, call_id: str) -> Row | None:
        """The row of one call with its bodies."""
        wanted = Filter(call_id=call_id)
        for entry, db in self._open:
            if row := next(_hot_rows(db, wanted, None, data_key(self.layout, entry.key)), None):
                return row
        for entry in self.listing.hot:
            if entry.closed and (row := next(self._closed_rows(entry, wanted, None), None)):
                return row
        paths = {str(self._present(segment)): segment for segment in self.listing.segments}
        if not paths:
            return None
        with closing(self._engine().cursor()) as cursor:
            sql = "SELECT filename FROM read_parquet(?, filename = true) WHERE id = ?"
            found = cursor.execute(sql, [list(paths), call_id]).fetchone()
        return None if found is None else next(self._segment_rows(paths[found[0]], wanted, None), None)

    def hot_connections(self) -> Iterator[sqlite3.Connection]:
        """A connection to each hot file in turn, checked."""
        for _, db in self.hot_files():
            yield db

    def hot_files(self) -> Iterator[tuple[HotEntry, sqlite3.Connection]]:
        """Each hot file in turn with a connection to it, checked."""
        yield from self._open
        for entry in self.listing.hot:
            if entry.closed:
                with closing(self._checked(entry)) as db:
                    yield entry, db

    def segment_path(self, segment: SegmentEntry) -> Path:
        """Path of a segment, checked to be there and of the size that was sealed."""
        return self._present(segment)

    def segment_paths(self, segments: Sequence[SegmentEntry] | None = None) -> list[str]:
        """Paths of all segments, or of some, checked to be there and of the size that was sealed."""
        return [str(self._present(segment)) for segment in (self.listing.segments if segments is None else segments)]

    def check_segments(self, segments: Sequence[SegmentEntry]) -> None:
        """Compare the rows that segments state with the manifest.

        Raises:
            Vanished: one is missing, cut, or holds another number of rows.
        """
        import duckdb

        paths = {str(self._present(segment)): segment for segment in segments}
        if not paths:
            return
        sql = "SELECT file_name, num_rows FROM parquet_file_metadata(?)"
        try:
            found = self._engine().cursor().execute(sql, [list(paths)]).fetchall()
        except duckdb.Error:
            self._forget(segments)
            raise
        for path, rows in found:
            if rows != paths[path].rows:
                self._forget([paths[path]])
                raise Vanished(f"{paths[path].name} holds {rows} rows, the manifest says {paths[path].rows}")

    def _pin(self, entry: HotEntry) -> sqlite3.Connection:
        db = open_readonly(self.layout.hot / entry.name)
        self._stack.callback(db.close)
        db.execute("BEGIN")
        db.execute("SELECT 1 FROM calls LIMIT 1").fetchone()  # the read that fixes what this transaction sees
        return db

    def _checked(self, entry: HotEntry) -> sqlite3.Connection:
        path = self.layout.hot / entry.name
        db = open_readonly(path)
        try:
            db.execute("BEGIN")
            rows = count(db, path).rows
        except BaseException:
            db.close()
            raise
        if rows != entry.rows:
            db.close()
            raise Vanished(f"{entry.name} holds {rows} rows, the manifest says {entry.rows}")
        return db

    def _present(self, segment: SegmentEntry) -> Path:
        return place_at(self.layout, segment.place).fetch(segment.name, segment.size)

    def _forget(self, segments: Sequence[SegmentEntry]) -> None:
        """A copy of one of them may be damaged: the next attempt fetches them anew."""
        for segment in segments:
            place_at(self.layout, segment.place).forget(segment.name)

    def _closed_rows(self, entry: HotEntry, wanted: Filter, after: tuple[int, str] | None) -> Iterator[Row]:
        with closing(self._checked(entry)) as db:
            yield from _hot_rows(db, wanted, after, data_key(self.layout, entry.key))

    def _segment_rows(self, segment: SegmentEntry, wanted: Filter, after: tuple[int, str] | None) -> Iterator[Row]:
        self.check_segments([segment])
        bodies = "request, response" if wanted.bodies else "''::BLOB, ''::BLOB"
        where, values = wanted.where(after)
        marks = self.layout.recognised / segment.name
        marked = wanted.templates is not None and marks.exists()
        if marked:
            others = "SELECT place FROM read_parquet(?) WHERE template <> '' AND template NOT IN (SELECT unnest(?))"
            where += f" AND (task <> '' OR file_row_number NOT IN ({others}))"
            values += [str(marks), list(wanted.templates or ())]
        source = segment_source("?", numbered=marked)
        sql = f"SELECT {', '.join(NAMES)}, {bodies} FROM {source} WHERE {where}"  # noqa: S608
        with closing(self._engine().cursor()) as cursor:
            path = str(self._present(segment))
            show = self._showing(segment, cursor, path)
            found = cursor.execute(sql, [path, *values])
            while rows := found.fetchmany(_CHUNK):
                yield from rows if show is None else map(show, rows)

    def numbered_rows(self, segment: SegmentEntry, where: str, values: Sequence[Any]) -> Iterator[tuple[int, Row]]:
        """Rows of a segment with their places in it, bodies included; `where` may speak of `file_row_number`."""
        sql = f"SELECT file_row_number, {', '.join(NAMES)}, request, response"
        sql += f" FROM {segment_source('?', numbered=True)} WHERE {where}"
        with closing(self._engine().cursor()) as cursor:
            path = str(self._present(segment))
            show = self._showing(segment, cursor, path)
            found = cursor.execute(sql, [path, *values])
            while rows := found.fetchmany(_CHUNK):
                for number, *row in rows:
                    yield number, tuple(row) if show is None else show(tuple(row))

    def _showing(
        self, segment: SegmentEntry, cursor: duckdb.DuckDBPyConnection, path: str
    ) -> Callable[[Row], Row] | None:
        """What decrypts the rows of a segment; None where they are not encrypted."""
        key = data_key(self.layout, segment.key)
        if key is None:
            return None
        from . import _squeeze

        sql = f"SELECT {DICTIONARY} FROM read_parquet(?) WHERE {DICTIONARY} IS NOT NULL"  # noqa: S608
        kept = cursor.execute(sql, [path]).fetchone()
        unpack = _squeeze.unpacker(_squeeze.shown(kept[0] if kept else None, key))
        return lambda row: key.show(row, unpack)


def _hot_rows(
    db: sqlite3.Connection, wanted: Filter, after: tuple[int, str] | None, key: DataKey | None
) -> Iterator[Row]:
    where, values = wanted.where(after)
    bodies, join = "x'', x''", ""
    if wanted.bodies:
        bodies, join = "request, response", "JOIN bodies USING (seq)"
    sql = f"SELECT {hot_columns(db)}, {bodies} FROM calls {join} WHERE {where} ORDER BY started_at_us, id"  # noqa: S608
    cursor = db.execute(sql, values)
    while rows := cursor.fetchmany(_CHUNK):
        yield from rows if key is None else map(key.show, rows)


def read_calls(
    layout: Layout, manifest: Manifest, engine: Callable[[], duckdb.DuckDBPyConnection], wanted: Filter
) -> Iterator[Call]:
    """Calls in order. A read that fails midway goes on after the last call it gave, on a new snapshot.

    Raises:
        LedgerUnavailable: the ledger cannot be read whole.
    """
    after: tuple[int, str] | None = None
    attempt = 0
    while True:
        try:
            with Snapshot(layout, manifest.listing(), engine) as snapshot:
                rows = snapshot.rows(wanted, after)
                while chunk := list(itertools.islice(rows, _CHUNK)):
                    gold = read_gold(layout, [row[ID] for row in chunk])
                    for row in chunk:
                        yield to_call(row, gold.get(row[ID], row[GOLD]))
                        after = (row[0], row[1])
                    attempt = 0
        except (LedgerUnavailable, *_failures()) as error:
            attempt += 1
            give_up_or_wait(error, attempt)
        else:
            return


def read_gold(layout: Layout, call_ids: Sequence[str] | None) -> dict[str, str]:
    """Gold attached later, of some calls, or of all with None."""
    if not layout.gold.exists():
        return {}
    with closing(open_settled(layout.gold)) as db:
        if call_ids is None:
            return dict(db.execute("SELECT call_id, gold FROM gold").fetchall())
        return dict(
            db.execute(
                "SELECT call_id, gold FROM gold WHERE call_id IN (SELECT value FROM json_each(?))",
                (json.dumps(list(call_ids)),),
            ).fetchall()
        )
