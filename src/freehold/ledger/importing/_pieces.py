"""Pieces of a file, for whoever is to cut them into records.

A piece of lines ends with a line. Where a piece of a table ends is guessed by counting quotation marks, which is wrong
for tables that have stray ones; whoever cuts it sees whether it ends with a row, so where every piece was cut without
complaint, each begins and ends where rows of the whole file do.
"""

from __future__ import annotations

import io
from collections.abc import Generator

import msgspec

from ._lines import lines
from ._rows import Unfinished, rows
from .protocol import Mark, Record

LARGEST_BYTES = 32 * 1024 * 1024
"""A record that is larger does not come in a piece: memory stays bounded."""

PIECE_BYTES = 512 * 1024


class Uncut(Exception):
    """A piece that does not end with a record: from its start on, the file has to be read record by record."""

    def __init__(self, start: Mark) -> None:
        super().__init__()
        self.start = start


class Piece(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The bytes of some records as they stand in a file, from a place on: lines, or rows where there are columns."""

    start: Mark
    data: bytes
    columns: tuple[str, ...] = ()
    delimiter: str = ""

    def records(self) -> list[Record]:
        """Its records. Raises `Uncut`."""
        content = io.BytesIO(self.data)
        if not self.columns:
            return list(lines(content, self.start))
        try:
            return list(rows(content, self.start, self.columns, self.delimiter, part=True))
        except Unfinished:
            raise Uncut(self.start) from None

    @property
    def size(self) -> float:
        """Bytes."""
        return len(self.data)


def pieces(
    content: io.BufferedIOBase, start: Mark, columns: tuple[str, ...] = (), delimiter: str = ""
) -> Generator[Piece, None, Mark | None]:
    """Pieces of a file's content, up to any damage, and to any record that is too large.

    Returns the place from which on it has to be read record by record; None where all of it was given.
    """
    held = bytearray()
    wanted = PIECE_BYTES
    ended = damaged = False
    while not ended and not damaged and len(held) <= LARGEST_BYTES:
        try:
            more = content.read1(PIECE_BYTES)
            ended = not more
            held += more
        except EOFError:
            damaged = True
        if len(held) < wanted and not ended and not damaged:
            continue
        end = len(held) if ended else _end(held, quoted=bool(columns))
        if end:
            yield Piece(start, bytes(held[:end]), columns, delimiter)
            start = Mark(start.offset + end, start.number + held.count(b"\n", 0, end))
            del held[:end]
        # What has no end in sight is not searched over and over again.
        wanted = PIECE_BYTES if end else 2 * len(held)
    return None if ended else start


def _end(data: bytearray, *, quoted: bool) -> int:
    """Where the last whole record ends; 0 where none does. `quoted`: a line's end within quotation marks ends none."""
    end = data.rfind(b"\n")
    if not quoted:
        return end + 1
    marks = data.count(b'"', 0, end + 1)
    while end >= 0 and marks % 2:
        before = data.rfind(b"\n", 0, end)
        marks -= data.count(b'"', before + 1, end)
        end = before
    return end + 1
