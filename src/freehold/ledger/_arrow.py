"""Rows as a stream of Arrow batches, which the query engine pulls as it goes and never holds whole.

The engine reads any object with the methods of the Arrow PyCapsule interface
(https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from ._rows import Row

if TYPE_CHECKING:
    from arro3.core import DataType, RecordBatch

Columns = Sequence[tuple[str, str]]
"""Names with DuckDB's names of their types."""


class ArrowRows:
    """Rows for one pass of a query.

    Args:
        columns: what a row holds, in its order.
        chunks: the rows, some at a time; pulled by a thread of the engine, one chunk at a time.

    `failure` is what went wrong while pulling: the engine only reports its text.
    """

    def __init__(self, columns: Columns, chunks: Iterable[Sequence[Row]]) -> None:
        from arro3.core import Field, Schema

        self._types = [_types()[kind] for _, kind in columns]
        self._booleans = [n for n, (_, kind) in enumerate(columns) if kind == "BOOLEAN"]
        self._schema = Schema([Field(name, kind) for (name, _), kind in zip(columns, self._types, strict=True)])
        self._chunks = chunks
        self.failure: Exception | None = None

    def __arrow_c_schema__(self) -> object:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        from arro3.core import RecordBatchReader

        return RecordBatchReader.from_batches(self._schema, self._batches()).__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[RecordBatch]:
        try:
            for rows in self._chunks:
                if rows:
                    yield self._batch(rows)
        except Exception as error:
            self.failure = error
            raise

    def _batch(self, rows: Sequence[Row]) -> RecordBatch:
        from arro3.core import Array, RecordBatch

        columns: list[Sequence[object]] = list(zip(*rows, strict=True))
        for n in self._booleans:  # SQLite has numbers for them
            columns[n] = [value if value is None else bool(value) for value in columns[n]]
        arrays = [Array(column, type=kind) for column, kind in zip(columns, self._types, strict=True)]
        return RecordBatch(arrays, schema=self._schema)


@cache
def _types() -> dict[str, DataType]:
    from arro3.core import DataType

    return {
        "BIGINT": DataType.int64(),
        "INTEGER": DataType.int32(),
        "DOUBLE": DataType.float64(),
        "BOOLEAN": DataType.bool(),
        "VARCHAR": DataType.utf8(),
        "BLOB": DataType.binary(),
    }
