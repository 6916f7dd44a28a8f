"""One process at a time rewrites segments. Reading and recording never wait for it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager

from ._layout import Layout


@contextmanager
def alone(layout: Layout) -> Generator[None]:
    """Wait until nobody else seals, merges, expires or erases, and keep others from it until the block ends.

    A kill lets go of it. The manifest keeps totals right without this; it is needed to tell what a killed sealer left
    behind from what a living one is about to list.
    """
    layout.root.mkdir(parents=True, exist_ok=True)
    handle = os.open(layout.root / "sealing.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
