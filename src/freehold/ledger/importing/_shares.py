"""What several processes share out among them: records that were found, or pieces of a file yet to be cut."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator

import msgspec

from ._pieces import LARGEST_BYTES, PIECE_BYTES, Piece, Uncut
from .protocol import Mark, Record, Source
from .sources import FileSource

__all__ = ["LARGEST_BYTES", "Batch", "Piece", "Portable", "Rest", "Share", "Uncut", "shares"]

_BATCH_RECORDS = 250


class Batch(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Records that have been found already."""

    found: list[Record]

    def records(self) -> list[Record]:
        """Its records."""
        return self.found

    @property
    def size(self) -> float:
        """Bytes, nearly."""
        return sum(len(record.data) for record in self.found)


class Rest:
    """All of a source from a place on; larger than anything that is given away."""

    size = math.inf

    def __init__(self, source: Source, start: Mark) -> None:
        self._source = source
        self._start = start

    def records(self) -> Iterator[Record]:
        """Its records."""
        return self._source.records(self._start)


Portable = Batch | Piece
Share = Portable | Rest


def shares(source: Source, start: Mark) -> Generator[Share]:
    """All of a source from a place on."""
    if not isinstance(source, FileSource) or source.shape == "json":
        yield from _batches(source.records(start))
        return
    goes_on = yield from source.pieces(start)
    if goes_on is not None:
        yield Rest(source, goes_on)


def _batches(records: Iterator[Record]) -> Iterator[Batch]:
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record.data)
        if size >= PIECE_BYTES or len(batch) >= _BATCH_RECORDS:
            yield Batch(batch)
            batch, size = [], 0
    if batch:
        yield Batch(batch)
