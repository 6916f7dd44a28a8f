"""Rows as a stream of Arrow batches, which the query engine pulls as it goes and never holds whole.

The engine reads any object with the methods of the Arrow PyCapsule interface
(https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html). `nanoarrow` makes one from bytes in
Arrow's stream format, asked for piece by piece, so that a row takes memory only while it passes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from ._rows import Row

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
        self._types = [_types()[kind] for _, kind in columns]
        self._schema = _nanoarrow().struct({name: kind for (name, _), kind in zip(columns, self._types, strict=True)})
        self._chunks = self._at_least_one(chunks)
        self._waiting = memoryview(b"")
        self._buffer = io.BytesIO()
        self._writer: Any = None
        self.failure: Exception | None = None

    def __arrow_c_schema__(self) -> object:
        return _nanoarrow().c_schema(self._schema).__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        from nanoarrow.ipc import InputStream, StreamWriter

        self._writer = StreamWriter.from_writable(self._buffer)
        return InputStream.from_readable(self).__arrow_c_stream__(requested_schema)

    def readinto(self, target: Any) -> int:
        """Fill the beginning of a buffer with what comes next of the stream; returns how many bytes, 0 at the end."""
        if not self._waiting:
            try:
                self._waiting = self._next()
            except Exception as error:
                self.failure = error
                raise
        room = memoryview(target).cast("B")
        size = min(len(room), len(self._waiting))
        room[:size] = self._waiting[:size]
        self._waiting = self._waiting[size:]
        return size

    def _next(self) -> memoryview:
        rows = next(self._chunks, None)
        if rows is None:
            return memoryview(b"")
        nanoarrow = _nanoarrow()
        columns = zip(*rows, strict=True) if rows else ((),) * len(self._types)
        children = [nanoarrow.c_array(column, kind) for column, kind in zip(columns, self._types, strict=True)]
        batch = nanoarrow.c_array_from_buffers(self._schema, len(rows), [None], children=children)
        self._waiting.release()
        self._buffer.seek(0)
        self._buffer.truncate()
        self._writer.write_array(batch)
        return memoryview(self._buffer.getvalue())

    @staticmethod
    def _at_least_one(chunks: Iterable[Sequence[Row]]) -> Iterator[Sequence[Row]]:
        """The schema goes before the first batch, so that there must be one."""
        none = True
        for chunk in chunks:
            none = False
            yield chunk
        if none:
            yield ()


def _nanoarrow() -> Any:
    import nanoarrow

    return nanoarrow


@cache
def _types() -> dict[str, Any]:
    na = _nanoarrow()
    return {
        "BIGINT": na.int64(),
        "INTEGER": na.int32(),
        "DOUBLE": na.float64(),
        "BOOLEAN": na.bool_(),
        "VARCHAR": na.string(),
        "BLOB": na.binary(),
    }
