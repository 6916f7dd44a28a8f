"""Records that stand one a line."""

from __future__ import annotations

import io
from collections.abc import Iterator

from ._opened import BOM, DAMAGED
from .protocol import Mark, Record

MAX_RECORD_BYTES = 64 * 1024 * 1024
TOO_LONG = "longer than 64 MiB"


def lines(content: io.BufferedIOBase, start: Mark) -> Iterator[Record]:
    """The lines that are not blank, with their numbers."""
    offset, number = start.offset, start.number
    readline = content.readline
    try:
        while line := readline(MAX_RECORD_BYTES):
            fault = ""
            if len(line) == MAX_RECORD_BYTES and not line.endswith(b"\n"):
                fault = TOO_LONG
                offset += _skip_rest(content)
            number += 1
            offset += len(line)
            if number == 1 and line.startswith(BOM):
                line = line[3:]
            if fault:
                yield Record(number, b"", Mark(offset, number), fault)
            elif line and not line.isspace():
                yield Record(number, line, Mark(offset, number))
    except EOFError:
        yield Record(number + 1, b"", Mark(offset, number + 1), DAMAGED)


def _skip_rest(content: io.BufferedIOBase) -> int:
    """Read on to the end of the line; returns how many bytes that was."""
    skipped = 0
    while rest := content.readline(MAX_RECORD_BYTES):
        skipped += len(rest)
        if rest.endswith(b"\n"):
            break
    return skipped
