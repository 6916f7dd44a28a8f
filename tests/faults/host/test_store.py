"""A gateway whose ledger is locked, damaged, full or slow: calls go on being answered, and what is lost is counted."""

import random
import sqlite3
import statistics
import threading
import time
from contextlib import contextmanager

import pytest
from tests.support.faults import PATIENT, ask
from tests.support.gateway import connect, read_response, renting_from, request_bytes, running
from tests.support.ledger_calls import make_call
from tests.support.wires import CHAT

from freehold.errors import LedgerUnavailable
from freehold.gateway.app import Doors
from freehold.ledger import Ledger
from freehold.ledger.writer import LedgerWriter
from freehold.settings import LedgerSettings

SQUEEZE = 60
"""So many times faster than in life."""


@contextmanager
def recording(up, home, **settings):
    """A gateway that records with a real writer."""
    with (
        LedgerWriter(home, LedgerSettings(**settings)) as writer,
        running(renting_from(up.url, **PATIENT), home, Doors(ledger=writer)) as gateway,
    ):
        yield gateway, writer


def answer(gateway, n_calls):
    """Make calls; the seconds that each took."""
    took = []
    with connect(gateway.port) as sock:
        for _ in range(n_calls):
            began = time.monotonic()
            sock.sendall(request_bytes(CHAT.whole))
            assert read_response(sock)[0] == 200
            took.append(time.monotonic() - began)
    return took


def shown(gateway, name):
    """A metric's value."""
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(b"", path="/metrics", method="GET"))
        text = read_response(sock)[2].decode()
    return float(next(line.split()[-1] for line in text.splitlines() if line.startswith(name)))


@contextmanager
def locked(path):
    """Somebody holds a database's write lock."""
    other = sqlite3.connect(path, isolation_level=None, timeout=5)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.mark.fault("host", "store locked for 60 s")
def test_locked_for_a_minute(up, tmp_path, monkeypatch):
    """A second here is a minute: every wait of the writer is as much shorter."""
    backoff = [seconds / SQUEEZE for seconds in (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)]
    monkeypatch.setattr("freehold.ledger.writer.BACKOFF_S", backoff)
    monkeypatch.setattr("freehold.ledger._hot_files.BACKOFF_S", backoff)
    monkeypatch.setattr("freehold.ledger._hot._TIMEOUT_S", 0.25 / SQUEEZE)
    with recording(up, tmp_path) as (gateway, writer):
        answer(gateway, 5)
        assert writer.flush()
        (hot,) = (tmp_path / "ledger/hot").glob("*.db")
        n_calls, end = 0, time.monotonic() + 60 / SQUEEZE
        with locked(hot):
            while time.monotonic() < end:
                n_calls += len(answer(gateway, 5))
            _until(lambda: writer.health().last_error == "locked")
            assert shown(gateway, "freehold_ledger_pending") == n_calls
        assert writer.flush()
        assert writer.health().ok
    assert Ledger(tmp_path).count() == 5 + n_calls
    assert Ledger(tmp_path).losses().dropped == 0


@pytest.mark.fault("host", "queue full")
@pytest.mark.fault("field", "log store down, rows queue without bound")
def test_a_store_that_is_down_fills_a_queue_and_no_more(up, tmp_path):
    (tmp_path / "ledger").write_text("a file stands where the folder should be")
    with recording(up, tmp_path, queue_calls=20) as (gateway, _):
        answer(gateway, 100)
        _until(lambda: shown(gateway, "freehold_ledger_dropped_total") == 80)
        assert shown(gateway, "freehold_ledger_pending") == 20
        assert shown(gateway, "freehold_ledger_healthy") == 0
        (tmp_path / "ledger").unlink()
        _until(lambda: shown(gateway, "freehold_ledger_pending") == 0)  # healthy is said from the first batch on
        assert shown(gateway, "freehold_ledger_healthy") == 1
        answer(gateway, 10)
        _until(lambda: shown(gateway, "freehold_ledger_written_total") == 30)
    assert Ledger(tmp_path).count() == 30
    assert Ledger(tmp_path).losses().dropped == 80


@pytest.mark.fault("field", "store outage slows the answers")
def test_a_store_that_is_down_slows_no_answer_and_floods_no_log(up, tmp_path, capfd):
    with recording(up, tmp_path) as (gateway, writer):
        answer(gateway, 50)
        well = statistics.median(answer(gateway, 200))
        assert writer.flush()
        (hot,) = (tmp_path / "ledger/hot").glob("*.db")
        capfd.readouterr()
        with locked(hot):
            cpu = time.process_time()
            ill = min(statistics.median(answer(gateway, 25)) for _ in range(8))  # others may have a core meanwhile
            cpu = time.process_time() - cpu
        assert ill < 5 * well + 0.005
        assert cpu < 2.0
        said = capfd.readouterr()
        assert len(said.out) + len(said.err) < 1000


def _until(holds, timeout_s=30.0):
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def spoil(path, rng):
    """Overwrite the last page of a file with noise."""
    with path.open("r+b") as file:
        file.seek(-4096, 2)
        file.write(rng.randbytes(4096))


@pytest.mark.fault("host", "corrupted last page")
@pytest.mark.parametrize("where", ["hot", "segment"])
def test_a_closed_file_whose_last_page_is_noise(tmp_path, where):
    ledger = Ledger(tmp_path)
    ledger.append(make_call(number, size=20_000) for number in range(20))
    if where == "segment":
        ledger.seal(remove_after_s=0)
    (path,) = (tmp_path / "ledger" / ("hot" if where == "hot" else "segments")).iterdir()
    whole = path.read_bytes()
    spoil(path, random.Random(7))
    read = []
    with pytest.raises(LedgerUnavailable) as error:
        read += ledger.calls()
    assert "doctor" in str(error.value)
    assert [path.name in finding.message for finding in ledger.doctor() if finding.severity == "error"] == [True]
    path.write_bytes(whole)
    assert len(list(ledger.calls())) == 20


@pytest.mark.fault("host", "corrupted last page")
def test_a_live_file_whose_last_page_is_noise(up, tmp_path):
    """The writer meets it, leaves the file and goes on in a new one; what was in it is not silently gone."""
    with recording(up, tmp_path) as (gateway, writer):
        answer(gateway, 20)
        assert writer.flush()
        (hot,) = (tmp_path / "ledger/hot").glob("*.db")
        db = sqlite3.connect(hot)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        db.close()
        for page in range(1, hot.stat().st_size // 4096):
            with hot.open("r+b") as file:
                file.seek(page * 4096)
                file.write(b"\xa5" * 4096)
        answer(gateway, 20)
        assert writer.flush()
        _until(lambda: shown(gateway, "freehold_ledger_dropped_total") == 20)
        answer(gateway, 1)
        _until(lambda: shown(gateway, "freehold_ledger_healthy") == 1)
        files = {path.name for path in (tmp_path / "ledger/hot").glob("*.db")}
        assert len(files) == 2, "calls go on in a new file"
    ledger = Ledger(tmp_path)
    with pytest.raises(LedgerUnavailable):
        ledger.count()
    assert any(hot.name in finding.message for finding in ledger.doctor() if finding.severity == "error")
    ledger.write_off(hot.name)
    assert ledger.count() == 21
    assert ledger.losses().dropped == 20


@pytest.mark.fault("field", "keys are read from a database per request")
def test_the_path_of_a_call_opens_no_file(up, tmp_path):
    """Neither a database nor anything else: an audit hook sees every opening in the gateway's thread."""
    import sys

    opened: list[str] = []
    watched: list[int] = []

    def hook(name, arguments):
        if name in {"open", "sqlite3.connect"} and threading.get_ident() in watched:
            opened.append(str(arguments[0]))

    with running(renting_from(up.url, **PATIENT), tmp_path) as gateway:
        ask(gateway)
        watched.append(gateway.on_loop(threading.get_ident))
        sys.addaudithook(hook)
        try:
            for _ in range(20):
                ask(gateway)
        finally:
            watched.clear()
    assert [path for path in opened if not path.endswith("routes.json")] == []
