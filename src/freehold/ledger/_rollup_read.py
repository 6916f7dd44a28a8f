"""Asking rollups: those of segments from disk, those of hot files from memory, where only new calls are added."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from freehold.errors import UsageError

from ._arrow import ArrowRows
from ._manifest import SegmentEntry
from ._rollup_files import RollupFiles
from ._rollups import (
    DAY_US,
    HALF_HOUR_US,
    HOUR_US,
    OTHER,
    SOURCE_COLUMNS,
    TABLES,
    Table,
    latency_of,
    rows_sql,
    table_sql,
)
from ._rows import COLUMNS, Row, hot_select
from ._snapshot import Snapshot
from ._sqlite import Vanished

if TYPE_CHECKING:
    import duckdb

_STEPS = {"half_hour": HALF_HOUR_US, "hour": HOUR_US, "day": DAY_US, "month": DAY_US}
_KINDS = {name: kind for name, _, kind in COLUMNS}
_LIVE_COLUMNS = [(name, _KINDS[name]) for name in SOURCE_COLUMNS]
_CHUNK = 1024
_KEPT = 16
_TOLD_BY = ("task", "template", "recognised")


class TaskNames(msgspec.Struct, frozen=True):
    """What persons call tasks today, by what stands in the ledger.

    declared     by the id or name that was recorded with a call
    templates    by the template
    recognised   by the task's id that a call was recognised as
    stated       by what the log says of calls without bodies
    """

    declared: Mapping[str, str] = {}
    templates: Mapping[str, str] = {}
    recognised: Mapping[str, str] = {}
    stated: Mapping[str, str] = {}


class RollupQuery(msgspec.Struct, frozen=True):
    """What is asked of a rollup: a table, what to group by, between when, of which values, and which quantiles.

    With `names`, the column `task` holds what persons call the task today, "" where that is none.
    """

    table: str
    by: tuple[str, ...]
    since_us: int | None = None
    until_us: int | None = None
    where: Mapping[str, Sequence[Any]] = {}
    quantiles: tuple[float, ...] = (0.5, 0.9, 0.99)
    names: TaskNames | None = None

    @property
    def stored(self) -> RollupQuery:
        """The same question as it is put to each source, where tasks have no names yet."""
        if self.names is None or "task" not in {*self.by, *self.where}:
            return self
        where = {column: some for column, some in self.where.items() if column != "task"}
        by = tuple(dict.fromkeys((*self.by, *_TOLD_BY)))
        return msgspec.structs.replace(self, by=by, where=where, names=None)

    def check(self) -> Table:
        """The table that is asked.

        Raises:
            UsageError: it cannot tell that.
        """
        table = TABLES.get(self.table)
        if table is None:
            raise UsageError(f"there is no rollup {self.table!r}", hint=f"one of {', '.join(TABLES)}")
        times = [name for name, step in _STEPS.items() if step >= table.step_us]
        for name in (*self.by, *self.where):
            if name not in table.dimensions and not (name in times and name in self.by):
                known = ", ".join((*times, *table.dimensions))
                raise UsageError(f"the rollup {self.table!r} has no column {name!r}", hint=f"it has {known}")
        for moment in (self.since_us, self.until_us):
            if moment is not None and moment % table.step_us:
                step = table.time.replace("_", " ")
                raise UsageError(
                    f"the rollup {self.table!r} counts by {step} and knows no time between",
                    hint="round the times, or ask the view calls",
                )
        if not all(0 <= quantile <= 1 for quantile in self.quantiles):
            raise UsageError("a quantile lies between 0 and 1")
        return table


class _Folded(NamedTuple):
    """How far a hot file has been added to a table."""

    seq: int
    rows: int


class _Kept(NamedTuple):
    """What some segments add to one answer, in a table of the engine."""

    segments: tuple[str, ...]
    table: str


class Rollups:
    """Answers questions from the rollups of one ledger. One question at a time."""

    def __init__(self, files: RollupFiles) -> None:
        self._files = files
        self._folded: dict[tuple[str, str], _Folded] = {}
        self._live = set[str]()
        self._kept: dict[bytes, _Kept] = {}
        self._numbers = count()

    def answer(
        self, cursor: duckdb.DuckDBPyConnection, snapshot: Snapshot, asked: RollupQuery
    ) -> tuple[list[str], list[Row]]:
        """Columns and rows, in the order of `by`.

        Raises:
            UsageError: the rollup cannot tell that.
            Vanished, sqlite3.Error, duckdb.Error, OSError: what it is made of cannot be read; try again.
        """
        table = asked.check()
        self._follow(cursor, snapshot, asked.table)
        wanted = [segment for segment in snapshot.listing.segments if _touches(segment, asked)]
        stored = asked.stored
        live, values = _partial(table, stored, f"live_{asked.table}")
        sources = [live]
        if wanted:
            sources.append(f"FROM {self._sealed(cursor, snapshot, table, stored, wanted)}")
        source = " UNION ALL BY NAME ".join(f"({one})" for one in sources)
        if asked.names is not None and stored is not asked:
            source, values = _named(asked.names, asked.where.get("task"), source, values)
        final = _latency if "bucket" in table.dimensions and "bucket" not in asked.by else _summed
        found = cursor.execute(final(table, asked, source), values)
        return [column[0] for column in found.description or ()], found.fetchall()

    def _sealed(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        table: Table,
        asked: RollupQuery,
        wanted: Sequence[SegmentEntry],
    ) -> str:
        """A table with what segments add to the answer; kept for when the same is asked of the same segments again."""
        question = msgspec.json.encode(msgspec.structs.replace(asked, quantiles=()))
        names = self._files.names(wanted)  # asked first: what changes meanwhile is then found changed the next time
        kept = self._kept.pop(question, None)
        if kept is None or kept.segments != names:
            number = kept.table if kept is not None else f"kept_{next(self._numbers)}"
            paths = [str(folder / f"{asked.table}.parquet") for folder in self._files.ensure(snapshot, wanted)]
            listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
            sql, values = _partial(table, asked, f"read_parquet([{listed}])")
            cursor.execute(f"CREATE OR REPLACE TABLE {number} AS {sql}", values)
            kept = _Kept(names, number)
        self._kept[question] = kept  # the last one asked for stands last
        while len(self._kept) > _KEPT:
            gone = self._kept.pop(next(iter(self._kept)))
            cursor.execute(f"DROP TABLE {gone.table}")
        return kept.table

    def _follow(self, cursor: duckdb.DuckDBPyConnection, snapshot: Snapshot, name: str) -> None:
        """Add to the live table what hot files hold since the last time, and forget files that are gone."""
        there = set[str]()
        if name not in self._live:
            self._make_live(cursor, name)
            self._live.add(name)
        for entry, db in snapshot.hot_files():
            there.add(entry.name)
            self._fold(cursor, name, entry.name, db)
        for table, file in [key for key in self._folded if key[0] == name and key[1] not in there]:
            self._forget(cursor, table, file)

    def _make_live(self, cursor: duckdb.DuckDBPyConnection, name: str) -> None:
        columns = ", ".join(f"{column} {kind}" for column, kind in _LIVE_COLUMNS)
        cursor.execute(f"CREATE TABLE IF NOT EXISTS live_none ({columns})")
        made = table_sql(name, f"({rows_sql('live_none')})")
        cursor.execute(f"CREATE TABLE IF NOT EXISTS live_{name} AS SELECT '' AS file, * FROM ({made}) LIMIT 0")  # noqa: S608

    def _fold(self, cursor: duckdb.DuckDBPyConnection, name: str, file: str, db: sqlite3.Connection) -> None:
        last, rows = db.execute("SELECT coalesce(max(seq), 0), count(*) FROM calls").fetchone()
        folded = self._folded.get((name, file), _Folded(0, 0))
        if folded == (last, rows):
            return
        self._folded.pop((name, file), None)  # until all of it stands: a failure midway begins anew
        added = self._add(cursor, name, file, db, folded.seq)
        if folded.rows + added != rows:
            self._forget(cursor, name, file)
            if self._add(cursor, name, file, db, 0) != rows:
                raise Vanished(f"{file} changed while it was read")
        self._folded[name, file] = _Folded(last, rows)

    def _add(self, cursor: duckdb.DuckDBPyConnection, name: str, file: str, db: sqlite3.Connection, seq: int) -> int:
        if not seq:
            cursor.execute(f"DELETE FROM live_{name} WHERE file = ?", [file])  # noqa: S608
        found = db.execute(f"SELECT {hot_select(db, SOURCE_COLUMNS)} FROM calls WHERE seq > ?", (seq,))  # noqa: S608
        counted = 0

        def chunks() -> Iterator[list[Row]]:
            nonlocal counted
            while rows := found.fetchmany(_CHUNK):
                counted += len(rows)
                yield rows

        cursor.register("arriving", ArrowRows(_LIVE_COLUMNS, chunks()))
        try:
            cursor.execute("CREATE OR REPLACE TEMP TABLE arrived AS FROM arriving")
        finally:
            cursor.unregister("arriving")
        made = table_sql(name, f"({rows_sql('arrived')})")
        cursor.execute(f"INSERT INTO live_{name} BY NAME SELECT ? AS file, * FROM ({made})", [file])  # noqa: S608
        cursor.execute("DROP TABLE arrived")
        return counted

    def _forget(self, cursor: duckdb.DuckDBPyConnection, name: str, file: str) -> None:
        self._folded.pop((name, file), None)
        cursor.execute(f"DELETE FROM live_{name} WHERE file = ?", [file])  # noqa: S608


def _touches(segment: SegmentEntry, asked: RollupQuery) -> bool:
    return (asked.since_us is None or segment.last_us >= asked.since_us) and (
        asked.until_us is None or segment.first_us < asked.until_us
    )


def _partial(table: Table, asked: RollupQuery, source: str) -> tuple[str, list[Any]]:
    """The query that adds up what one source holds, with its parameters."""
    values: list[Any] = []
    terms = ["true"]
    for sign, moment in ((">=", asked.since_us), ("<", asked.until_us)):
        if moment is not None:
            terms.append(f"{table.time} {sign} make_timestamp({int(moment)})")
    for column, some in asked.where.items():
        terms.append(f"{column} IN (SELECT unnest(?))")
        values.append(list(some))
    by = [f"date_trunc('{name}', {table.time}) AS {name}" if _coarser(name, table) else name for name in asked.by]
    if "bucket" in table.dimensions:
        by = [*dict.fromkeys((*by, "phase", "bucket"))]
    columns = ", ".join((*by, *_sums(table)))
    return f"SELECT {columns} FROM {source} WHERE {' AND '.join(terms)} GROUP BY ALL", values  # noqa: S608


def _named(names: TaskNames, wanted: Sequence[Any] | None, source: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
    """The query that puts today's names into what several sources hold, with its parameters.

    What the caller said comes first, then the template, which may have been split off since, then what was near.
    """
    keyed = {
        f"{letter}{key}": name
        for letter, some in zip("dtrs", (names.declared, names.templates, names.recognised, names.stated), strict=True)
        for key, name in some.items()
    }
    near = "CASE WHEN recognised = 'stated' THEN 's' WHEN recognised <> '' THEN 'r' END || u.task"
    unnamed = f"CASE WHEN recognised = '' OR u.task = '{OTHER}' THEN u.task ELSE '' END"
    sql = (
        "WITH named AS (SELECT unnest(?::VARCHAR[]) AS key, unnest(?::VARCHAR[]) AS name)"  # noqa: S608
        f" SELECT u.* REPLACE (coalesce(d.name, t.name, n.name, {unnamed}) AS task) FROM ({source}) u"
        " LEFT JOIN named d ON d.key = CASE WHEN recognised = '' THEN 'd' || u.task END"
        f" LEFT JOIN named t ON t.key = 't' || u.template LEFT JOIN named n ON n.key = {near}"
    )
    values = [list(keyed), list(keyed.values()), *values]
    if wanted is not None:
        return f"FROM ({sql}) WHERE task IN (SELECT unnest(?))", [*values, list(wanted)]
    return sql, values


def _summed(table: Table, asked: RollupQuery, source: str) -> str:
    order = f" GROUP BY ALL ORDER BY {', '.join(asked.by)}" if asked.by else ""
    return f"SELECT {', '.join((*asked.by, *_sums(table)))} FROM ({source}){order}"  # noqa: S608


def _sums(table: Table) -> list[str]:
    return [f"sum({m})" + ("" if m == "latency_ms" else "::BIGINT") + f" AS {m}" for m in table.measures]


def _coarser(name: str, table: Table) -> bool:
    return name in _STEPS and name != table.time


def _latency(table: Table, asked: RollupQuery, source: str) -> str:
    """Quantiles from buckets: the value whose bucket holds the one of rank q(n - 1), as in DDSketch."""
    del table
    keys = ", ".join(dict.fromkeys((*asked.by, "phase")))
    value = latency_of("bucket")
    quantiles = "".join(
        f", min(CASE WHEN upto > {q!r} * (total - 1) THEN {value} END) AS {quantile_name(q)}" for q in asked.quantiles
    )
    return (
        f"WITH summed AS (SELECT {keys}, bucket, sum(n)::BIGINT AS n FROM ({source}) GROUP BY ALL),"  # noqa: S608
        " counted AS (SELECT *, sum(n) OVER (PARTITION BY "
        f"{keys} ORDER BY bucket) AS upto, sum(n) OVER (PARTITION BY {keys}) AS total FROM summed)"
        f" SELECT {keys}, max(total)::BIGINT AS n{quantiles} FROM counted GROUP BY ALL ORDER BY {keys}"
    )


def quantile_name(quantile: float) -> str:
    """The column of a quantile: `p99_ms`, `p99_9_ms`."""
    return f"p{quantile * 100:.6g}_ms".replace(".", "_")
