"""Rows of a CSV, as objects of their cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import msgspec

from ._lines import MAX_RECORD_BYTES, TOO_LONG
from ._opened import BOM, DAMAGED
from .protocol import Mark, Record

_DELIMITERS = ",;\t|"
_CUT = "the file ends within this row"
_encode = msgspec.json.Encoder().encode


def header(head: bytes) -> tuple[tuple[str, ...], str]:
    """The names of the columns and what stands between them; no names where the first line is no header."""
    first = next(iter(head.splitlines()), b"")
    try:
        text = first.decode()
    except UnicodeDecodeError:
        return (), ","
    delimiter = max(_DELIMITERS, key=text.count)
    names = tuple(name.strip() for name in next(csv.reader([text], delimiter=delimiter), []))
    named = len(names) > 1 and all(name and name.isprintable() and len(name) <= 200 for name in names)
    return (names if named and len(set(names)) == len(names) else ()), delimiter


class _Text:
    """The lines of a file as text, and how many bytes of it have been read.

    `whole`: the last line read ends with a line's end. `ended`: somebody asked for a line after the last one.
    """

    def __init__(self, content: io.BufferedIOBase, start: Mark) -> None:
        self._readline = content.readline
        self.offset = start.offset
        self.number = start.number
        self.damaged = self.ended = False
        self.whole = True

    def __iter__(self) -> Iterator[str]:
        try:
            while line := self._readline(MAX_RECORD_BYTES):
                self.offset += len(line)
                self.whole = line.endswith(b"\n")
                self.number += self.whole
                # What is no UTF-8 stays recognisable, and is refused with its row: the rows after it are read.
                yield line.removeprefix(BOM).decode("utf-8", "surrogateescape")
            self.ended = True
        except EOFError:
            self.damaged = True


class Unfinished(Exception):
    """A part of a table ends within a row."""


def rows(
    content: io.BufferedIOBase, start: Mark, columns: Sequence[str], delimiter: str, *, part: bool = False
) -> Iterator[Record]:
    """The rows below the header, each an object of its cells that are not empty; numbered by the line they end on.

    Raises:
        Unfinished: the content is `part` of a table, and ends within a row.
    """
    csv.field_size_limit(MAX_RECORD_BYTES)
    text = _Text(content, start)
    reader = csv.reader(iter(text), delimiter=delimiter)
    if start.offset == 0:
        next(reader, None)
    width = len(columns)
    while True:
        data, fault = b"", ""
        try:
            cells = next(reader, None)
            if cells is None or text.damaged:
                break
            if not cells:
                continue
            if text.ended or (len(cells) < width and not text.whole):
                # Only an open quotation mark makes the reader ask for more than there is.
                if part:
                    raise Unfinished
                fault = _CUT
            elif len(cells) > width:
                fault = f"{len(cells)} cells under {width} columns"
            else:
                data = _encode({name: cell for name, cell in zip(columns, cells, strict=False) if cell})
        except csv.Error:
            fault = TOO_LONG
        except UnicodeError:
            fault = "not valid UTF-8"
        yield Record(text.number, data, Mark(text.offset, text.number), fault)
    if text.damaged:
        yield Record(text.number + 1, b"", Mark(text.offset, text.number + 1), DAMAGED)
