"""A ledger on a disk that fails: at every write, for a minute, in its last page. Answered calls are kept or counted."""

import errno
import itertools
import shutil
import signal

import pytest
from tests.support import disk as disks
from tests.support.ledger_calls import make_call

from freehold.ledger import Ledger
from freehold.ledger._sqlite import open_readonly
from freehold.ledger.writer import LedgerWriter
from freehold.settings import LedgerSettings

N_CALLS = 4


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The writer's pauses, shortened: what is tested is what it does after them."""
    monkeypatch.setattr("freehold.ledger.writer.BACKOFF_S", (0.001, 0.002))
    monkeypatch.setattr("freehold.ledger._hot_files.BACKOFF_S", (0.001, 0.002))
    monkeypatch.setattr("freehold.ledger.writer._GATHER_S", 0.0005)


def answer_calls(home, *, close_s=10.0):
    """Answer some calls in two batches and close their file: the writer's health, and whether its count was durable."""
    writer = LedgerWriter(home, LedgerSettings(rotate_rows=N_CALLS))
    for number in range(N_CALLS):
        writer.mark()
        assert writer.offer(make_call(number)), "the queue has room"
        if number % 2:
            writer.flush(0.02)
    durable = writer.health().durable_marks
    return writer.close(close_s), durable


def kept(home):
    """Ids of the calls that a reader finds, and how many count as lost; the ledger finds nothing wrong with itself."""
    ledger = Ledger(home)
    ledger.recover()
    ids: list[str] = []
    for entry in ledger._manifest.listing().hot:
        db = open_readonly(home / "ledger/hot" / entry.name)
        ids += [row[0] for row in db.execute("SELECT id FROM calls")]
        db.close()
    assert ledger.count() == len(ids) == len(set(ids))
    assert [finding.code for finding in ledger.doctor() if finding.severity == "error"] == []
    return ids, ledger.losses().dropped


@pytest.mark.skipif(not disks.AVAILABLE, reason="this Python hides SQLite's system calls")
@pytest.mark.fault("host", "ENOSPC, EIO, EROFS at every write")
@pytest.mark.parametrize("make", [disks.once, disks.from_then_on], ids=["once", "from-then-on"])
def test_every_write_of_the_ledger_may_fail(memory_folder, make):
    """Write after write, with one error after the other, until a run goes through untouched."""
    codes = itertools.cycle((errno.EIO, errno.ENOSPC, errno.EROFS))
    for nth in itertools.count(1):
        home = memory_folder / str(nth)
        home.mkdir()
        with disks.failing(make(nth, next(codes))) as disk:
            health, durable = answer_calls(home, close_s=0.01 if make is disks.from_then_on else 10.0)
        ids, dropped = kept(home)
        assert (health.answered, health.pending, health.written + health.dropped) == (N_CALLS, 0, N_CALLS)
        assert len(ids) + dropped == N_CALLS or not durable
        if make is disks.once:
            assert dropped == 0, "what fails once is tried again"
        shutil.rmtree(home)
        if not disk.n_failed:
            break
    assert nth > 50, "the ledger writes more often than that"


@pytest.mark.skipif(not disks.AVAILABLE, reason="this Python hides SQLite's system calls")
@pytest.mark.fault("host", "SIGKILL at every logging step")
def test_a_kill_may_come_at_every_write_of_the_ledger(children, memory_folder):
    """Write after write, until a process lives to its end."""
    for nth in itertools.count(1):
        home, told = memory_folder / str(nth), memory_folder / f"{nth}.told"
        home.mkdir()
        ended = children.run("answer_until_a_write_kills", home, told, N_CALLS, nth)
        n_answered = told.stat().st_size // 8 if told.exists() else 0
        ids, dropped = kept(home)
        # A kill between the mark and the client's last byte counts one call that nobody missed; no kill hides one.
        assert n_answered <= len(ids) + dropped <= n_answered + 1
        shutil.rmtree(home)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    assert nth > 50, "the ledger writes more often than that"
