"""What a call took is freed when it is over: nothing of it waits for the garbage collector, and its bodies least."""

import gc
import json
from contextlib import contextmanager

import pytest
from tests.support.gateway import connect, read_response, renting_from, request_bytes, running
from tests.support.upstream import SILENCE, Upstream, chat, http, send, stream

WHOLE = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
STREAM = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode()


@contextmanager
def collector_off():
    """A list that holds, after the block, what only the collector could free."""
    left = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield left
        gc.collect()
        left += [type(one).__name__ for one in gc.garbage if type(one).__module__.startswith("freehold.gateway")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (WHOLE, http(200, chat())),
        (STREAM, stream("a", "b")),
        (WHOLE, http(500, b"{}")),
        (b"{", b""),
    ],
    ids=["whole", "stream", "failed", "unreadable"],
)
def test_nothing_of_an_answered_call_is_left(tmp_path, body, answer):
    with Upstream() as up, running(renting_from(up.url), tmp_path) as gateway:
        up.choose = lambda _: [send(answer)]
        with connect(gateway.port) as sock, collector_off() as left:
            for _ in range(3):
                sock.sendall(request_bytes(body))
                read_response(sock)
            gateway.on_loop(len, gateway.gateway.calls)
        assert left == []


def test_nothing_of_a_call_is_left_whose_client_has_gone(tmp_path):
    with Upstream() as up, running(renting_from(up.url), tmp_path) as gateway:
        up.choose = lambda _: [SILENCE]
        with collector_off() as left:
            sock = connect(gateway.port)
            sock.sendall(request_bytes(WHOLE))
            up.wait_for_request()
            sock.close()
            gateway.ledger.wait(1)
        assert left == []
