"""The objects of a JSON text too large to be held: elements of an array, of a page's `data`, or one after another.

The text is cut by its brackets, without being parsed: strings are blanked by their quotes, the depth is a running sum.
It is linear in the text whatever is in it, needs no recursion, and goes on after an element that is no JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._lines import MAX_RECORD_BYTES, TOO_LONG
from ._opened import BOM, DAMAGED, Opened
from .protocol import Mark, Record

_CHUNK = 1 << 20
_OPENS, _CLOSES, _QUOTES = 1, 2, 3
_KINDS = bytes(
    _OPENS if byte in b"{[" else _CLOSES if byte in b"}]" else _QUOTES if byte == ord('"') else 0 for byte in range(256)
)
"""What each byte is; 0 for whatever else."""
_TAIL = 64
_LIST = re.compile(rb'"data"\s*:\s*\Z')
PAGE = re.compile(rb'\s*\{(?:[^"{}\[\]]|"(?:[^"\\]|\\.)*")*?"data"\s*:\s*\[')
"""How a page begins: an object whose field `data` is a list."""


class _Bracket(NamedTuple):
    """A bracket outside strings: where it stands, and how deep it is after it if it opens, before it if it closes."""

    at: int
    opens: bool
    depth: int


class _Brackets:
    """Finds brackets chunk by chunk, no deeper than those of records."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.in_string = False

    def feed(self, chunk: bytes, deepest: int) -> list[_Bracket]:
        """The brackets of a chunk that does not end within an escape."""
        plain = chunk.replace(b"\\\\", b"  ").replace(b'\\"', b"  ") if b"\\" in chunk else chunk
        kinds = np.frombuffer(plain.translate(_KINDS), np.uint8)
        places = np.flatnonzero(kinds != 0)
        kinds = kinds[places]
        quotes = kinds == _QUOTES
        inside = np.logical_xor.accumulate(np.concatenate(([self.in_string], quotes)))
        self.in_string = bool(inside[-1])
        real = ~quotes & ~inside[:-1]
        places, opens = places[real], kinds[real] == _OPENS
        depths = self.depth + np.cumsum(np.where(opens, 1, -1))
        if len(depths):
            self.depth = int(depths[-1])
        levels: NDArray[np.int64] = np.where(opens, depths, depths + 1)
        shallow = levels <= deepest
        return [
            _Bracket(*found)
            for found in zip(places[shallow].tolist(), opens[shallow].tolist(), levels[shallow].tolist(), strict=True)
        ]


class _Cutter:
    """Cuts records out of chunks."""

    def __init__(self, start: Mark, *, level: int) -> None:
        self.offset = start.offset
        self.number = start.number
        self._level = level
        """How many brackets enclose a record."""
        self._brackets = _Brackets(start.inside)
        self._listed = level < 2 or start.inside == 2
        """Whether brackets at the level of records are in the list that holds records."""
        self._parts: list[bytes] = []
        self._kept = 0
        self._open = False
        self._tail = b""

    @property
    def fault(self) -> str:
        """What is wrong with a text that ends here."""
        if self._open:
            return "the file ends in the middle of it"
        if self._brackets.depth or self._brackets.in_string:
            return "the brackets do not match: the file is damaged or ends early, and some of it may be missing"
        return ""

    def feed(self, chunk: bytes) -> Iterator[Record]:
        """The records that end in a chunk."""
        level, begin = self._level, 0
        for at, opens, depth in self._brackets.feed(chunk, level + 1):
            if depth == level + 1 and self._listed:
                if opens:
                    self._open, begin = True, at
                elif self._open:
                    self._open = False
                    self._keep(chunk[begin : at + 1])
                    yield self._record(self.offset + at + 1)
            elif level == 2 and depth == 2:
                self._listed = opens and chunk[at : at + 1] == b"[" and self._names_records(chunk, at)
        if self._open:
            self._keep(chunk[begin:])
        self._tail = (self._tail + chunk[-_TAIL:])[-_TAIL:]
        self.offset += len(chunk)

    def _names_records(self, chunk: bytes, at: int) -> bool:
        before = chunk[max(0, at - _TAIL) : at]
        return _LIST.search(before if at >= _TAIL else self._tail + before) is not None

    def _keep(self, part: bytes) -> None:
        self._kept += len(part)
        if self._kept <= MAX_RECORD_BYTES:
            self._parts.append(part)
        else:
            self._parts.clear()

    def _record(self, end: int) -> Record:
        self.number += 1
        mark = Mark(end, self.number, self._level)
        fault = TOO_LONG if self._kept > MAX_RECORD_BYTES else ""
        data = b"" if fault else b"".join(self._parts)
        self._parts, self._kept = [], 0
        return Record(self.number, data, mark, fault)


def values(opened: Opened, start: Mark, *, level: int) -> Iterator[Record]:
    """The objects that `level` brackets enclose: 0 for objects one after another, 1 in an array, 2 in a page."""
    cutter = _Cutter(start, level=level)
    fault, rest = "", b""
    while not fault:
        try:
            chunk = opened.content.read1(_CHUNK)
        except EOFError:
            fault = DAMAGED
            break
        if not chunk:
            break
        if cutter.offset == 0 and not rest:
            cutter.offset += 3 * chunk.startswith(BOM)
            chunk = chunk.removeprefix(BOM)
        chunk, rest = _whole_escapes(rest + chunk)
        yield from cutter.feed(chunk)
    fault = fault or cutter.fault
    if fault:
        number = cutter.number + 1
        yield Record(number, b"", Mark(cutter.offset, number), fault)


def _whole_escapes(chunk: bytes) -> tuple[bytes, bytes]:
    """A chunk without a backslash at its end that escapes what comes next, and that backslash."""
    slashes = len(chunk) - len(chunk.rstrip(b"\\"))
    return (chunk[:-1], chunk[-1:]) if slashes % 2 else (chunk, b"")
