"""Sequence marks: how many calls a process answered, in a file that outlives it.

One page per process, mapped into memory: [magic, answered, dropped]. A store of eight aligned bytes is one machine
instruction, so a SIGKILL finds the old number or the new one. The process holds a lock on the file for as long as it
lives; whoever can take the lock knows that the process is dead. Nothing here survives a power cut, and nothing needs
to: the promise is about killed processes.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from pathlib import Path
from typing import NamedTuple

_MAGIC = int.from_bytes(b"FHMARK01", "little")
_PAGE = 4096
SUFFIX = ".mark"


class Counts(NamedTuple):
    """What a mark says: calls answered, and those of them already given up."""

    answered: int
    dropped: int


class Mark:
    """This process's own mark. Counts in memory until `prepare` found a writable folder and `adopt` moved in."""

    def __init__(self, folder: Path, writer: str) -> None:
        self.path = folder / f"{writer}{SUFFIX}"
        self._cells = memoryview(bytearray(_PAGE)).cast("Q")
        self._map: mmap.mmap | None = None
        self._prepared: mmap.mmap | None = None
        self._handle = -1

    @property
    def attached(self) -> bool:
        """Whether the counts outlive the process."""
        return self._map is not None

    @property
    def answered(self) -> int:
        """Calls answered so far."""
        return self._cells[1]

    def count(self) -> int:
        """Count one more; how many there are now."""
        cells = self._cells
        cells[1] = answered = cells[1] + 1
        return answered

    @property
    def dropped(self) -> int:
        """Answered calls that will never be in the ledger."""
        return self._cells[2]

    @dropped.setter
    def dropped(self, value: int) -> None:
        self._cells[2] = value

    def prepare(self) -> None:
        """Make the file, so that `adopt` has only to copy the counts.

        The page is written in full before it is mapped: storing into a hole of a mapped file kills the process when
        the disk is full. The file gets its name once it is locked, so that nobody takes it for a dead process's.

        Raises:
            OSError, ValueError: the file cannot be made.
        """
        waiting = self.path.with_suffix(".new")
        handle = os.open(waiting, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.pwrite(handle, _MAGIC.to_bytes(8, "little") + bytes(_PAGE - 8), 0)  # a short write makes mmap fail
            os.fsync(handle)
            mapped = mmap.mmap(handle, _PAGE)
            waiting.rename(self.path)
        except BaseException:
            os.close(handle)
            waiting.unlink(missing_ok=True)
            raise
        self._handle, self._prepared = handle, mapped

    def adopt(self) -> None:
        """Move the counts into the prepared file. Call it while nobody changes them."""
        if self._prepared is not None:
            cells = memoryview(self._prepared).cast("Q")
            cells[1], cells[2] = self._cells[1], self._cells[2]
            self._map, self._prepared, self._cells = self._prepared, None, cells

    def close(self, *, remove: bool) -> None:
        """Let go of the file. `remove`: its counts were recorded elsewhere."""
        if self._map is None:
            return
        kept = memoryview(bytearray(self._cells.tobytes())).cast("Q")
        self._cells.release()
        self._cells = kept
        self._map.close()
        self._map = None
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._handle)


class DeadMark:
    """The mark of a process that is gone, locked for whoever recovers it."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self.writer = path.name.removesuffix(SUFFIX)
        self._handle = handle

    def counts(self) -> Counts | None:
        """What it says; None where it is damaged."""
        return _read(self._handle)

    def close(self, *, remove: bool) -> None:
        """Let go of it. `remove`: its process is accounted for."""
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._handle)


def take(path: Path) -> DeadMark | None:
    """Lock the mark of a dead process; None where the process lives or somebody else recovers it.

    Raises:
        OSError: the file cannot be opened for another reason than being gone.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        gone = os.fstat(handle).st_nlink == 0
    except OSError:
        gone = True
    if gone:
        os.close(handle)
        return None
    return DeadMark(path, handle)


def peek(path: Path) -> Counts | None:
    """The counts of a mark, living or dead; None where it is gone or damaged."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _read(handle)
    finally:
        os.close(handle)


def _read(handle: int) -> Counts | None:
    page = os.pread(handle, 24, 0)
    if len(page) != 24:
        return None
    magic, answered, dropped = memoryview(page).cast("Q")
    return Counts(answered, dropped) if magic == _MAGIC else None
