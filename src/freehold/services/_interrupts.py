"""Ctrl-C while a program of ours is being loaded: it waits until there is somebody to take it.

Python answers it with a traceback until the program's own lines run. What is held back stays so in whatever is started
or becomes of this process, and comes when it is taken.
"""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def held_back() -> Generator[None]:
    """Hold Ctrl-C back, here until the end of the block, in what the block starts until that takes it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def take() -> None:
    """Let Ctrl-C come from now on.

    Raises:
        KeyboardInterrupt: it came meanwhile.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
