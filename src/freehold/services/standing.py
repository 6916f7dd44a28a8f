"""How a gateway of several processes stands, for those who look from outside: a small file in `FREEHOLD_HOME/run`.

The gateway holds a lock on its file for as long as it lives; a file that nobody locks is of one that is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from .supervising import Watched

FOLDER = "run"
_PATTERN = "gateway-*.json"


class ProcessStanding(msgspec.Struct, frozen=True):
    """One process: 0 for `pid` while it is down, how often it was started again, how and when it ended last."""

    number: int
    pid: int
    ready: bool
    n_restarts: int
    last_end: str = ""
    ended_us: int = 0


class Standing(msgspec.Struct, frozen=True):
    """A gateway, at `at_us` (microseconds since the epoch)."""

    pid: int
    at_us: int
    processes: tuple[ProcessStanding, ...]


_decoder = msgspec.json.Decoder(Standing)


class StandingFile:
    """The file of this gateway. Where it cannot be written the gateway goes on without."""

    def __init__(self, home: Path) -> None:
        self._handle = -1
        self._path = home / FOLDER / f"gateway-{os.getpid()}.json"
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _clear(home)

    def write(self, processes: Sequence[Watched]) -> None:
        """Say how they stand now."""
        stand = tuple(
            ProcessStanding(one.number, one.pid, one.ready, max(0, one.n_starts - 1), one.last_end, one.ended_us)
            for one in processes
        )
        content = msgspec.json.encode(Standing(os.getpid(), time.time_ns() // 1000, stand))
        with contextlib.suppress(OSError):
            os.pwrite(self._handle, content.ljust(os.fstat(self._handle).st_size), 0)  # one write: never half a file

    def close(self) -> None:
        """The gateway has ended: its file goes with it."""
        if self._handle >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._handle)

    def let_go(self) -> None:
        """In a child: the lock is the parent's."""
        if self._handle >= 0:
            os.close(self._handle)


def standings(home: Path) -> list[Standing]:
    """Every gateway of several processes that runs on a home now."""
    found: list[Standing] = []
    for path in sorted((home / FOLDER).glob(_PATTERN)):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            if _held(path):
                found.append(_decoder.decode(path.read_bytes()))
    return found


def _clear(home: Path) -> None:
    """Remove what gateways left that were killed."""
    for path in (home / FOLDER).glob(_PATTERN):
        with contextlib.suppress(OSError):
            if not _held(path):
                path.unlink(missing_ok=True)


def _held(path: Path) -> bool:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
