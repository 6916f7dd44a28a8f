"""Rollups on disk: a folder for each segment, made from it and its marks and from nothing else.

A segment never changes and its name is never used again; its marks are replaced as a whole, and every version of them
has another size or time. Both are in the folder's name, so that a rollup under that name is either right or not there.
It appears whole, by renaming a folder; where it is missing, whoever needs it makes it. It counts its calls, and these
are compared with the manifest before the first use.
"""

from __future__ import annotations

import os
import shutil
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ._layout import Layout
from ._manifest import SegmentEntry
from ._rollups import CHOSEN, MOST_GROUPS, RECIPE, TABLES, capped_sql, marked_sql, rows_sql, table_sql
from ._rows import segment_source
from ._snapshot import Snapshot
from ._sqlite import Vanished, sync_folder

if TYPE_CHECKING:
    import duckdb


class RollupFiles:
    """The rollups of one ledger.

    Args:
        layout: where the ledger lies.
        engine: the query engine that makes them.
        carry: gives a segment the marks that its calls had in segments that are no more, where it has none.
    """

    def __init__(
        self, layout: Layout, engine: Callable[[], duckdb.DuckDBPyConnection], carry: Callable[[SegmentEntry], None]
    ) -> None:
        self._folder = layout.root / "rollups" / str(RECIPE)
        self._marks = layout.recognised
        self._engine = engine
        self._carry = carry
        self._aside: Path | None = None
        self._checked: dict[str, Path] = {}

    def ensure(self, snapshot: Snapshot, segments: Sequence[SegmentEntry]) -> list[Path]:
        """The rollups' folders of some segments, made where they are missing.

        Where the home cannot be written they are made in a temporary folder of this process.

        Raises:
            Vanished: a segment is missing, or a rollup does not hold its calls.
            duckdb.Error: a segment cannot be read.
        """
        names = self.names(segments)
        self._checked = {name: self._checked[name] for name in names if name in self._checked}
        fresh = [segment for name, segment in zip(names, segments, strict=True) if name not in self._checked]
        folders = {segment.name: self._find(segment) or self.make(snapshot, segment) for segment in fresh}
        self._check(fresh, folders)
        made = {folder.name: folder for folder in folders.values()}
        self._checked |= made
        by_segment = {_segment_of(name): folder for name, folder in self._checked.items()}
        return [by_segment[_stem(segment.name)] for segment in segments]

    def names(self, segments: Iterable[SegmentEntry]) -> tuple[str, ...]:
        """What the rollups of some segments are called as long as neither they nor their marks change."""
        return tuple(self._name(segment.name) for segment in segments)

    def missing(self, segments: Iterable[SegmentEntry]) -> list[SegmentEntry]:
        """Segments whose rollup is not on disk, or older than their marks."""
        return [segment for segment in segments if self._find(segment) is None]

    def make(self, snapshot: Snapshot, segment: SegmentEntry) -> Path:
        """Make one rollup, and put it on disk where that is possible; whoever is first wins, both are alike."""
        source = snapshot.segment_path(segment)
        self._carry(segment)
        for folder in (self._folder, None):
            try:
                return self._make(segment.name, source, folder or self._own_folder())
            except OSError:
                if folder is None:
                    raise
        raise AssertionError

    def sweep(self, known: Iterable[str], *, at_once: bool = False) -> int:
        """Remove rollups of segments that are no longer known, of other recipes, and what kills left; how many.

        So are those of earlier marks. Young ones of these and of unfinished ones stay, because somebody may be making
        or reading them, unless it is to be `at_once`.
        """
        keep = {_stem(name): name for name in known}
        swept = 0
        with suppress(FileNotFoundError):
            for folder in self._folder.parent.iterdir():
                gone = folder.iterdir() if folder == self._folder else [folder]
                for path in gone:
                    segment = keep.get(_segment_of(path.name))
                    if segment is not None and path.name == self._name(segment):
                        continue
                    if at_once or not ((segment or path.name.startswith(".")) and _young(path)):
                        shutil.rmtree(path, ignore_errors=True)
                        swept += 1
        return swept

    def _name(self, segment: str) -> str:
        """The folder's name: the segment's, and which marks it is made with."""
        try:
            marks = (self._marks / segment).stat()
        except OSError:
            return _stem(segment)
        return f"{_stem(segment)}.{marks.st_mtime_ns:x}-{marks.st_size:x}"

    def _find(self, segment: SegmentEntry) -> Path | None:
        folder = self._folder / self._name(segment.name)
        return folder if folder.is_dir() else None

    def _own_folder(self) -> Path:
        if self._aside is None:
            import tempfile

            self._aside = Path(tempfile.mkdtemp(prefix="freehold-rollups-"))
            weakref.finalize(self, shutil.rmtree, self._aside, ignore_errors=True)
        return self._aside

    def _make(self, segment: str, source: Path, folder: Path) -> Path:
        name = self._name(segment)
        final = folder / name
        part = folder / f".{_stem(segment)}-{os.urandom(4).hex()}"
        part.mkdir(parents=True)
        try:
            self._write(source, part, self._marks / segment if name != _stem(segment) else None)
            if self._name(segment) != name:
                raise Vanished(f"the marks of {segment} changed while its rollup was made")
            sync_folder(part)
            with suppress(OSError):
                part.rename(final)
                sync_folder(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        if not final.is_dir():
            raise OSError(f"{final} cannot be made")
        return final

    def _write(self, source: Path, part: Path, marks: Path | None) -> None:
        import duckdb

        with closing(self._engine().cursor()) as cursor:
            try:
                write_rollup(cursor, source, part, marks)
            except duckdb.Error:
                if marks is None:
                    raise
                write_rollup(cursor, source, part)  # marks that are damaged are no reason to show no sums

    def _check(self, segments: Sequence[SegmentEntry], folders: dict[str, Path]) -> None:
        import duckdb

        if not segments:
            return
        paths = {str(folders[segment.name] / "calls.parquet"): segment for segment in segments}
        sql = "SELECT filename, sum(calls)::BIGINT FROM read_parquet(?, filename = true) GROUP BY 1"
        try:
            with closing(self._engine().cursor()) as cursor:
                counted = dict(cursor.execute(sql, [list(paths)]).fetchall())
        except duckdb.Error:
            counted = dict.fromkeys(paths, -1)
        for path, segment in paths.items():
            if counted.get(path, 0) != segment.rows:
                shutil.rmtree(folders[segment.name], ignore_errors=True)  # damaged: the next attempt makes it anew
                raise Vanished(f"the rollup of {segment.name} does not hold its {segment.rows} calls")


def write_rollup(cursor: duckdb.DuckDBPyConnection, source: Path, folder: Path, marks: Path | None = None) -> None:
    """Write the tables of one segment's rollup into a folder, synced."""
    sealed = segment_source(f"['{_quoted(source)}']", numbered=marks is not None)
    if marks is not None:
        sealed = marked_sql(sealed, f"'{_quoted(marks)}'")
    cursor.execute(f"CREATE OR REPLACE TEMP VIEW rolling AS {rows_sql(sealed, marked=marks is not None)}")
    for name, table in TABLES.items():
        path = folder / f"{name}.parquet"
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE made AS {table_sql(name, 'rolling')}")
        query = _bounded(cursor, name)
        order = ", ".join((table.time, *table.dimensions[:4]))
        cursor.execute(f"COPY ({query} ORDER BY {order}) TO '{_quoted(path)}' (FORMAT parquet, COMPRESSION zstd)")
        with path.open("rb") as file:
            os.fsync(file.fileno())
    cursor.execute("DROP TABLE made")


def _bounded(cursor: duckdb.DuckDBPyConnection, name: str) -> str:
    """The query of a table that was made, without too many values in any column or too many groups in all.

    The rarer values of a column become one, whose sums are exact. Where the columns together still have too many
    combinations, fewer values of each are kept.
    """
    chosen = [column for column in TABLES[name].dimensions if column in CHOSEN]
    distinct = ", ".join(f"count(DISTINCT {column})" for column in chosen)
    groups, *counts = cursor.execute(f"SELECT count(*), {distinct} FROM made").fetchone() or (0,)  # noqa: S608
    query = "FROM made"
    for part in (1, 10, 100):
        over = {c for c, n in zip(chosen, counts, strict=True) if n > CHOSEN[c] // part}
        if part > 1 and groups <= MOST_GROUPS:
            break
        if over:
            for column in over:
                _keep(cursor, name, column, CHOSEN[column] // part)
            query = capped_sql(name, "made", {column: f"kept_{column}" for column in over})
            (groups,) = cursor.execute(f"SELECT count(*) FROM ({query})").fetchone() or (0,)  # noqa: S608
    return query


def _keep(cursor: duckdb.DuckDBPyConnection, name: str, column: str, most: int) -> None:
    """The most frequent values of a column; "" says that there is none, and stays."""
    weight = TABLES[name].measures[0]
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE kept_{column} AS SELECT {column} FROM made GROUP BY 1"  # noqa: S608
        f" ORDER BY {column} = '' DESC, sum({weight}) DESC, 1 LIMIT {most}"
    )


def _young(path: Path) -> bool:
    """Whether somebody may be writing or reading it now."""
    with suppress(OSError):
        return path.stat().st_mtime > time.time() - 3600
    return True


def _stem(name: str) -> str:
    return name.removesuffix(".parquet")


def _segment_of(rollup: str) -> str:
    """The stem of the segment whose rollup is called so; "" for what is unfinished."""
    return rollup.partition(".")[0]


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
