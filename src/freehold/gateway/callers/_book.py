"""The book of budgets and limits: one file of a home, mapped by every gateway process on the machine.

Method. The file is rows of 128 signed 64-bit words. A row belongs to one key and one period; in it, every process has
two words of its own that nobody else writes: what its calls have cost together with what they may still cost
(committed), and the second part alone (reserved). What a key has used up is the sum of `committed` over all processes.

- To admit a call a process takes the file's lock, adds the sum up, compares, and raises its own words: two system calls
  and some ten stores.
- To settle a call it needs no lock: `committed` changes from the reservation to the cost in one store.
- A process that is killed leaves its words behind, so that what its calls may have cost stays spent. Whoever next finds
  that its lock is gone moves its `reserved` into the row's `estimated`, which only says how much of it is a guess.

Every store is one aligned word, which a processor writes whole, and every state between two stores counts too much
rather than too little. The kernel keeps the pages when a process dies; a power cut may lose what it had not yet written
to disk (Linux: up to half a minute). Not for network file systems, nor for several machines.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import struct
import time
from pathlib import Path
from typing import Final

from freehold import files
from freehold.errors import MissingPrerequisite

from ._periods import ended_before

FOLDER: Final = "budgets"
FILE: Final = "book"

WORDS: Final = 128
ROW_BYTES: Final = 8 * WORDS
PROCESSES: Final = 60
"""As many gateway processes may share a book. Their words and eight others fill a row."""

KEY, TAG, REQUESTS, TOKENS, ESTIMATED = range(5)
"""A row's first words. The two limits are moments in nanoseconds; `ESTIMATED` is a part of what is committed."""
COMMITTED: Final = 8
"""Where the words of processes begin; those of reservations follow them."""
RESERVED: Final = COMMITTED + PROCESSES

_MAGIC: Final = int.from_bytes(b"FHBOOK1\0", "little")
_MARK, _ROWS, USED = range(3)
"""The words of row 0: what the file is, how many rows it has, and how many processes have ever been in it at once."""
_FIRST_ROWS: Final = 64
_EMPTY: Final = struct.pack("qqq", _MAGIC, _FIRST_ROWS, 0).ljust(_FIRST_ROWS * ROW_BYTES, b"\0")
_PATIENCE_S: Final = 0.25
_EXCLUSIVE: Final = fcntl.LOCK_EX | fcntl.LOCK_NB


def unavailable(what: str, hint: str = "freehold doctor") -> MissingPrerequisite:
    """Budgets and limits cannot be kept, so that no call under one may pass."""
    return MissingPrerequisite(what, hint=hint, code="budget_unavailable")


class Book:
    """One process's hold of the book. For one thread; several in a process are as good as several processes.

    Args:
        home: the folder whose book it is; made where there is none.

    Raises:
        MissingPrerequisite: the file is damaged, no disk space is left, or too many processes hold it already.
    """

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER
        self._file = self.folder / FILE
        self._stuck = False
        self._slot = -1
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self._file.exists():
                files.make_once(self._file, _EMPTY)
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise unavailable(f"{self._file} cannot be used: {error.strerror}") from None
        try:
            self.process, self._slot = self._claim()
            self._map, self.view = mapped(self._file, self._descriptor)
            self._enter()
        except BaseException:
            os.close(self._descriptor)
            if self._slot >= 0:
                os.close(self._slot)
            raise

    def close(self) -> None:
        """Leave the book. What is still reserved stays so until somebody finds that this process has gone."""
        if self._slot < 0:
            return
        self.view.release()
        self._map.close()
        os.close(self._descriptor)
        os.close(self._slot)
        self._slot = -1

    @property
    def closed(self) -> bool:
        """Whether this process has left the book."""
        return self._slot < 0

    def intact(self) -> bool:
        """Whether the file still lies where it was, and is as long as it was. A system call."""
        try:
            there = self._file.stat()
        except OSError:
            return False
        own = os.fstat(self._descriptor)
        return (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino) and there.st_size >= len(self._map)

    def restore(self) -> None:
        """Put back a book that was removed, as this process sees it. Where one lies there, nothing is done.

        Raises:
            MissingPrerequisite: it cannot be written.
        """
        if self._file.exists():
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            files.make_once(self._file, bytes(self._map))
        except OSError as error:
            raise unavailable(f"{self._file} is gone and cannot be put back: {error.strerror}") from None

    def lock(self) -> None:
        """Take the lock. Others hold it for some microseconds; one that is stopped in there is not waited for long.

        Raises:
            MissingPrerequisite: it could not be had within a quarter of a second, or, after that happened, at once.
        """
        try:
            fcntl.flock(self._descriptor, _EXCLUSIVE)
        except BlockingIOError:
            self._wait()

    def unlock(self) -> None:
        """Give the lock back."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def row(self, key: int, tag: int, now_ns: int) -> int:
        """Where the row of a key and a period begins, as an index of `view`; made where there is none. Locks.

        Raises:
            MissingPrerequisite: there is none, and no disk space for one; or the lock cannot be had.
        """
        self.lock()
        try:
            self._remap()
            found = self._find(key, tag)
            return found or self._make_row(key, tag, now_ns)
        finally:
            self.unlock()

    def is_row(self, row: int, key: int, tag: int) -> bool:
        """Whether a row is still that of a key and a period: one whose period is long over may be used again."""
        return self.view[row] == key and self.view[row + TAG] == tag

    def committed(self, row: int) -> int:
        """What all processes have spent and may still spend. The caller holds the lock."""
        view = self.view
        return sum(view[row + COMMITTED : row + COMMITTED + view[USED]])

    def reserved(self, row: int) -> int:
        """The part of it that calls which are not over yet may still cost."""
        view = self.view
        return sum(view[row + RESERVED : row + RESERVED + view[USED]])

    def reserve(self, row: int, amount: int) -> None:
        """Count a call at what it may cost. The caller holds the lock and has compared."""
        view, own = self.view, row + COMMITTED + self.process
        view[own] += amount
        view[own + PROCESSES] += amount

    def settle(self, row: int, amount: int, cost: int) -> None:
        """Count a call that was reserved at `amount` at what it did cost. Needs no lock."""
        view, own = self.view, row + COMMITTED + self.process
        view[own] += cost - amount
        view[own + PROCESSES] -= amount

    def guess(self, row: int, amount: int) -> None:
        """Call so much of what was committed an estimate. The caller holds the lock."""
        self.view[row + ESTIMATED] += amount

    def sweep(self) -> None:
        """Find the processes that have gone, and call what they had reserved an estimate of what they spent."""
        for process in range(self.view[USED]):
            if process == self.process:
                continue
            descriptor = _held(self.folder, process)
            if descriptor >= 0:
                try:
                    self._call_estimated(process)
                finally:
                    os.close(descriptor)

    # opening

    def _claim(self) -> tuple[int, int]:
        for process in range(PROCESSES):
            descriptor = _held(self.folder, process)
            if descriptor >= 0:
                return process, descriptor
        raise unavailable(f"{PROCESSES} gateway processes share {self._file} already", hint="run fewer of them")

    def _enter(self) -> None:
        self.lock()
        try:
            self.view[USED] = max(self.view[USED], self.process + 1)
        finally:
            self.unlock()
        self._call_estimated(self.process)
        self.sweep()

    def _call_estimated(self, process: int) -> None:
        self.lock()
        try:
            self._remap()
            view = self.view
            for row in range(WORDS, view[_ROWS] * WORDS, WORDS):
                left = view[row + RESERVED + process]
                if left:
                    view[row + ESTIMATED] += left
                    view[row + RESERVED + process] = 0
        finally:
            self.unlock()

    # rows; the caller holds the lock

    def _find(self, key: int, tag: int) -> int:
        keys, tags = self.view[::WORDS].tolist(), self.view[TAG::WORDS].tolist()
        for number in range(1, self.view[_ROWS]):
            if keys[number] == key and tags[number] == tag:
                return number * WORDS
        return 0

    def _make_row(self, key: int, tag: int, now_ns: int) -> int:
        row = self._free_row(now_ns)
        view = self.view
        view[row + KEY] = 0  # nobody's while it is being made
        for word in range(row + TAG, row + WORDS):
            view[word] = 0
        view[row + TAG] = tag
        view[row + KEY] = key
        return row

    def _free_row(self, now_ns: int) -> int:
        keys, tags = self.view[::WORDS].tolist(), self.view[TAG::WORDS].tolist()
        rows = self.view[_ROWS]
        for number in range(1, rows):
            if not keys[number] or ended_before(tags[number], now_ns):
                return number * WORDS
        try:
            _extend(self._descriptor, 2 * rows * ROW_BYTES)
        except OSError as error:
            raise unavailable(f"{self._file} cannot grow: {error.strerror}", hint="make disk space") from None
        self.view[_ROWS] = 2 * rows
        self._remap()
        return rows * WORDS

    def _remap(self) -> None:
        if self.view[_ROWS] * ROW_BYTES > len(self._map):
            before_map, before = self._map, self.view
            self._map, self.view = mapped(self._file, self._descriptor)
            before.release()
            before_map.close()

    def _wait(self) -> None:
        end = time.monotonic() + (0.0 if self._stuck else _PATIENCE_S)
        while True:
            try:
                fcntl.flock(self._descriptor, _EXCLUSIVE)
            except BlockingIOError:
                if time.monotonic() >= end:
                    self._stuck = True
                    raise unavailable("another gateway process holds the budgets and does not move") from None
                time.sleep(0.00005)
            else:
                self._stuck = False
                return


def _extend(descriptor: int, size: int) -> None:
    """Make a file longer, its blocks included: a store into a page that the disk cannot hold kills a process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)


def mapped(file: Path, descriptor: int, *, access: int = mmap.ACCESS_WRITE) -> tuple[mmap.mmap, memoryview[int]]:
    """The whole file as words.

    Raises:
        MissingPrerequisite: it is no book, or shorter than it says.
    """
    size = os.fstat(descriptor).st_size
    if size >= ROW_BYTES:
        made = mmap.mmap(descriptor, size // ROW_BYTES * ROW_BYTES, access=access)
        view = memoryview(made).cast("q")
        rows, used = view[_ROWS], view[USED]
        if view[_MARK] == _MAGIC and 1 < rows <= size // ROW_BYTES and 0 <= used <= PROCESSES:
            return made, view
        view.release()
        made.close()
    raise unavailable(f"{file} is damaged: what keys have spent cannot be told")


def lock_of(folder: Path, process: int) -> Path:
    """The file that a process of that number keeps locked as long as it lives."""
    return folder / f"process-{process:02}"


def _held(folder: Path, process: int) -> int:
    """The lock of a process of that number as a descriptor that holds it, or -1 where such a process is running."""
    descriptor = os.open(lock_of(folder, process), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, _EXCLUSIVE)
    except OSError as error:
        os.close(descriptor)
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return -1
        raise
    return descriptor
