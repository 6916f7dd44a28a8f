"""A fleet of puppets in a process of its own: run as a script, it does what its first argument says.

Every process writes a line on stdout when it begins and when it was told to end; the parent writes `ready` once all
work, and its own talk on stderr. Whoever reads stdout to its end has seen all of them gone.
"""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from freehold.errors import ConfigurationError
from freehold.services.supervising import Fleet, Pace, Ready, Report

PACE = Pace(first_delay_s=0.02, longest_delay_s=0.08, healthy_s=60.0, end_s=0.5)

ANNOUNCED = mmap.mmap(-1, 1)
"""Shared by all: 1 once the parent has announced that all work."""


def say(*words: object) -> None:
    os.write(1, " ".join(map(str, words)).encode() + b"\n")


def work(number: int, report: Report) -> None:
    """A puppet: works until SIGTERM, unless it is told otherwise."""
    how = sys.argv[1]
    if how == "refuse" and number == 1:
        raise ConfigurationError("no such thing", hint="mend it")
    if how == "crash_at_start" and number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "slow_to_begin":
        say("begins", number, os.getpid())
        signal.pause()
    told = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        told.set()

    signal.signal(signal.SIGTERM, signal.SIG_IGN if how == "deaf" else end)
    say("begins", number, os.getpid())
    report(Ready((f"note of {number}",)))
    while not told.wait(0.01):
        if how == "crash" and number == 0 and ANNOUNCED[0]:
            raise ValueError("the content of a call")
    say("ends", number)


def main() -> None:
    fleet = Fleet(2, work, say=lambda line: print(line, file=sys.stderr, flush=True), pace=PACE)

    def ready(notes: tuple[str, ...]) -> None:
        say("ready", *notes)
        ANNOUNCED[0] = 1

    try:
        clean = fleet.run(ready)
    except ConfigurationError as error:
        say("refused", error.message, "next", error.hint)
        sys.exit(error.exit_code)
    say("clean" if clean else "unclean")


@contextmanager
def fleet(how: str) -> Iterator[subprocess.Popen[str]]:
    """The script in a process; killed at the end where it still runs."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-W", "error", "-m", "tests.support.fleet", how]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def gone(pid: int, timeout_s: float = 10.0) -> bool:
    """Whether a process that is not our child is gone, or is in time."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


if __name__ == "__main__":
    main()
