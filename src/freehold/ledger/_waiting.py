"""Calls that wait for the disk: a few as they are, those behind them packed into memory that can be given back.

As objects, calls that wait for a moment would fill Python's arenas, and an arena stays as long as anything lasting was
made in it meanwhile; as blocks of the allocator they would leave its heap full of holes. Maps of their own go back to
the system. Where many wait, as for a disk that is full, they are compressed as well.
"""

from __future__ import annotations

import mmap
import zlib
from collections import deque

import msgspec

from freehold.vocabulary import Call

_LOOSE_CALLS, _LOOSE_BYTES = 256, 1024 * 1024
"""So many wait as they are, in a gateway that keeps up all of them."""

OBJECT_BYTES = 1200
"""What the objects of a call take beside its bodies."""

_PAGE_BYTES = 256 * 1024
_PLAIN_PAGES = 4  # what waits for a moment is not worth compressing: a page takes about 3 ms
_WORTH = 0.8
_LENGTH_BYTES = 4  # before each block
_SIZE_BYTES = 8  # before each packed call

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Call).decode


class Waiting:
    """A queue of calls, first in, first out. Whoever has it bounds and locks it.

    `size` is what the calls in it measure (`size_of`), packed or not.
    """

    def __init__(self) -> None:
        self.size = 0
        self._loose: deque[tuple[Call, int]] = deque()
        self._loose_size = 0
        self._packed = _Pages()

    def __len__(self) -> int:
        return len(self._loose) + len(self._packed)

    @property
    def held(self) -> int:
        """The memory that it takes, in bytes."""
        return self._loose_size + len(self._loose) * OBJECT_BYTES + self._packed.mapped

    def put(self, call: Call, size: int) -> None:
        """Take in a call of that size. Never raises: what cannot be packed waits as it is."""
        self.size += size
        crowded = len(self._loose) >= _LOOSE_CALLS or self._loose_size >= _LOOSE_BYTES or len(self._packed)
        if not (crowded and self._pack(call, size)):
            self._loose.append((call, size))
            self._loose_size += size

    def get(self) -> tuple[Call, int]:
        """The call that has waited longest, and its size.

        Raises:
            IndexError: none waits.
            msgspec.ValidationError: it is none, by the type of a field; it is gone.
            OSError: the system has no memory to decompress it; it stays.
        """
        if self._loose:
            call, size = self._loose.popleft()
            self._loose_size -= size
            self.size -= size
            return call, size
        data = self._packed.get()
        size = int.from_bytes(data[:_SIZE_BYTES], "little")
        self.size -= size
        return _unpack(memoryview(data)[_SIZE_BYTES:]), size

    def _pack(self, call: Call, size: int) -> bool:
        try:
            self._packed.put(size.to_bytes(_SIZE_BYTES, "little") + _pack(call))
        except Exception:  # noqa: BLE001 - no memory to map, or what will show when it is written
            return False
        return True


class _Pages:
    """Blocks of bytes in mapped memory: written at the end of the last page, given back page by page as they are read.

    `mapped` is the memory that they take, in bytes.
    """

    def __init__(self) -> None:
        self.mapped = 0
        self._pages: deque[_Page] = deque()
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def put(self, data: bytes) -> None:
        """Keep a block.

        Raises:
            OSError: the system has no memory for it; what was kept stays.
        """
        need = _LENGTH_BYTES + len(data)
        page = self._pages[-1] if self._pages else None
        if page is None or page.end + need > len(page.map):
            if len(self._pages) > _PLAIN_PAGES and page is not None:
                self.mapped += page.compress()
            page = _Page(max(_PAGE_BYTES, need))
            self._pages.append(page)
            self.mapped += len(page.map)
        page.map[page.end : page.end + need] = len(data).to_bytes(_LENGTH_BYTES, "little") + data
        page.end += need
        self._n += 1

    def get(self) -> bytes:
        """The block that was kept first.

        Raises:
            IndexError: there is none.
            OSError: the system has no memory to decompress it; it stays.
        """
        page = self._pages[0]
        self.mapped += page.decompress()
        start = page.first + _LENGTH_BYTES
        page.first = start + int.from_bytes(page.map[page.first : start], "little")
        data = page.map[start : page.first]
        self._n -= 1
        if page.first == page.end:
            self._pages.popleft()
            self.mapped -= len(page.map)
            page.map.close()
        return data


class _Page:
    """A map, and the bytes of it that are in use."""

    __slots__ = ("_compressed", "end", "first", "map")

    def __init__(self, size: int) -> None:
        self.map = mmap.mmap(-1, size)
        self.first = self.end = 0
        self._compressed = False

    def compress(self) -> int:
        """Make it smaller, if that is worth it; the change in bytes. Nothing more can be written to it."""
        small = zlib.compress(self.map[: self.end], 1)
        if len(small) > _WORTH * len(self.map):
            return 0
        change = self._replace(small)
        self._compressed = True
        return change

    def decompress(self) -> int:
        """Make it readable; the change in bytes."""
        if not self._compressed:
            return 0
        change = self._replace(zlib.decompress(self.map[:]))
        self._compressed = False
        return change

    def _replace(self, data: bytes) -> int:
        new, old = mmap.mmap(-1, len(data)), self.map
        new[:] = data
        self.map = new
        change = len(new) - len(old)
        old.close()
        return change
