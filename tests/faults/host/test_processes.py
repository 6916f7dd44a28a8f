"""Gateways as processes: told to stop in a stream, two of them on one store, and out of file descriptors."""

import os
import signal
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.gateway import connect, read_response, request_bytes
from tests.support.gateway_process import starter
from tests.support.upstream import LAST_CHUNK, STREAM_HEAD, chunk, send, wait
from tests.support.wires import CHAT

from freehold.ledger import Ledger


@pytest.fixture(scope="module")
def gateways():
    with starter() as one:
        yield one


@pytest.fixture
def home(up, tmp_path):
    waits = "first_byte_timeout_s = 10.0\nretries = 0\ndrain_s = 10.0"
    provider = f'[providers.up]\nkind = "compatible"\nbase_url = "{up.url}"'
    (tmp_path / "freehold.toml").write_text(f"{provider}\n[gateway]\n{waits}\n")
    return tmp_path


def ask(port, body=CHAT.whole):
    with connect(port) as sock:
        sock.sendall(request_bytes(body))
        return read_response(sock)


@pytest.mark.fault("host", "SIGTERM in a stream")
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGHUP])
def test_told_to_stop_it_finishes_the_stream(up, home, gateways, told):
    released = threading.Event()
    up.play(send(STREAM_HEAD + chunk(CHAT.began)), wait(released), send(*map(chunk, CHAT.rest), LAST_CHUNK))
    pid, port = gateways.start(home)
    with connect(port) as sock:
        sock.sendall(request_bytes(CHAT.streamed))
        file = sock.makefile("rb")
        got = b""
        while CHAT.began[-10:] not in got:
            got += file.readline()
        os.kill(pid, told)
        _until_refused(port)
        released.set()
        got += file.read()
    assert got.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert gateways.wait() == 0
    (call,) = Ledger(home).calls()
    assert (call.outcome, call.streamed) == ("ok", True)
    assert Ledger(home).losses().dropped == 0


def _until_refused(port):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            connect(port).close()
        except OSError:
            return
        time.sleep(0.01)
    pytest.fail("it went on taking connections")


@pytest.mark.fault("host", "two processes on one store")
def test_two_gateways_on_one_home(up, home):
    n_calls = 60
    with starter() as first, starter() as second:
        pids, ports = zip(first.start(home), second.start(home), strict=True)
        statuses: list[int] = []

        def client(port):
            for _ in range(n_calls):
                statuses.append(ask(port)[0])

        clients = [threading.Thread(target=client, args=(port,)) for port in ports]
        for one in clients:
            one.start()
        while any(one.is_alive() for one in clients):
            Ledger(home).count()  # never wrong, and never an error, beside two writers
        os.kill(pids[0], signal.SIGKILL)
        os.kill(pids[1], signal.SIGTERM)
        assert (first.wait(), second.wait()) == (-signal.SIGKILL, 0)
    assert statuses == [200] * (2 * n_calls)
    ledger = Ledger(home)
    ledger.recover()
    ids = [call.id for call in ledger.calls()]
    assert len(ids) == len(set(ids))
    assert len(ids) + ledger.losses().dropped == 2 * n_calls
    assert len(ids) >= n_calls


@pytest.mark.fault("host", "out of file descriptors")
def test_out_of_descriptors_what_is_connected_goes_on(up, home, gateways):
    pid, port = gateways.start(home, n_files=48)
    with ExitStack() as stack:
        connected = stack.enter_context(connect(port))
        connected.sendall(request_bytes(CHAT.whole))
        assert read_response(connected)[0] == 200
        for _ in range(64):  # more than it may have
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        deadline = time.monotonic() + 30
        while len(list(Path(f"/proc/{pid}/fd").iterdir())) < 47:
            assert time.monotonic() < deadline, "it has descriptors left"
            time.sleep(0.01)
        for _ in range(3):
            connected.sendall(request_bytes(CHAT.whole))
            assert read_response(connected)[0] == 200
        assert min(_spent_s(pid, 0.3) for _ in range(3)) < 0.25, "it waits for descriptors without spinning"
    deadline = time.monotonic() + 30
    while True:
        try:
            assert ask(port)[0] == 200
            break
        except OSError:
            assert time.monotonic() < deadline, "it takes no new connections any more"
    os.kill(pid, signal.SIGTERM)
    assert gateways.wait() == 0
    assert Ledger(home).count() == 5


def _spent_s(pid, within_s):
    before = _cpu_s(pid)
    time.sleep(within_s)
    return _cpu_s(pid) - before


def _cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
