"""The audit's state: one file per process, taken over from the dead, never overwritten by the living."""

import os
import subprocess
import sys

import msgspec
import pytest

from freehold.evidence.sequential import AuditTest
from freehold.gateway._audits import AuditBook, KeptAudit, merged
from freehold.vocabulary import Route

ROUTE = Route("t1", "triage", certificate_id="cert/1", alpha=0.05)


def kept(folder):
    return [msgspec.json.decode(file.read_bytes(), type=KeptAudit) for file in sorted(folder.glob("*.json"))]


def counted(n, errors):
    test = AuditTest(0.05)
    for number in range(n):
        test.update(number < errors)
    return test.state()


def put(folder, owner, state):
    folder.mkdir(exist_ok=True)
    name = f"cert_1.{owner}.json" if owner else "cert_1.json"
    (folder / name).write_bytes(msgspec.json.encode(KeptAudit("cert/1", "t1", state, owner)))


def test_a_restart_goes_on_where_it_was(tmp_path):
    for _ in range(3):
        book = AuditBook(tmp_path)
        assert not book.record(ROUTE, wrong=False)
        book.close()
    (one,) = kept(tmp_path)
    assert (one.state.n, one.state.errors) == (3, 0)


def test_what_dead_processes_left_is_added_up_once(tmp_path):
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    put(tmp_path, f"{done.pid}-1", counted(150, 2))
    put(tmp_path, "", counted(40, 1))
    put(tmp_path, f"{os.getpid()}-1", counted(7, 0))  # the number was given again
    for _ in range(2):
        AuditBook(tmp_path).close()
        (one,) = kept(tmp_path)
        assert (one.state.n, one.state.errors, one.state.rejected_at) == (197, 3, 0)


def test_a_living_process_keeps_its_file_and_its_rejection_counts(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as beside:
        from freehold.gateway._audits import _identity

        owner = _identity(beside.pid)
        put(tmp_path, owner, counted(30, 30))
        book = AuditBook(tmp_path)
        assert book.rejected() == ["cert/1"]
        book.record(ROUTE, wrong=False)
        book.close()
        assert sorted((one.owner == owner, one.state.n) for one in kept(tmp_path)) == [(False, 1), (True, 30)]
        beside.communicate(b"\n")


def test_a_damaged_file_is_as_if_there_were_none(tmp_path):
    (tmp_path / "cert_1.json").write_bytes(b"{")
    assert AuditBook(tmp_path).rejected() == []


@pytest.mark.parametrize(("errors", "broken"), [(0, False), (20, True)])
def test_merged_states_say_what_the_joined_stream_says(errors, broken):
    state = merged([counted(20, errors // 2), counted(20, errors - errors // 2)])
    test = AuditTest.from_state(state)
    assert (test.n, test.errors) == (40, errors)
    assert test.update(True) is broken
