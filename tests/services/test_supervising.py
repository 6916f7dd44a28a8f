"""Processes that do the same work are started, watched, started again, and ended together, whatever becomes of them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.fleet import fleet, gone


@pytest.fixture(autouse=True)
def _hang_ups_are_heard() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests with nohup ignores it
    yield
    signal.signal(signal.SIGHUP, before)


def begun(line: str) -> tuple[int, int]:
    word, number, pid = line.split()
    assert word == "begins"
    return int(number), int(pid)


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGHUP])
def test_all_begin_are_announced_once_and_end_together(told: signal.Signals) -> None:
    with fleet("well") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        assert {begun(line)[0] for line in lines[:2]} == {0, 1}
        assert lines[2].startswith("ready note of")
        process.send_signal(told)
        said, talked = process.communicate(timeout=10)
    assert sorted(said.splitlines()) == ["clean", "ends 0", "ends 1"]
    assert talked == ""
    assert process.returncode == 0


def test_a_hang_up_that_is_ignored_ends_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup has it for what it starts
    try:
        with fleet("well") as process:
            assert process.stdout is not None
            pids = [begun(process.stdout.readline())[1] for _ in range(2)]
            process.stdout.readline()
            for pid in (*pids, process.pid):
                os.kill(pid, signal.SIGHUP)
                ignored = Path(f"/proc/{pid}/status").read_text().partition("SigIgn:")[2].split()[0]
                assert int(ignored, 16) >> (signal.SIGHUP - 1) & 1
            process.send_signal(signal.SIGTERM)
            assert process.communicate(timeout=10)[0].splitlines()[-1] == "clean"
    finally:
        signal.signal(signal.SIGHUP, before)


def test_one_that_is_killed_is_started_again_and_said() -> None:
    with fleet("well") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        _, pid = begun(process.stdout.readline())
        other, survivor = begun(process.stdout.readline())
        process.stdout.readline()
        os.kill(pid, signal.SIGKILL)
        assert process.stderr.readline() == (
            f"process {2 - other} ({pid}) was ended by SIGKILL; it is started again in 0.02 s\n"
        )
        number, again = begun(process.stdout.readline())
        assert number == 1 - other
        assert again not in (pid, survivor)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=10)
    assert sorted(said.splitlines()) == ["clean", "ends 0", "ends 1"]


def test_one_that_does_not_last_is_started_later_each_time_and_its_fault_is_named_without_its_words() -> None:
    with fleet("crash") as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(5)]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert [line.rsplit(" ", 2)[1] for line in lines] == ["0.02", "0.04", "0.08", "0.08", "0.08"]
    assert all("ended with status 1: the gateway failed (ValueError)" in line for line in lines)
    assert "content" not in "".join(lines)


def test_where_one_cannot_begin_none_does_and_the_reason_is_its_own() -> None:
    with fleet("refuse") as process:
        said, _ = process.communicate(timeout=10)
    assert "ready" not in said
    assert said.splitlines()[-1] == "refused no such thing next mend it"
    assert process.returncode == 4


def test_where_one_dies_before_it_works_none_does() -> None:
    with fleet("crash_at_start") as process:
        said, talked = process.communicate(timeout=10)
    assert "ready" not in said
    assert "a process of the gateway died before it worked" in talked


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGHUP])
def test_what_a_terminal_tells_all_of_them_before_they_work_is_no_failure(told: signal.Signals) -> None:
    with fleet("slow_to_begin") as process:
        assert process.stdout is not None
        pids = [begun(process.stdout.readline())[1] for _ in range(2)]
        process.send_signal(told)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # the parent was faster, and has told it
                os.kill(pid, told)
        said, talked = process.communicate(timeout=10)
    assert (said, talked) == ("clean\n", "")


def test_when_the_parent_is_killed_the_others_end_as_if_they_were_told_to() -> None:
    with fleet("well") as process:
        assert process.stdout is not None
        pids = [begun(process.stdout.readline())[1] for _ in range(2)]
        process.stdout.readline()
        process.kill()
        assert sorted(process.stdout.read().splitlines()) == ["ends 0", "ends 1"]
        assert all(gone(pid) for pid in pids)


@pytest.mark.parametrize("killed", [False, True])
def test_one_that_does_not_listen_is_ended_all_the_same(killed: bool) -> None:
    with fleet("deaf") as process:
        assert process.stdout is not None
        pids = [begun(process.stdout.readline())[1] for _ in range(2)]
        process.stdout.readline()
        process.send_signal(signal.SIGKILL if killed else signal.SIGTERM)
        said, _ = process.communicate(timeout=10)
        assert all(gone(pid) for pid in pids)
    assert said == ("" if killed else "unclean\n")
