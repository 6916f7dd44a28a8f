"""Clients that leave, dawdle or never read: their calls are cancelled, accounted for, and cost others nothing."""

import socket
import threading
import time

import pytest
from tests.gateway.test_cascade import body as known_body
from tests.support.gateway import connect, read_response, renting_from, request_bytes, running
from tests.support.students import ScriptedHost
from tests.support.upstream import SILENCE, STREAM_HEAD, Upstream, chunk, event, send, stream, wait

from freehold.gateway._server import Timeouts
from freehold.gateway.app import Doors
from freehold.vocabulary import Route

STREAMED = b'{"model":"m","messages":[{"role":"user","content":"twelve chars"}],"stream":true}'
WHOLE = b'{"model":"m","messages":[{"role":"user","content":"twelve chars"}]}'


@pytest.fixture(scope="module")
def up():
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(up, tmp_path_factory):
    with running(renting_from(up.url), tmp_path_factory.mktemp("home")) as one:
        yield one


def latest(up):
    """Wait for the request that was just made, not for an earlier one."""
    while up.arrived.acquire(blocking=False):
        pass
    return up


@pytest.mark.parametrize(
    ("request_body", "steps", "read_first", "reset"),
    [
        (WHOLE, [SILENCE], False, False),
        (STREAMED, [SILENCE], False, True),
        (STREAMED, [send(STREAM_HEAD), SILENCE], False, False),
        (STREAMED, [send(STREAM_HEAD + chunk(event("eight ch"))), SILENCE], True, False),
        (STREAMED, [send(STREAM_HEAD + chunk(event("eight ch"))), SILENCE], True, True),
    ],
    ids=["whole", "before-head", "before-first-event", "mid-stream", "mid-stream-reset"],
)
def test_a_client_that_leaves_cancels_the_provider_at_once(gateway, up, request_body, steps, read_first, reset):
    before = len(gateway.ledger.calls)
    latest(up).play(*steps)
    sock = connect(gateway.port)
    sock.sendall(request_bytes(request_body))
    received = up.wait_for_request()
    if read_first:
        while b"eight ch" not in sock.recv(65536):
            pass
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    left_at = time.monotonic()
    sock.close()
    assert received.left.wait(5), "the provider's connection stayed open"
    assert received.left_at - left_at < 1.0
    call = gateway.ledger.wait(before + 1)[-1]
    assert (call.outcome, call.status) == ("cancelled", 499)
    assert call.usage.estimated
    assert call.usage.input_tokens == 3
    assert call.usage.output_tokens == (2 if read_first else 0)
    assert call.legs[-1].outcome == "cancelled"


def test_a_client_that_leaves_while_connecting_or_owned_is_asked(up, tmp_path):
    host = ScriptedHost(None)
    full = Route("task-1", "triage", stage="full", student_id="s1", template_ids=("t1",), audit_share=0.0)
    with running(renting_from(up.url, owned_timeout_s=30.0), tmp_path, Doors(host=host)) as gateway:
        gateway.publish(full)
        sock = connect(gateway.port)
        sock.sendall(request_bytes(known_body()))
        while not host.asked:
            time.sleep(0.002)
        sock.close()
        assert host.cancelled.wait(5)
        assert gateway.ledger.wait()[-1].outcome == "cancelled"


def test_a_client_that_does_not_read_holds_the_provider_back(gateway, up):
    big = STREAM_HEAD + chunk(event("x" * 1_000_000)) * 40
    sent = threading.Event()
    latest(up).play(send(big), wait(sent))
    before = len(gateway.ledger.calls)
    with connect(gateway.port) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.sendall(request_bytes(STREAMED))
        up.wait_for_request()
        sizes = []
        for _ in range(100):
            time.sleep(0.01)
            pending = [c._transport.get_write_buffer_size() for c in gateway.gateway._server.connections if c.busy]
            sizes.append(max(pending, default=0))
            if sizes[-1] and sizes[-20:].count(sizes[-1]) >= 20:
                break
        assert 0 < max(sizes) < 2_000_000
        for _ in range(20):
            sock.recv(1_000_000)  # once it reads again, more comes
        assert sock.recv(1000)
    sent.set()
    assert gateway.ledger.wait(before + 1)[-1].outcome == "cancelled"


def test_a_client_that_never_reads_is_let_go(up, tmp_path):
    with running(renting_from(up.url, idle_timeout_s=0.4), tmp_path) as gateway:
        latest(up).play(send(STREAM_HEAD + chunk(event("x" * 1_000_000)) * 40))
        with connect(gateway.port) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            sock.sendall(request_bytes(STREAMED))
            assert gateway.ledger.wait()[-1].outcome == "cancelled"


@pytest.mark.parametrize(
    "dripped",
    [b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-slow: ", request_bytes(WHOLE)[:-5]],
    ids=["head", "body"],
)
def test_a_request_that_is_never_finished_is_let_go(up, tmp_path, dripped):
    with running(renting_from(up.url, idle_timeout_s=0.4), tmp_path) as gateway:
        gateway.gateway._server._timeouts = Timeouts(head_s=0.2, read_s=0.2, keep_alive_s=0.2)
        with connect(gateway.port) as sock:
            sock.sendall(dripped)
            status, _, answer = read_response(sock)
            assert status == 408
            assert b"request_timeout" in answer
        with connect(gateway.port) as idle:
            assert idle.recv(10) == b"", "an idle connection is closed without a word"


def test_others_are_answered_meanwhile(gateway, up):
    latest(up).play(SILENCE)
    slow = connect(gateway.port)
    slow.sendall(request_bytes(WHOLE))
    up.wait_for_request()
    up.play(send(stream("quick")))
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(STREAMED))
        assert b"quick" in read_response(sock)[2]
    slow.close()


def test_many_disconnects_leave_nothing_behind(gateway, up):
    for _ in range(30):
        latest(up).play(SILENCE)
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(STREAMED))
            up.wait_for_request()
    for _ in range(500):
        if not gateway.gateway.calls and not gateway.gateway._server.connections:
            break
        time.sleep(0.01)
    assert not gateway.gateway.calls
    assert gateway.gateway.metrics.in_flight == 0
    assert not gateway.gateway._providers["up"]._origin.attempts
