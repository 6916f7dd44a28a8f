"""What a call took is freed when it is over: nothing of it waits for the garbage collector, and its bodies least."""

import contextlib
import gc
import json
from contextlib import contextmanager

import pytest
from tests.support import anthropic_upstream as claude
from tests.support.gateway import connect, read_response, renting_from, request_bytes, running, settings
from tests.support.upstream import CLOSE, SILENCE, Upstream, chat, http, send, stream

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


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (WHOLE, http(200, claude.message("x"))),
        (STREAM, claude.stream("a", "b")),
        (WHOLE, http(500, b"{}")),
        (WHOLE, http(200, b"{}")),
        (STREAM, claude.stream("a", "b")[:-400]),
        (WHOLE, b"nonsense\r\n\r\n"),
    ],
    ids=["whole", "stream", "failed", "odd", "cut", "unreadable"],
)
def test_nothing_of_a_translated_call_is_left(tmp_path, body, answer):
    table = {"kind": "anthropic", "api_key_env": "KEY"}
    waits = {"retries": 0, "eject_after": 0, "drain_s": 1.0}
    with Upstream() as up:
        made = settings(providers={"a": table | {"base_url": up.url.removesuffix("/v1")}}, gateway=waits)
        with running(made, tmp_path, environ={"KEY": "k"}) as gateway:
            up.choose = lambda _: [send(answer), CLOSE]
            with collector_off() as left:
                for _ in range(3):
                    with connect(gateway.port) as sock, contextlib.suppress(EOFError):
                        sock.sendall(request_bytes(body))
                        read_response(sock)
                gateway.ledger.wait(3)
                gateway.on_loop(len, gateway.gateway.calls)
            assert left == []


@pytest.mark.parametrize(
    ("method", "path", "body", "answer"),
    [
        ("POST", "/v1/files", b"x" * 100_000, http(200, b"{}")),
        ("POST", "/v1/files", b"x", http(500, b"{}")),
        ("POST", "/v1/files", b"x", b"nonsense\r\n\r\n"),
        ("GET", "/v1/files/f/content", b"", http(200, b"y" * 100_000)),
        ("GET", "/v1/models", b"", http(200, b'{"data": []}')),
        ("DELETE", "/v1/embeddings", b"", b""),
    ],
    ids=["upload", "failed", "unreadable", "download", "models", "refused"],
)
def test_nothing_of_what_was_passed_on_is_left(tmp_path, method, path, body, answer):
    with Upstream() as up, running(renting_from(up.url), tmp_path) as gateway:
        up.choose = lambda _: [send(answer)]
        with connect(gateway.port) as sock, collector_off() as left:
            for _ in range(3):
                sock.sendall(request_bytes(body, path, method=method))
                read_response(sock)
            gateway.on_loop(len, gateway.gateway.calls)
        assert left == []


def test_nothing_of_an_upload_is_left_whose_client_has_gone(tmp_path):
    with Upstream() as up, running(renting_from(up.url), tmp_path) as gateway:
        up.choose = lambda _: [SILENCE]
        with collector_off() as left:
            sock = connect(gateway.port)
            sock.sendall(request_bytes(b"x" * 100_000, "/v1/files"))
            received = up.wait_for_request()
            sock.close()
            assert received.left.wait(10)
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
