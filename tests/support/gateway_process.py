"""Gateways in processes of their own, started cheaply: run as a script, it forks one per line of stdin.

A line says how, in JSON (`Birth`); the answer is `PID PORT`. Each child serves with a real ledger writer until it is
told to stop or is killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

_LEFT_BEHIND_S = 20.0


@dataclass(frozen=True)
class Birth:
    """How a gateway is to live: its home, its part of the environment, how many descriptors it may have open.

    `said` is a file for its standard error, with logging at its most talkative; "" for the test's own, as it is.
    """

    home: str
    environ: Mapping[str, str] = field(default_factory=dict)
    n_files: int = 0
    said: str = ""


class Starter:
    """Starts gateways and collects how they ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._pid = 0

    def start(self, home: Path, **how: object) -> tuple[int, int]:
        """Start one on a home; its process id and port. One that a failed test has left behind is killed first."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self.wait()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(Birth(str(home), **how))) + "\n")  # type: ignore[arg-type]
        self._process.stdin.flush()
        pid, port = map(int, self._process.stdout.readline().split())
        self._pid = pid
        return pid, port

    def wait(self) -> int:
        """How the last one ended: minus the signal, or its exit status."""
        assert self._process.stdout is not None
        self._pid = 0
        return int(self._process.stdout.readline())


@contextmanager
def starter() -> Iterator[Starter]:
    """A process that has loaded the gateway and forks; a gateway that a failed test has left behind ends with it."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-W", "error", "-m", "tests.support.gateway_process"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as process:
        try:
            yield Starter(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(_LEFT_BEHIND_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def serve_until_killed(birth: Birth) -> None:
    """Serve on a free port and print it."""
    import faulthandler
    import logging
    import resource

    from freehold.gateway.app import Doors, Gateway, serve
    from freehold.ledger.writer import LedgerWriter
    from freehold.settings import load

    os.environ.update(birth.environ)
    if birth.said:
        os.dup2(os.open(birth.said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
        logging.basicConfig(level=logging.DEBUG)
        faulthandler.enable()
    if birth.n_files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (birth.n_files, birth.n_files))
    loaded = load({"FREEHOLD_HOME": birth.home})

    def ready(gateway: Gateway) -> None:
        print(os.getpid(), gateway.port, flush=True)

    with LedgerWriter(loaded.home, loaded.settings.ledger) as writer:
        serve(loaded, doors=Doors(ledger=writer), port=0, ready=ready)


def main() -> None:
    import freehold.gateway.app
    import freehold.ledger.writer
    import freehold.settings  # noqa: F401 -- loaded here, so that a fork need not

    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests with nohup ignores it
    for line in sys.stdin:
        child = os.fork()
        if not child:
            status = 1
            try:
                serve_until_killed(Birth(**json.loads(line)))
                status = 0
            finally:
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(ended), flush=True)


if __name__ == "__main__":
    main()
