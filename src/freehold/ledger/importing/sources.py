"""Where records come from: files, plain or compressed, found in folders, opened as what they are."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import msgspec

from freehold.errors import BadLog, NotFound

from . import _opened
from ._lines import lines
from ._opened import Opened
from ._pieces import Piece, pieces
from ._rows import header, rows
from ._values import PAGE, values
from .protocol import UNREADABLE, Head, Mark, Record, Shape, Source

_HEAD_RECORDS = 20
_HEAD_TRIES = 200
_HEAD_BYTES = 4 * 1024 * 1024
_ANY_LINE_OF_AN_OBJECT = re.compile(rb'\s*\{\s*\n\s*"')
_ARRAY_OF_OTHERS = re.compile(rb"\s*\[\s*[^{\s\]]")
HINT = "freehold import reads JSONL, JSON and CSV; docs/imports.md says what they hold"
_decode_any = msgspec.json.Decoder().decode
_decode = msgspec.json.Decoder(dict[str, object]).decode
_START = Mark()


class FileSource:
    """The records of one file. What it is, is decided by its first bytes, never by its name.

    Raises:
        NotFound: there is no such file.
        BadLog: it is UTF-16, an archive or a database.
        MissingPrerequisite: it is compressed in a way that needs an extra.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise NotFound(f"{path} is no file", hint="give the path of a log")
        self.path = path
        self.name = path.name
        start = _opened.head(path)
        self.shape: Shape
        self.columns: tuple[str, ...] = ()
        if _ARRAY_OF_OTHERS.match(start):
            raise BadLog(f"{path.name} is a JSON array, and not one of objects", hint=HINT)
        self.shape, self._level = _shape(start)
        self._delimiter = ","
        if self.shape == "csv":
            self.columns, self._delimiter = header(start)
        status = path.stat()
        self.size = status.st_size
        self.written_us = status.st_mtime_ns // 1000
        place = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\0".encode()
        self.identity = sha256(place + start).hexdigest()
        self._reading: Opened | None = None

    def records(self, start: Mark = _START) -> Iterator[Record]:
        """Its records from a place on, in constant memory. Damage is a record with a fault, never an exception."""
        try:
            opened = Opened(self.path, start.offset)
        except EOFError:
            yield Record(start.number + 1, b"", start, _opened.DAMAGED)
            return
        self._reading = opened
        try:
            if self.shape == "jsonl":
                yield from lines(opened.content, start)
            elif self.shape == "json":
                yield from values(opened, start, level=self._level)
            else:
                yield from rows(opened.content, start, self.columns, self._delimiter)
        finally:
            opened.close()

    def pieces(self, start: Mark = _START) -> Generator[Piece, None, Mark | None]:
        """Its content from a place on, where it has lines or rows, in pieces that hold the same records.

        Returns the place from which on the records have to be read one by one; None where all of it was given.
        """
        try:
            opened = self._reading = Opened(self.path, start.offset)
        except EOFError:
            return start
        with closing(opened):
            return (yield from pieces(opened.content, start, self.columns, self._delimiter))

    def done(self) -> int:
        """How many of its bytes have been read."""
        return self._reading.done() if self._reading is not None else 0


def _shape(start: bytes) -> tuple[Shape, int]:
    """How records stand in a file that begins so, and for JSON how many brackets enclose one."""
    text = start.lstrip()
    if text.startswith(b"["):
        return "json", 1
    if not text.startswith(b"{"):
        return ("csv" if header(start)[0] else "jsonl"), 0
    if PAGE.match(text):
        return "json", 2
    line = text.split(b"\n", 1)[0]
    if _ANY_LINE_OF_AN_OBJECT.match(text) and not _is_json(line):
        return "json", 0
    return "jsonl", 0


def _is_json(text: bytes) -> bool:
    try:
        _decode_any(text)
    except UNREADABLE:
        return False
    return True


def files_of(paths: Iterable[Path]) -> list[tuple[Path, bool]]:
    """The files that paths name, each once, those of folders by name; and whether it was named itself.

    Files in a folder whose names begin with a dot are left out.

    Raises:
        NotFound: there is no such file or folder, or a folder holds no file.
    """
    found: dict[Path, bool] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p.relative_to(path)))
            if not inside:
                raise NotFound(f"{path} is a folder without a file", hint="give the path of a log")
            for one in inside:
                found.setdefault(one, False)
        elif path.is_file():
            found[path] = True
        else:
            raise NotFound(f"there is no file {path}", hint="freehold import --help")
    return list(found.items())


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def head_of(source: Source) -> Head:
    """The first records of a source that are JSON objects, decoded.

    Raises:
        BadLog: none of the first records is one.
    """
    found: list[dict[str, object]] = []
    size = tries = 0
    fault = ""
    for record in source.records():
        tries += 1
        size += len(record.data)
        try:
            if not record.fault:
                found.append(_decode(record.data))
            else:
                fault = fault or record.fault
        except UNREADABLE:
            fault = fault or "no JSON object"
        if len(found) == _HEAD_RECORDS or tries == _HEAD_TRIES or size > _HEAD_BYTES:
            break
    if tries and not found:
        raise BadLog(
            f"{source.name} is no log that can be read: none of its first {tries} records is one; the first: {fault}",
            hint=HINT,
        )
    return Head(source.name, source.shape, source.columns, tuple(found))
