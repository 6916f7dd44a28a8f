"""Segments as files: rows written to Parquet as a stream, and read again, in the memory of a few hundred rows.

Sealing runs beside every gateway, so it does without a query engine: DuckDB takes 60 MB before its first row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from freehold.errors import LedgerUnavailable

from ._rows import ADDED, BODIES, COLUMNS, NAMES, Row

if TYPE_CHECKING:
    from arro3.core import RecordBatch, Schema

_BATCH_ROWS = 256
_BATCH_BYTES = 256 * 1024
_READ_ROWS = 64
_GROUP_ROWS = 4096
_GROUP_BYTES = 8 * 1024 * 1024
_UNIQUE = ("id", *BODIES)  # a dictionary of what hardly repeats is written twice
_COLUMNS = (*NAMES, *BODIES)
_REQUEST, _RESPONSE = len(NAMES), len(NAMES) + 1
DICTIONARY = "bodies_dictionary"
"""The column of an encrypted segment that holds, in its first row, what its bodies were compressed with."""
_BOOLEANS = tuple(i for i, (_, _, kind) in enumerate(COLUMNS) if kind == "BOOLEAN")


def write_rows(path: Path, rows: Iterable[Row], n_rows: int, n_bytes: int, *, dictionary: bool = False) -> int:
    """Write rows in the order of `NAMES` then `BODIES`, whatever raises them; returns how many the file holds.

    With `dictionary`, each row ends with that column.

    `n_rows` and `n_bytes` are what is to be expected, nearly: they decide how many rows make a row group. The count is
    that of reading the finished file once more.

    Raises:
        OSError: the file cannot be written.
        LedgerUnavailable: what was written cannot be read.
        Whatever `rows` raises.
    """
    from arro3.core import RecordBatchReader
    from arro3.io import write_parquet

    size = max(1, n_bytes // max(1, n_rows))
    schema = _schema(dictionary=dictionary)
    with path.open("wb") as file:
        kept = _Kept(file)
        reader = RecordBatchReader.from_batches(schema, kept.until_failed(_batches(rows, schema)))
        with _without_panic(path):
            write_parquet(
                reader,
                cast("Any", kept),
                compression="zstd(3)",
                max_row_group_size=max(16, min(_GROUP_ROWS, _GROUP_BYTES // size)),
                column_dictionary_enabled=dict.fromkeys(_UNIQUE, False),
                skip_arrow_metadata=True,
            )
        kept.finish()
    return sum(batch.num_rows for batch in _read(path, max(1, min(_BATCH_ROWS, _BATCH_BYTES // size))))


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a segment of any version, in the order of `NAMES` then `BODIES`.

    Raises:
        OSError, LedgerUnavailable: it cannot be read.
    """
    added = _added()
    for batch in _read(path, _READ_ROWS):
        there = set(batch.schema.names)
        columns: list[list[Any]] = []
        for name in _COLUMNS:
            values = batch.column(name).to_pylist() if name in there else [None] * batch.num_rows
            if name in added:
                values = [added[name] if value is None else value for value in values]
            columns.append(values)
        yield from zip(*columns, strict=True)


def read_dictionary(path: Path) -> bytes | None:
    """What stands in the column `DICTIONARY` of an encrypted segment.

    Raises:
        OSError, LedgerUnavailable: it cannot be read.
    """
    for batch in _read(path, 1):
        return cast("bytes | None", batch.column(DICTIONARY).to_pylist()[0])
    return None


class _Kept:
    """A file for the Parquet writer, which panics where writing fails: failures are kept here until it is through."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: BaseException | None = None

    def write(self, data: bytes) -> int:
        """Write, or after a failure pretend to."""
        if self._error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self._error = error
        return len(data)

    def flush(self) -> None:
        """Nothing: the file is synced when it is whole."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Asked for by the writer, which goes only forward."""
        return self._file.seek(offset, whence)

    def until_failed(self, batches: Iterator[RecordBatch]) -> Iterator[RecordBatch]:
        """The batches; they end early where one cannot be made or written."""
        while self._error is None:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001 - the writer would make one without type or cause of it
                self._error = error
                return
            yield batch

    def finish(self) -> None:
        """Flush the file, and raise what was kept."""
        if self._error is not None:
            raise self._error
        self._file.flush()


def _batches(rows: Iterable[Row], schema: Schema) -> Iterator[RecordBatch]:
    some: list[Row] = []
    size = 0
    for row in rows:
        some.append(row)
        size += len(row[_REQUEST]) + len(row[_RESPONSE])
        if len(some) >= _BATCH_ROWS or size >= _BATCH_BYTES:
            yield _batch(some, schema)
            some, size = [], 0
    if some:
        yield _batch(some, schema)


def _batch(rows: list[Row], schema: Schema) -> RecordBatch:
    from arro3.core import Array, RecordBatch

    columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)]
    for index in _BOOLEANS:
        columns[index] = [value if value is None else bool(value) for value in columns[index]]
    kinds = zip(columns, schema.types, strict=True)
    return RecordBatch([Array(column, type=kind) for column, kind in kinds], schema=schema)


def _read(path: Path, batch_rows: int) -> Iterator[RecordBatch]:
    from arro3.io import read_parquet

    with _without_panic(path):
        yield from read_parquet(str(path), batch_size=batch_rows)


def _schema(*, dictionary: bool) -> Schema:
    from arro3.core import DataType, Field, Schema

    kinds = {
        "BIGINT": DataType.int64(),
        "INTEGER": DataType.int32(),
        "DOUBLE": DataType.float64(),
        "BOOLEAN": DataType.bool(),
        "VARCHAR": DataType.utf8(),
    }
    fields = [Field(name, kinds[kind]) for name, _, kind in COLUMNS]
    binary = (*BODIES, DICTIONARY) if dictionary else BODIES
    return Schema([*fields, *(Field(name, DataType.binary()) for name in binary)])


def _added() -> dict[str, Any]:
    """The values of `ADDED`, which are written in SQL."""
    with closing(sqlite3.connect(":memory:")) as db:
        values = db.execute(f"SELECT {', '.join(ADDED.values())}").fetchone()
    return dict(zip(ADDED, values, strict=True))


@contextmanager
def _without_panic(path: Path) -> Generator[None]:
    """What the Parquet library raises for a damaged file is no `Exception`; here it is an error like others."""
    try:
        yield
    except BaseException as error:
        if type(error) is not Exception and type(error).__module__ != "pyo3_runtime":
            raise
        raise LedgerUnavailable(f"segment {path.name} cannot be read", hint="run freehold doctor") from error
