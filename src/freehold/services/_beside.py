"""Processes that run beside the gateway. They end when their standard input does: with whoever started them."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from collections.abc import Mapping

from . import _interrupts

PUBLISHED = b"published\n"
"""What the housekeeper says once the routes are published for the first time."""


def ended(wait_s: float) -> bool:
    """In such a process: wait, and say whether it is time to go."""
    readable, _, _ = select.select([sys.stdin], [], [], wait_s)
    return bool(readable) and not sys.stdin.buffer.read(1)


class Beside:
    """A module of ours in a process of its own. It gets Ctrl-C once it takes it.

    Args:
        module: which.
        arguments: its arguments.
        heard: whether it says something on its standard output; else that is ours.
        environ: variables that it has beside ours, where we do not have them.
    """

    def __init__(
        self, module: str, *arguments: str, heard: bool = False, environ: Mapping[str, str] | None = None
    ) -> None:
        command = [sys.executable, "-P", "-m", module, *arguments]
        with _interrupts.held_back():
            self.process = subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if heard else None,
                env={**(environ or {}), **os.environ},
            )

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self.process.poll()

    def hear(self, wait_s: float) -> bytes:
        """The next line it says, or b"" where it says none in time or is gone."""
        assert self.process.stdout is not None
        readable = select.select([self.process.stdout], [], [], wait_s)[0]
        return self.process.stdout.readline() if readable else b""

    def let_go(self) -> None:
        """Close our ends of its streams: where nobody else holds them, that is its sign to go."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def end(self, wait_s: float) -> None:
        """Let it go, and wait until it is gone; kill it where that takes longer."""
        self.let_go()
        try:
            self.process.wait(timeout=wait_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
