"""Fallbacks: what fails before the first byte is answered by another provider. Other faults: `tests/faults`."""

import json
import socket
import threading

import pytest
from tests.support import faults
from tests.support.gateway import connect, read_response, renting_from, request_bytes, running, settings
from tests.support.upstream import (
    CLOSE,
    DONE,
    LAST_CHUNK,
    SILENCE,
    STREAM_HEAD,
    Upstream,
    chat,
    chunk,
    event,
    http,
    send,
    streamed,
)
from tests.support.wires import WIRES

WHOLE = b'{"model":"m","messages":[]}'
STREAMED = b'{"model":"m","messages":[],"stream":true}'
WAITS = {"connect_timeout_s": 0.5, "first_byte_timeout_s": 0.5, "idle_timeout_s": 0.5}
FIRST = STREAM_HEAD + chunk(event("a"))


@pytest.fixture(scope="module")
def up():
    with Upstream() as upstream:
        yield upstream


def ask(gateway, body=WHOLE):
    """Status, headers, body, whether it was cut, and the call."""
    return faults.ask(gateway, body)


@pytest.fixture(scope="module")
def second():
    with Upstream() as upstream:
        upstream.default = (send(http(200, chat("from the second"))),)
        yield upstream


@pytest.fixture
def falling_back(up, second, tmp_path):
    providers = {
        "first": {"kind": "openai", "base_url": up.url, "fallback": "second"},
        "second": {"kind": "openai", "base_url": second.url, "fallback": "first"},
    }
    made = settings(default_provider="first", providers=providers, gateway=WAITS | {"retries": 0})
    with running(made, tmp_path) as one:
        yield one


class TestFallback:
    """With a fallback in the settings, what fails before the first byte is answered by another provider."""

    @pytest.mark.parametrize(
        "steps",
        [
            [send(http(429, b"{}", {"retry-after": "9"}))],
            [send(http(500, b"{}"))],
            [send(http(529, b"overloaded"))],
            [SILENCE],
            [send(http(200, b"<html>"))],
            [send(http(200, chat())[:-5]), CLOSE],
            [send(STREAM_HEAD), SILENCE],
            [send(STREAM_HEAD + LAST_CHUNK)],
        ],
    )
    def test_before_the_first_byte_the_fallback_answers(self, falling_back, up, steps):
        up.play(*steps)
        status, headers, body, _, call = ask(falling_back)
        assert status == 200
        assert b"from the second" in body
        assert headers["x-freehold-served-by"] == "rented"
        assert (call.outcome, call.provider) == ("ok", "second")
        assert [(leg.purpose, leg.outcome) for leg in call.legs] == [("serve", "error"), ("fallback", "ok")]

    def test_after_the_first_byte_it_is_not_asked(self, falling_back, up, second):
        up.play(send(FIRST), CLOSE)
        before = len(second.requests)
        assert ask(falling_back, STREAMED)[4].outcome == "incomplete"
        assert len(second.requests) == before

    def test_the_clients_key_stays_with_the_provider_it_was_meant_for(self, falling_back, up, second):
        up.play(send(http(503, b"{}")))
        with connect(falling_back.port) as sock:
            sock.sendall(request_bytes(WHOLE, headers="authorization: Bearer sk-first\r\nx-api-key: sk-first\r\n"))
            assert read_response(sock)[0] == 200
        assert up.requests[-1].headers["authorization"] == "Bearer sk-first"
        assert b"sk-first" not in second.requests[-1].head

    def test_when_both_fail_the_last_failure_is_told_and_nobody_is_asked_twice(self, falling_back, up, second):
        up.play(send(http(500, b"{}")))
        second.play(send(http(503, b'{"error":{}}')))
        before = len(up.requests) + len(second.requests)
        assert ask(falling_back)[0] == 503
        assert len(up.requests) + len(second.requests) == before + 2

    def test_a_request_that_is_wrong_is_wrong_everywhere(self, falling_back, up, second):
        up.play(send(http(400, b'{"error":{}}')))
        before = len(second.requests)
        assert ask(falling_back)[0] == 400
        assert len(second.requests) == before


@pytest.mark.parametrize("status", [301, 302, 307, 308, 204])
def test_a_client_is_led_to_no_other_place(up, falling_back, status):
    up.play(send(http(status, b"", {"location": "http://127.0.0.1:1/v1/chat/completions"})))
    got, headers, body, _, call = ask(falling_back)
    assert (got, b"from the second" in body) == (200, True)
    assert "location" not in headers
    assert [leg.status for leg in call.legs] == [status, 200]


def test_where_nobody_else_is_there_a_redirect_is_our_failure_with_what_to_check(up, tmp_path):
    with running(renting_from(up.url), tmp_path) as gateway:
        up.play(send(http(307, b"", {"location": "http://127.0.0.1:1/"})))
        got, _, body, _, call = ask(gateway)
    assert (got, b"providers.up.base_url" in body, call.outcome) == (502, True, "error")


@pytest.mark.parametrize("status", [201, 202])
def test_every_success_is_one(up, falling_back, status):
    up.play(send(http(status, chat("first"))))
    got, _, body, _, call = ask(falling_back)
    assert (got, b"first" in body, call.outcome, len(call.legs)) == (status, True, "ok", 1)
    assert call.usage.output_tokens == 7


@pytest.mark.parametrize("wire", WIRES, ids=str)
@pytest.mark.parametrize("where", ["first", "both"])
def test_a_stream_that_begins_with_an_error_is_no_answer(up, second, tmp_path, wire, where):
    providers = {
        "first": {"kind": "compatible", "base_url": up.url, "dialects": [wire.dialect], "fallback": "second"},
        "second": {"kind": "compatible", "base_url": second.url, "dialects": [wire.dialect]},
    }
    made = settings(default_provider="first", providers=providers, gateway=WAITS | {"retries": 0})
    told = send(STREAM_HEAD + chunk(wire.error_event) + LAST_CHUNK)
    with running(made, tmp_path) as gateway:
        up.play(told)
        second.play(told if where == "both" else send(STREAM_HEAD + chunk(wire.stream) + LAST_CHUNK))
        seen = faults.ask_streamed(gateway, wire)
    assert not seen.cut
    if where == "first":
        assert (seen.body, seen.call.outcome) == (wire.stream, "ok")
    else:
        assert (seen.body, seen.call.outcome) == (wire.error_event, "error"), "the last one's own words"
    assert [leg.provider for leg in seen.call.legs] == ["first", "second"]
    assert (seen.call.legs[0].outcome, seen.call.legs[0].usage) == ("error", None), "nothing of it is paid for"


@pytest.mark.parametrize(
    "error",
    [
        {"code": "invalid_request_error", "message": "no"},
        {"code": 400, "message": "no"},
        {"type": "invalid_request_error", "message": "no"},
    ],
)
def test_a_request_that_is_refused_in_its_stream_is_asked_of_nobody_else(up, second, falling_back, error):
    sent = len(second.requests)
    told = b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
    up.play(send(STREAM_HEAD + chunk(told) + LAST_CHUNK))
    _, _, body, cut, _ = ask(falling_back, STREAMED)
    assert (body, cut, len(second.requests)) == (told, False, sent)


def test_a_word_about_errors_is_none(up, falling_back):
    events = event('an "error" occurred'), event(finish="stop"), DONE
    up.play(send(streamed(*events)))
    _, _, body, _, call = ask(falling_back, STREAMED)
    assert (body, call.outcome, len(call.legs)) == (b"".join(events), "ok", 1)


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"


@pytest.mark.parametrize(("sent", "status", "says"), [
    (SWITCH, 502, b"what is not HTTP/1.1"),
    (http(200, chat("whole")) + SWITCH, 200, b"whole"),
])  # fmt: skip
def test_a_provider_that_turns_to_another_protocol_is_not_followed(up, tmp_path, caplog, sent, status, says):
    with running(renting_from(up.url), tmp_path) as gateway:
        up.play(send(sent))
        answered, _, body, *_ = ask(gateway)
        assert answered == status
        assert says in body
        assert ask(gateway)[0] == 200
    assert caplog.text == "", "nor is that a fault of ours"


def test_a_request_that_was_refused_before_it_was_sent_whole_holds_up_no_other(tmp_path):
    connections: list[socket.socket] = []

    def serve(listening: socket.socket) -> None:
        for answer in (http(413, b'{"error":{"message":"too long"}}'), http(200, chat("x"))):
            connections.append(listening.accept()[0])  # it reads no more than the beginning, and closes nothing
            connections[-1].recv(1000)
            connections[-1].sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        made = renting_from(f"http://127.0.0.1:{listening.getsockname()[1]}", first_byte_timeout_s=2.0)
        with running(made, tmp_path) as gateway:
            long = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 8_000_000}]})
            assert ask(gateway, long.encode())[0] == 413
            assert ask(gateway)[0] == 200
    for one in connections:
        one.close()
