"""Ctrl-C while a gateway starts, which a terminal sends to all of its processes: no traceback, whenever it comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_EARLY = """
import os, signal
become = os.execve
def late(*arguments):
    os.kill(os.getpid(), signal.SIGINT)
    become(*arguments)
os.execve = late
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
from freehold.services import starting
starting.become(port=0)
"""
_UP = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from freehold.services import starting
starting.become(port=0, workers=%d)
"""


@contextmanager
def started(home: Path, code: str) -> Iterator[subprocess.Popen[str]]:
    """A program in a group of its own, as a terminal gives to a command; killed at the end where it still runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FREEHOLD_")}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        cwd=home,
        env=kept | {"FREEHOLD_HOME": str(home)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_one_that_comes_before_the_gateway_is_loaded_is_taken_by_it(tmp_path: Path) -> None:
    with started(tmp_path, _EARLY) as process:
        said = process.communicate(timeout=60)[1]
    assert (said, process.returncode) == ("freehold: interrupted; the same command can be given again\n", 130)


@pytest.mark.parametrize("workers", [1, 2])
def test_one_that_comes_while_the_housekeeper_is_loaded_ends_it_without_a_word(tmp_path: Path, workers: int) -> None:
    with started(tmp_path, _UP % workers) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("freehold is up")
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert [line for line in said.splitlines() if not line.startswith("  missing")] == []
    assert process.returncode == 0
