"""What keeps a gateway from staying as large as its busiest moment was: its allocator is told so, and asked."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

ENVIRONMENT = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": str(256 * 1024)}
"""For the allocator of glibc: what a burst or a large answer took goes back, instead of staying in the process.

Set before Python starts: later it is too late.
"""
_EVERY_S = 5.0


def give_back(every_s: float = _EVERY_S) -> None:
    """Have glibc give unused pages back to the system now and then, for as long as the process lives.

    By itself it gives back what lies above the last block in use, and no hole below. Takes 0.1 to 1 ms in a thread of
    its own, in which who allocates waits. Does nothing where there is no such allocator.
    """
    trim = _trim()
    if trim is None:
        return

    def work() -> None:
        while True:
            time.sleep(every_s)
            trim(0)

    threading.Thread(target=work, name="freehold-memory", daemon=True).start()


def _trim() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    import ctypes

    return getattr(ctypes.CDLL(None), "malloc_trim", None)
