"""Gateways in processes of their own, started cheaply: run as a script, it forks one per line of stdin.

A line is the home; the answer is `PID PORT`. Each child serves with a real ledger writer until it is told to stop or is
killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Starter:
    """Starts gateways and collects how they ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, home: Path) -> tuple[int, int]:
        """Start one on a home; its process id and port."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{home}\n")
        self._process.stdin.flush()
        pid, port = self._process.stdout.readline().split()
        return int(pid), int(port)

    def wait(self) -> int:
        """How the last one ended: minus the signal, or its exit status."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@contextmanager
def starter() -> Iterator[Starter]:
    """A process that has loaded the gateway and forks."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-W", "error", "-m", "tests.support.gateway_process"]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Starter(process)
        assert process.stdin is not None
        process.stdin.close()


def serve_until_killed(home: str) -> None:
    """Serve on a free port and print it."""
    from freehold.gateway.app import Doors, Gateway, serve
    from freehold.ledger.writer import LedgerWriter
    from freehold.settings import load

    loaded = load({"FREEHOLD_HOME": home})

    def ready(gateway: Gateway) -> None:
        print(os.getpid(), gateway.port, flush=True)

    with LedgerWriter(loaded.home, loaded.settings.ledger) as writer:
        serve(loaded, doors=Doors(ledger=writer), port=0, ready=ready)


def main() -> None:
    import freehold.gateway.app
    import freehold.ledger.writer
    import freehold.settings  # noqa: F401 -- loaded here, so that a fork need not

    for line in sys.stdin:
        child = os.fork()
        if not child:
            status = 1
            try:
                serve_until_killed(line.strip())
                status = 0
            finally:
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(ended), flush=True)


if __name__ == "__main__":
    main()
