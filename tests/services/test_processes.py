"""Work that is shared out among processes, and Ctrl-C."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from freehold.services._processes import Processes

WAITING = """
import signal
import time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
from concurrent.futures import wait
from freehold.services._processes import Processes
try:
    with Processes(2) as pool:
        futures = [pool.submit(time.sleep, 300) for _ in range(2)]
        print("up", flush=True)
        while wait(futures, timeout=0.1).not_done:  # a signal just before a wait without end is heard at its end
            pass
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_what_processes_come_to_is_told() -> None:
    with Processes(2) as pool:
        assert [pool.submit(pow, 2, n).result() for n in range(3)] == [1, 2, 4]
    assert not multiprocessing.active_children()


def test_processes_end_with_the_error_that_leaves_them() -> None:
    def fail() -> None:
        with Processes(1) as pool:
            pool.submit(time.sleep, 300)
            raise ZeroDivisionError

    begun = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        fail()
    assert time.monotonic() - begun < 60
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("after_s", [0.0, 1.0])
def test_an_interrupted_terminal_is_told_once_and_by_nobody_else(after_s: float) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group of its own, as a terminal gives to a command
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "up\n"
        time.sleep(after_s)  # the processes have just begun, or are at work
        os.killpg(command.pid, signal.SIGINT)
        try:
            out, err = command.communicate(timeout=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(command.pid, signal.SIGKILL)
    assert (out, err, command.returncode) == ("interrupted\n", "", 0)
