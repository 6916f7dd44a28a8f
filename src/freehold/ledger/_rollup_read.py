"""Asking rollups: those of segments from disk, those of hot files from memory, where only new calls are added."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from freehold.errors import UsageError

from ._arrow import ArrowRows
from ._manifest import SegmentEntry
from ._rollup_files import RollupFiles
from ._rollups import DAY_US, HALF_HOUR_US, HOUR_US, SOURCE_COLUMNS, TABLES, Table, latency_of, rows_sql, table_sql
from ._rows import COLUMNS, Row, hot_select
from ._snapshot import Snapshot
from ._sqlite import Vanished

if TYPE_CHECKING:
    import duckdb

_STEPS = {"half_hour": HALF_HOUR_US, "hour": HOUR_US, "day": DAY_US, "month": DAY_US}
_KINDS = {name: kind for name, _, kind in COLUMNS}
_LIVE_COLUMNS = [(name, _KINDS[name]) for name in SOURCE_COLUMNS]
_CHUNK = 1024


class RollupQuery(msgspec.Struct, frozen=True):
    """What is asked of a rollup: a table, what to group by, between when, of which values, and which quantiles."""

    table: str
    by: tuple[str, ...]
    since_us: int | None = None
    until_us: int | None = None
    where: Mapping[str, Sequence[Any]] = {}
    quantiles: tuple[float, ...] = (0.5, 0.9, 0.99)

    def check(self) -> Table:
        """The table that is asked.

        Raises:
            UsageError: it cannot tell that.
        """
        table = TABLES.get(self.table)
        if table is None:
            raise UsageError(f"there is no rollup {self.table!r}", hint=f"one of {', '.join(TABLES)}")
        times = [name for name, step in _STEPS.items() if step >= table.step_us]
        columns = [name for name in table.dimensions if name != "bucket"]
        for name in (*self.by, *self.where):
            if name not in columns and not (name in times and name in self.by):
                known = ", ".join((*times, *columns))
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


class Rollups:
    """Answers questions from the rollups of one ledger. One question at a time."""

    def __init__(self, files: RollupFiles) -> None:
        self._files = files
        self._folded: dict[tuple[str, str], _Folded] = {}

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
        paths = [str(folder / f"{asked.table}.parquet") for folder in self._files.ensure(snapshot, wanted)]
        sql, values = _sql(table, asked, paths)
        found = cursor.execute(sql, values)
        return [column[0] for column in found.description or ()], found.fetchall()

    def _follow(self, cursor: duckdb.DuckDBPyConnection, snapshot: Snapshot, name: str) -> None:
        """Add to the live table what hot files hold since the last time, and forget files that are gone."""
        there = set[str]()
        self._make_live(cursor, name)
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


def _sql(table: Table, asked: RollupQuery, paths: list[str]) -> tuple[str, list[Any]]:
    values: list[Any] = []
    terms = ["true"]
    for sign, moment in ((">=", asked.since_us), ("<", asked.until_us)):
        if moment is not None:
            terms.append(f"{table.time} {sign} make_timestamp({int(moment)})")
    for column, some in asked.where.items():
        terms.append(f"{column} IN (SELECT unnest(?))")
        values.append(list(some))
    used = dict.fromkeys((table.time, *(n for n in (*asked.by, *asked.where) if n not in _STEPS), *table.measures))
    if "bucket" in table.dimensions:
        used["phase"] = used["bucket"] = None
    columns, condition = ", ".join(used), " AND ".join(terms)
    sources = [f"SELECT {columns} FROM live_{asked.table} WHERE {condition}"]  # noqa: S608
    if paths:
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        sources.append(f"SELECT {columns} FROM read_parquet([{listed}]) WHERE {condition}")  # noqa: S608
        values += values
    by = [f"date_trunc('{name}', {table.time}) AS {name}" if _coarser(name, table) else name for name in asked.by]
    if "bucket" in table.dimensions:
        return _latency(asked, by, " UNION ALL ".join(sources)), values
    sums = [
        f"sum({measure})" + ("" if measure == "latency_ms" else "::BIGINT") + f" AS {measure}"
        for measure in table.measures
    ]
    grouping = f" GROUP BY ALL ORDER BY {', '.join(asked.by)}" if by else ""
    return f"SELECT {', '.join((*by, *sums))} FROM ({' UNION ALL '.join(sources)}){grouping}", values  # noqa: S608


def _coarser(name: str, table: Table) -> bool:
    return name in _STEPS and name != table.time


def _latency(asked: RollupQuery, by: Sequence[str], source: str) -> str:
    """Quantiles from buckets: the value whose bucket holds the one of rank q(n - 1), as in DDSketch."""
    names = [*dict.fromkeys((*asked.by, "phase"))]
    keys = ", ".join(names)
    plain = ", ".join(dict.fromkeys((*by, "phase")))
    value = latency_of("bucket")
    quantiles = "".join(
        f", min(CASE WHEN upto > {q!r} * (total - 1) THEN {value} END) AS {quantile_name(q)}" for q in asked.quantiles
    )
    return (
        f"WITH summed AS (SELECT {plain}, bucket, sum(n)::BIGINT AS n FROM ({source}) GROUP BY ALL),"  # noqa: S608
        " counted AS (SELECT *, sum(n) OVER (PARTITION BY "
        f"{keys} ORDER BY bucket) AS upto, sum(n) OVER (PARTITION BY {keys}) AS total FROM summed)"
        f" SELECT {keys}, max(total)::BIGINT AS n{quantiles} FROM counted GROUP BY ALL ORDER BY {keys}"
    )


def quantile_name(quantile: float) -> str:
    """The column of a quantile: `p99_ms`, `p99_9_ms`."""
    return f"p{quantile * 100:.6g}_ms".replace(".", "_")
