"""A disk that fails when a test says so: SQLite's own system calls, taken over one by one.

    with failing(once(7, errno.ENOSPC)) as disk:
        ...                      # the seventh call that writes fails
    disk.n_calls                 # how many there were

SQLite's unix layer lets a program replace the system calls it makes (`sqlite3_vfs.xSetSystemCall`); this is how its own
tests make the Nth of them fail. What Python itself writes (the marks) goes through `os`, taken over as well. Leave the
block only when nothing uses SQLite any more.
"""

from __future__ import annotations

import _sqlite3
import contextlib
import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator

_NULL = ctypes.c_void_p(None)
_SIGNATURES = {
    "open": (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
    "write": (ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t),
    "pwrite": (ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64),
    "pwrite64": (ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64),
    "ftruncate": (ctypes.c_int, ctypes.c_int, ctypes.c_int64),
    "fallocate": (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64),
    "unlink": (ctypes.c_int, ctypes.c_char_p),
}


class _Vfs(ctypes.Structure):
    _fields_ = [
        ("iVersion", ctypes.c_int),
        ("szOsFile", ctypes.c_int),
        ("mxPathname", ctypes.c_int),
        ("pNext", ctypes.c_void_p),
        ("zName", ctypes.c_char_p),
        ("pAppData", ctypes.c_void_p),
        *((name, ctypes.c_void_p) for name in (
            "xOpen", "xDelete", "xAccess", "xFullPathname", "xDlOpen", "xDlError", "xDlSym", "xDlClose", "xRandomness",
            "xSleep", "xCurrentTime", "xGetLastError", "xCurrentTimeInt64",
        )),
        ("xSetSystemCall", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)),
        ("xGetSystemCall", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)),
    ]  # fmt: skip


def _vfs() -> ctypes._Pointer[_Vfs] | None:
    """SQLite's own file layer, or None where this Python hides it."""
    try:
        find = ctypes.CDLL(_sqlite3.__file__).sqlite3_vfs_find
    except (AttributeError, OSError):
        return None
    find.restype = ctypes.POINTER(_Vfs)
    found = find(None)
    return found if found and found.contents.iVersion >= 3 and found.contents.zName.startswith(b"unix") else None


AVAILABLE = _vfs() is not None
"""Whether this Python lets a test in between SQLite and the disk."""


class Disk:
    """Counts the calls that write, and lets `verdict` say how each fares: an errno, or 0."""

    def __init__(self, verdict: Callable[[int], int]) -> None:
        self.n_calls = 0
        self.n_failed = 0
        self._verdict = verdict
        self._lock = threading.Lock()

    def fares(self) -> int:
        with self._lock:
            self.n_calls += 1
            code = self._verdict(self.n_calls)
            self.n_failed += code != 0
            return code


def once(nth: int, code: int) -> Disk:
    """A disk whose nth write fails."""
    return Disk(lambda n: code if n == nth else 0)


def from_then_on(nth: int, code: int) -> Disk:
    """A disk whose nth write and every one after it fails."""
    return Disk(lambda n: code if n >= nth else 0)


def fatal(nth: int) -> Disk:
    """A disk whose nth write kills the process."""

    def verdict(n: int) -> int:
        if n == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    return Disk(verdict)


@contextlib.contextmanager
def failing(disk: Disk) -> Iterator[Disk]:
    """Let a disk fail for this process's SQLite, until the block ends."""
    vfs = _vfs()
    assert vfs is not None
    address = ctypes.cast(vfs, ctypes.c_void_p)
    keep = []
    for name, signature in _SIGNATURES.items():
        before = vfs.contents.xGetSystemCall(address, name.encode())
        if before:
            prototype = ctypes.CFUNCTYPE(*signature, use_errno=True)
            replaced = prototype(_between(disk, prototype(before), opens=name == "open"))
            keep.append(replaced)
            assert vfs.contents.xSetSystemCall(address, name.encode(), ctypes.cast(replaced, ctypes.c_void_p)) == 0
    pwrite, fsync = os.pwrite, os.fsync
    os.pwrite, os.fsync = _python(disk, pwrite), _python(disk, fsync)
    try:
        yield disk
    finally:
        os.pwrite, os.fsync = pwrite, fsync
        vfs.contents.xSetSystemCall(address, None, _NULL)


def _between(disk: Disk, real: Callable[..., int], *, opens: bool) -> Callable[..., int]:
    def call(*arguments: int) -> int:
        if not opens or arguments[1] & os.O_CREAT:
            code = disk.fares()
            if code:
                ctypes.set_errno(code)
                return -1
        return real(*arguments)

    return call


def _python(disk: Disk, real: Callable[..., int]) -> Callable[..., int]:
    def call(*arguments: int) -> int:
        code = disk.fares()
        if code:
            raise OSError(code, os.strerror(code))
        return real(*arguments)

    return call
