"""The content of a file: plain, gzip or zstd, from any place on."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path

from freehold.errors import BadLog, MissingPrerequisite

DAMAGED = "the compressed file is damaged or ends early; nothing after this can be read"
BOM = b"\xef\xbb\xbf"
_BUFFER = 1 << 20
_PACKED = 1 << 14
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_FOREIGN = (b"PK\x03\x04", b"PAR1", b"SQLi", b"7z\xbc\xaf", b"BZh", b"\xfd7zXZ")


class Opened:
    """A file being read: `content` is its bytes after decompression, from `offset` on.

    Reading damaged content raises `EOFError`, after everything before the damage has been read.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._file: io.BufferedIOBase = io.BufferedReader(io.FileIO(path), _BUFFER)
        self.content: io.BufferedIOBase
        head = self._file.read(4)
        self._file.seek(0)
        if head.startswith(_GZIP):
            self.content = _unzipped(self._file)
        elif head == _ZSTD:
            self.content = _unzstd(self._file)
        else:
            self.content = self._file
            self._file.seek(offset)
            return
        while offset:
            read = len(self.content.read(min(offset, _BUFFER)))
            if not read:
                raise EOFError
            offset -= read

    def done(self) -> int:
        """Bytes of the file itself that have been read."""
        return 0 if self._file.closed else self._file.tell()

    def close(self) -> None:
        """Close it."""
        self._file.close()


class _Unpacked(io.RawIOBase):
    """What a decompressor gives, piece by piece, so that all of it arrives that comes before a damage."""

    def __init__(self, read: Callable[[int], bytes], damage: tuple[type[Exception], ...]) -> None:
        self._read = read
        self._damage = damage

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            data = self._read(len(buffer))
        except self._damage:
            raise EOFError from None
        buffer[: len(data)] = data
        return len(data)


def _unzipped(file: io.BufferedIOBase) -> io.BufferedReader:
    unpacked = _Unpacked(gzip.GzipFile(fileobj=file).read1, (EOFError, zlib.error, gzip.BadGzipFile))
    return io.BufferedReader(unpacked, _BUFFER)


class _Zstd:
    """The content of a zstd file, frame after frame; an end that is too early is told."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        try:
            import zstandard
        except ImportError:
            raise MissingPrerequisite(
                "the file is compressed with zstd, which needs an extra",
                hint="pip install 'freehold[zstd]', or decompress it: zstd -d FILE",
            ) from None
        self.damage = zstandard.ZstdError
        self._new = zstandard.ZstdDecompressor().decompressobj
        self._file = file
        self._frame = self._new()
        self._begun = False
        self._data = b""

    def read(self, size: int) -> bytes:
        """Up to so many bytes; none at the end."""
        while not self._data:
            packed = self._file.read(_PACKED)
            if self._frame.eof:
                packed = self._frame.unused_data + packed
                self._frame, self._begun = self._new(), False
            if not packed:
                if self._begun:
                    raise EOFError
                return b""
            self._begun = True
            self._data = self._frame.decompress(packed)
        data, self._data = self._data[:size], self._data[size:]
        return data


def _unzstd(file: io.BufferedIOBase) -> io.BufferedReader:
    zstd = _Zstd(file)
    return io.BufferedReader(_Unpacked(zstd.read, (EOFError, zstd.damage)), _BUFFER)


def head(path: Path, size: int = 1 << 18) -> bytes:
    """The first bytes of a file's content, without a byte order mark; what a damaged file gives before its damage.

    Raises:
        BadLog: by its first bytes it is UTF-16, an archive or a database.
    """
    with path.open("rb") as file:
        raw = file.read(4)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadLog(f"{path.name} is UTF-16", hint="convert it to UTF-8: iconv -f UTF-16 -t UTF-8")
    if raw.startswith(_FOREIGN):
        raise BadLog(
            f"{path.name} is an archive, a Parquet file or a database", hint="unpack or export it: JSONL, JSON or CSV"
        )
    opened = Opened(path)
    try:
        return _up_to(opened.content.read, size).removeprefix(BOM)
    finally:
        opened.close()


def _up_to(read: Callable[[int], bytes], size: int) -> bytes:
    parts: list[bytes] = []
    try:
        while size > 0 and (data := read(min(size, 1 << 14))):
            parts.append(data)
            size -= len(data)
    except EOFError:
        pass
    return b"".join(parts)
