"""A clock that jumps: no deadline moves with it, no duration is negative, every call is kept and read."""

import threading
import time

import pytest
from tests.support.faults import PATIENT, ask
from tests.support.gateway import connect, read_response, renting_from, request_bytes, running
from tests.support.upstream import LAST_CHUNK, SILENCE, STREAM_HEAD, chunk, send, wait
from tests.support.wires import CHAT

from freehold.gateway.app import Doors
from freehold.ledger import Ledger
from freehold.ledger.writer import LedgerWriter
from freehold.settings import LedgerSettings

HOUR, DAY = 3600, 86400


@pytest.fixture
def clock(monkeypatch):
    """The clock on the wall; what it is set off by, in seconds, is its only entry."""
    off, ns, seconds = [0], time.time_ns, time.time
    monkeypatch.setattr("time.time_ns", lambda: ns() + off[0] * 10**9)
    monkeypatch.setattr("time.time", lambda: seconds() + off[0])
    return off


@pytest.mark.fault("host", "clock jumps")
@pytest.mark.parametrize("jump", [-HOUR, DAY], ids=["hour-back", "day-forward"])
def test_the_clock_jumps_within_calls(up, tmp_path, clock, jump):
    released = threading.Event()
    with (
        LedgerWriter(tmp_path, LedgerSettings(rotate_rows=2)) as writer,
        running(renting_from(up.url, **PATIENT), tmp_path, Doors(ledger=writer)) as gateway,
        connect(gateway.port) as before,
        connect(gateway.port) as within,
    ):
        for _ in range(3):
            before.sendall(request_bytes(CHAT.whole))
            assert read_response(before)[0] == 200
        up.play(send(STREAM_HEAD + chunk(CHAT.began)), wait(released), send(*map(chunk, CHAT.rest), LAST_CHUNK))
        within.sendall(request_bytes(CHAT.streamed))
        while CHAT.began[-10:] not in within.recv(65536):
            pass
        clock[0] = jump
        for _ in range(3):  # over a connection that was there before: nobody thinks it has been idle for a day
            before.sendall(request_bytes(CHAT.whole))
            assert read_response(before)[0] == 200
        released.set()
        got = b""
        while b"[DONE]" not in got:
            got += within.recv(65536)
        assert writer.flush()
    ledger = Ledger(tmp_path)
    calls = list(ledger.calls())
    assert [call.outcome for call in calls] == ["ok"] * 7
    assert all(0 <= call.latency_ms < 10_000 for call in calls)
    assert [call.started_at_us for call in calls] == sorted(call.started_at_us for call in calls)
    ledger.seal()
    clock[0] = 0
    assert list(ledger.calls()) == calls
    ledger.seal(remove_after_s=0)
    assert ledger.count() == 7
    assert [finding.code for finding in ledger.doctor() if finding.severity == "error"] == []


@pytest.mark.fault("host", "clock jumps")
@pytest.mark.parametrize("jump", [-HOUR, DAY], ids=["hour-back", "day-forward"])
def test_no_deadline_moves_with_the_clock(up, tmp_path, clock, jump):
    with running(renting_from(up.url, first_byte_timeout_s=0.5, retries=0), tmp_path) as gateway:
        up.play(wait(0.2), SILENCE)
        began = time.monotonic()
        timer = threading.Timer(0.1, lambda: clock.__setitem__(0, jump))
        timer.start()
        seen = ask(gateway)
        timer.join()
        assert (seen.status, seen.call.outcome) == (504, "error")
        assert 0.4 < time.monotonic() - began < 30.0
        assert ask(gateway).status == 200
