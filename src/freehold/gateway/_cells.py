"""Numbers in memory that several gateway processes share, so that any of them can show the sum of all.

Each process writes the numbers of its own slot and nobody else's: a number is one aligned store of eight bytes, which
no kill leaves half done and no lock guards. What a number means stands beside it once, when it is first used. A process
that dies leaves its slot as it was; the one that is started in its place counts on from there, so that no total falls
and none is counted twice. Nothing touches a disk.
"""

from __future__ import annotations

import mmap
from typing import NamedTuple

import msgspec

_CELLS = 16_384
_SPARE = 64
_KEY_BYTES = 2 * 1024 * 1024  # untouched pages cost nothing
_HEAD = 8
_USED_BYTES, _USED_CELLS, _LIVING = 0, 1, 2
_SLOT_BYTES = _HEAD * 8 + _CELLS * 8 + _KEY_BYTES
_SIZE = 4


class Series(NamedTuple):
    """What some cells mean: a metric, its labels, and how many numbers it takes (more than one: a histogram)."""

    name: str
    labels: tuple[tuple[str, str], ...]
    width: int


class _Key(msgspec.Struct, array_like=True, frozen=True):
    """A series as it stands in shared memory."""

    name: str
    labels: tuple[tuple[str, str], ...]
    width: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Key).decode


class Board:
    """The memory of `slots` processes. Made before they are forked; each then takes its own slot."""

    def __init__(self, slots: int = 1) -> None:
        self._memory = mmap.mmap(-1, slots * _SLOT_BYTES)  # anonymous, and shared with children
        whole = memoryview(self._memory)
        self.slots = tuple(Slot(whole[n * _SLOT_BYTES : (n + 1) * _SLOT_BYTES]) for n in range(slots))


class Slot:
    """The numbers of one process."""

    def __init__(self, memory: memoryview) -> None:
        start = _HEAD * 8 + _CELLS * 8
        self._head = memory[: _HEAD * 8].cast("Q")
        self.values = memory[_HEAD * 8 : start].cast("d")
        self._keys = memory[start:]
        self._read: list[tuple[Series, int]] = []
        self._read_bytes = 0

    @property
    def living(self) -> bool:
        """Whether a process counts here: gauges of the dead say nothing."""
        return bool(self._head[_LIVING])

    @living.setter
    def living(self, value: bool) -> None:
        self._head[_LIVING] = value

    def take(self, series: Series) -> int:
        """Where the numbers of a new series begin. What finds no room shares the first cells, which nobody shows."""
        key = _encode(_Key(*series))
        used, first = self._head[_USED_BYTES], _SPARE + self._head[_USED_CELLS]
        end = used + _SIZE + len(key)
        if end > _KEY_BYTES or first + series.width > _CELLS:
            return 0
        self._keys[used:end] = len(key).to_bytes(_SIZE, "little") + key
        self._head[_USED_CELLS] += series.width
        self._head[_USED_BYTES] = end  # last: whoever reads meanwhile sees the series whole or not at all
        return first

    def series(self) -> list[tuple[Series, int]]:
        """Every series with where its numbers begin, in the order they were taken."""
        while self._read_bytes < self._head[_USED_BYTES]:
            start = self._read_bytes + _SIZE
            end = start + int.from_bytes(self._keys[start - _SIZE : start], "little")
            key = _decode(self._keys[start:end])
            last = self._read[-1] if self._read else None
            at = last[1] + last[0].width if last else _SPARE
            self._read.append((Series(key.name, key.labels, key.width), at))
            self._read_bytes = end
        return self._read
