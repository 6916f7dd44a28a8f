"""Many real processes on one key: what all of them spend together never exceeds its budget, whoever is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support import keys as support
from tests.support.key_process import WORST_TOKENS

from freehold.gateway.callers.spending import Spending, spending
from freehold.vocabulary import NANO_USD

PROCESSES = 8
CALLERS = 200
ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def running(home: Path, key: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Eight processes that have read the keys, all let loose at once."""
    command = [sys.executable, "-m", "tests.support.key_process", str(home), key]
    processes = [
        subprocess.Popen(
            [*command, str(seed), str(CALLERS)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for seed in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert line(process) == "ready"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    last = process.stdout.read().splitlines()[-1]
    assert process.wait(60) == 0
    return json.loads(last)


def spent(home: Path) -> Spending:
    (only,) = spending(home, support.kept(home), support.NOON).values()
    return only


def settled(home: Path) -> int:
    return sum(int(cost) for file in home.glob("settled-*") for cost in file.read_text().split())


@pytest.mark.slow
def test_eight_processes_of_two_hundred_callers_overrun_a_budget_by_nothing(tmp_path: Path) -> None:
    limit = 4 * NANO_USD
    key = support.make(tmp_path, budget=support.budget(limit / NANO_USD, "total"), rpm=10**8)
    with running(tmp_path, key) as processes:
        done = [ended(process) for process in processes]
    assert sum(one["admitted"] for one in done) > 3000
    found = spent(tmp_path)
    assert found.spent * NANO_USD == settled(tmp_path)
    assert (found.reserved, found.estimated) == (0, 0)
    # Not one nanodollar too much, and no call was refused that would have fitted.
    assert limit - WORST_TOKENS * 10_000 < settled(tmp_path) <= limit


@pytest.mark.slow
def test_processes_that_are_killed_leave_what_their_calls_may_have_cost_and_nothing_else(tmp_path: Path) -> None:
    limit = 12 * NANO_USD  # enough for them to be at work still when they are killed, also beside other tests
    key = support.make(tmp_path, budget=support.budget(limit / NANO_USD, "total"))
    with running(tmp_path, key) as processes:
        for process in processes[:3]:
            assert int(line(process)) == 100
            process.kill()
            assert process.wait() == -signal.SIGKILL
        for process in processes[3:]:
            ended(process)
    found = spent(tmp_path)
    assert found.reserved == 0
    assert found.estimated > 0
    left_over = int(found.spent * NANO_USD) - settled(tmp_path)
    # A call may have been settled and killed before it was written down: one per process that was killed.
    assert 0 <= left_over - int(found.estimated * NANO_USD) <= 3 * WORST_TOKENS * 10_000
    assert limit - WORST_TOKENS * 10_000 < found.spent * NANO_USD <= limit


@pytest.mark.slow
def test_a_limit_per_minute_is_one_for_all_processes(tmp_path: Path) -> None:
    rpm = 20_000
    key = support.make(tmp_path, rpm=rpm)
    with running(tmp_path, key) as processes:
        done = [ended(process) for process in processes]
    assert all(one["limited"] >= 200 for one in done)
    assert sum(one["admitted"] for one in done) == rpm
