"""Clients that send slowly, never read, send many requests at once, or speak no HTTP."""

import json
import socket
import threading
import time

import pytest
from tests.support.faults import SOON, case, renting
from tests.support.gateway import connect, read_response, request_bytes
from tests.support.upstream import STREAM_HEAD, chat, chunk, event, http, send, wait
from tests.support.wires import CHAT

from freehold.gateway._server import Timeouts

WHOLE = request_bytes(CHAT.whole)


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-slow: "


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        case("client", "sends its headers for ever", HEAD, b"", id="headers-stop"),
        case("client", "sends its headers for ever", HEAD, b"z", id="headers-drip"),
        case("client", "sends its body for ever", WHOLE[:-50], b"", id="body-stops"),
        case("client", "sends its body for ever", WHOLE[:-50], b" ", id="body-drips"),
    ],
)
def test_a_request_that_never_ends_is_refused(up, tmp_path, start, drop):
    with renting(up, tmp_path, idle_timeout_s=SOON) as gateway:
        gateway.gateway._server._timeouts = Timeouts(head_s=SOON, read_s=SOON, keep_alive_s=SOON)
        with connect(gateway.port) as sock:
            sock.sendall(start)
            sock.settimeout(0.05)
            began = time.monotonic()
            while time.monotonic() - began < 3 * SOON + 10.0:
                try:
                    answer = sock.recv(65536)
                    break
                except TimeoutError:
                    sock.sendall(drop)
            else:
                pytest.fail("the request was waited for")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"request_timeout" in answer
        with connect(gateway.port) as idle:
            assert idle.recv(10) == b"", "an idle connection is closed without a word"
        assert gateway.ledger.calls == []


@pytest.mark.fault("client", "never reads")
def test_a_client_that_does_not_read_holds_the_provider_back(up, tmp_path):
    piece, released = chunk(event("x" * 1_000_000)), threading.Event()
    with renting(up, tmp_path) as gateway:
        up.play(send(STREAM_HEAD + piece * 40), wait(released))
        with connect(gateway.port) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            sock.sendall(request_bytes(CHAT.streamed))
            up.wait_for_request()
            deadline = time.monotonic() + 30
            held: list[int] = []
            while held[-20:].count(held[-1] if held else -1) < 20:
                assert time.monotonic() < deadline, "what waits for the client goes on changing"
                time.sleep(0.01)
                waiting = [one._transport.get_write_buffer_size() for one in gateway.gateway._server.connections]
                held += [max(waiting)] if max(waiting, default=0) else []
            assert max(held) < 2_000_000
            read = 0
            while read < 20_000_000:  # once it reads again, more comes
                read += len(sock.recv(1_000_000))
        released.set()
        assert gateway.ledger.wait(1)[0].outcome == "cancelled"


@pytest.mark.fault("client", "never reads")
def test_a_client_that_never_reads_is_let_go(up, tmp_path):
    with renting(up, tmp_path, idle_timeout_s=SOON) as gateway:
        up.play(send(STREAM_HEAD + chunk(event("x" * 1_000_000)) * 40))
        with connect(gateway.port) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            sock.sendall(request_bytes(CHAT.streamed))
            received = up.wait_for_request()
            assert gateway.ledger.wait(1)[0].outcome == "cancelled"
            assert received.left.wait(10)


@pytest.mark.fault("client", "pipelines")
@pytest.mark.parametrize("n_requests", [3, 100])
def test_pipelined_requests_are_answered_in_order(up, tmp_path, n_requests):
    with renting(up, tmp_path) as gateway:
        for number in range(n_requests):
            up.play(wait(0.0), send(http(200, chat(f"answer {number}"))))
        with connect(gateway.port) as sock:
            sender = threading.Thread(target=sock.sendall, args=(WHOLE * n_requests,))
            sender.start()
            file = sock.makefile("rb")
            for number in range(n_requests):
                length = 0
                while (line := file.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                answer = json.loads(file.read(length))
                assert answer["choices"][0]["message"]["content"] == f"answer {number}"
            sender.join(5)
        assert len(gateway.ledger.wait(n_requests)) == n_requests


@pytest.mark.fault("client", "never reads")
def test_a_client_that_reads_slowly_gets_the_end_of_its_answer(up, tmp_path, monkeypatch):
    """Also where the gateway has nothing more to write and has closed its side."""
    monkeypatch.setattr("freehold.gateway._server._LINGER_S", 0.1)
    body = chat("x" * 20_000_000)
    with renting(up, tmp_path, idle_timeout_s=2.0) as gateway:
        up.play(send(http(200, body)))
        with connect(gateway.port) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            sock.sendall(request_bytes(CHAT.whole, headers="connection: close\r\n"))
            gateway.ledger.wait(1)
            got = b""
            while piece := sock.recv(2_000_000):
                got += piece
                time.sleep(0.001)
                if len(got) < 2_000_000:
                    time.sleep(0.05)
        assert got.endswith(body)


FIRST_LINES = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        case("client", "bytes that are no HTTP", b"nonsense\r\n\r\n", id="nonsense"),
        case("client", "bytes that are no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="tls"),
        case("client", "bytes that are no HTTP", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="http-2"),
        case("client", "two lengths at once", FIRST_LINES + b"content-length: 6\r\n\r\n{}{}{}", id="two-lengths"),
        case(
            "client",
            "two lengths at once",
            FIRST_LINES + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n" + WHOLE,
            id="length-and-chunks",
        ),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(up, tmp_path, raw):
    before = len(up.requests)
    with renting(up, tmp_path) as gateway:
        with connect(gateway.port) as sock:
            sock.sendall(raw)
            status, headers, body = read_response(sock)
            assert (status, headers["connection"]) == (400, "close")
            assert json.loads(body)["error"]["code"] == "bad_request"
            assert sock.recv(1) == b""
        assert len(up.requests) == before, "nothing was smuggled past"
