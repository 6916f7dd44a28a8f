"""Every way in which a provider can fail: never a success in the ledger, never a silent cut, no storm of retries."""

import json
import socket
import time

import pytest
from tests.support.gateway import connect, read_response, renting_from, request_bytes, running, settings
from tests.support.upstream import (
    CLOSE,
    DONE,
    LAST_CHUNK,
    RESET,
    SILENCE,
    STREAM_HEAD,
    Upstream,
    chat,
    chunk,
    event,
    http,
    send,
    stream,
    wait,
)

WHOLE = b'{"model":"m","messages":[]}'
STREAMED = b'{"model":"m","messages":[],"stream":true}'
WAITS = {"connect_timeout_s": 0.5, "first_byte_timeout_s": 0.5, "idle_timeout_s": 0.5}
FIRST = STREAM_HEAD + chunk(event("a"))


@pytest.fixture(scope="module")
def up():
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(up, tmp_path_factory):
    with running(renting_from(up.url, **WAITS), tmp_path_factory.mktemp("home")) as one:
        yield one


def ask(gateway, body=WHOLE):
    """Status, headers, body, whether it was cut, and the call."""
    before = len(gateway.ledger.calls)
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(body))
        try:
            status, headers, got = read_response(sock)
            cut = False
        except EOFError as error:
            status, headers, got, cut = 200, {}, error.args[0], True
    return status, headers, got, cut, gateway.ledger.wait(before + 1)[-1]


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_refused_connection_is_retried_then_reported(tmp_path):
    with running(renting_from(f"http://127.0.0.1:{free_port()}/v1", retries=2, **WAITS), tmp_path) as gateway:
        status, _, body, _, call = ask(gateway)
    assert status == 502
    assert json.loads(body)["error"]["code"] == "upstream_unreachable"
    assert (call.outcome, call.owner) == ("error", "none")
    assert [leg.outcome for leg in call.legs] == ["error"] * 3


def test_unknown_host_is_reported(tmp_path):
    with running(renting_from("http://no-such-host.invalid/v1", **WAITS), tmp_path) as gateway:
        status, _, body, _, call = ask(gateway)
    assert status in {502, 504}
    assert json.loads(body)["error"]["type"] in {"server_error", "timeout_error"}
    assert call.outcome == "error"


def test_tls_to_a_plain_server_is_reported(up, tmp_path):
    with running(renting_from(up.url.replace("http:", "https:"), retries=0, **WAITS), tmp_path) as gateway:
        status, _, _, _, call = ask(gateway)
    assert status == 502
    assert call.outcome == "error"


def test_a_connection_lost_before_an_answer_is_tried_once_more(gateway, up):
    up.play(CLOSE)
    up.play(RESET)
    up.play(send(http(200, chat("third"))))
    # The first loss may fall on a kept connection, which is renewed without counting; the second is the one retry.
    with_fresh_pool = ask(gateway)
    assert with_fresh_pool[0] in {200, 502}
    while up._scripts:
        ask(gateway)
    assert ask(gateway)[0] == 200


def test_a_kept_connection_that_the_provider_closed_meanwhile_is_renewed(gateway, up):
    up.play(send(http(200, chat())))
    assert ask(gateway)[0] == 200
    up.play(send(http(200, chat())), CLOSE)
    assert ask(gateway)[0] == 200
    status, _, _, _, call = ask(gateway)
    assert status == 200
    assert len(call.legs) == 1


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ([SILENCE], 504),
        ([send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n"), SILENCE], 504),
        ([send(STREAM_HEAD), SILENCE], 504),
        ([send(http(200, chat())[:-9]), CLOSE], 502),
        ([send(http(200, chat())[:-9]), RESET], 502),
        ([send(b"SSH-2.0-OpenSSH\r\n")], 502),
        ([send(http(200, b"<html>maintenance</html>", {"content-type": "text/html"}))], 502),
        ([send(http(200, b""))], 502),
        ([send(http(200, b'{"choices":[{"mess', {}))], 200),
        ([send(http(200, b'{"hello":1}'))], 200),
        ([send(STREAM_HEAD + LAST_CHUNK)], 502),
    ],
    ids=["silent", "head", "stream-head", "cut", "reset", "ssh", "html", "empty", "cut-json", "odd", "no-events"],
)  # fmt: skip
def test_an_answer_that_does_not_come_is_an_error(gateway, up, steps, status):
    up.play(*steps)
    got, _, body, cut, call = ask(gateway)
    assert (got, cut) == (status, False)
    assert call.outcome == "error"
    assert call.owner == ("none" if status != 200 else "rented")
    if status != 200:
        assert json.loads(body)["error"]["code"].startswith("upstream_")


@pytest.mark.parametrize(
    "steps",
    [
        [send(FIRST), SILENCE],
        [send(FIRST), CLOSE],
        [send(FIRST), RESET],
        [send(FIRST), wait(0.02), send(LAST_CHUNK)],
        [send(FIRST + LAST_CHUNK)],
        [send(FIRST), wait(0.02), send(chunk(event(finish="stop")) + LAST_CHUNK)],
        [send(FIRST), wait(0.02), send(chunk(b"data: {broken\n\n") + chunk(event(finish="stop"), DONE) + LAST_CHUNK)],
        [send(FIRST), wait(0.02), send(b"zz\r\nnot a chunk\r\n")],
        [send(FIRST), wait(0.02), send(chunk(event("x" * 10)[:40]) + LAST_CHUNK)],
    ],
    ids=["stall", "close", "reset", "ended", "ended-at-once", "no-done", "bad-json", "bad-chunk", "cut-event"],
)
def test_a_broken_stream_ends_with_an_error_event_and_never_as_complete(gateway, up, steps):
    up.play(*steps)
    status, _, body, cut, call = ask(gateway, STREAMED)
    assert status == 200
    assert cut
    events = [line for line in body.split(b"\n") if line.startswith(b"data: ")]
    assert b'"a"' in events[0]
    assert json.loads(events[-1][6:])["error"]["type"] in {"server_error", "timeout_error"}
    assert DONE.strip() not in events
    assert call.outcome == "incomplete"
    assert call.usage.estimated
    assert len(call.legs) == 1


def test_a_slow_second_chunk_within_the_wait_is_no_fault(gateway, up):
    head, _, rest = stream("a", "b").partition(chunk(event("b")))
    up.play(send(head), wait(0.1), send(chunk(event("b"))), wait(0.1), send(rest))
    _, _, body, cut, call = ask(gateway, STREAMED)
    assert not cut
    assert body.endswith(DONE)
    assert call.outcome == "ok"


def test_the_total_deadline_ends_a_stream_that_drips(up, tmp_path):
    drip = [step for i in range(60) for step in (send(chunk(event(str(i)))), wait(0.05))]
    up.play(send(STREAM_HEAD), *drip)
    with running(renting_from(up.url, total_timeout_s=0.4), tmp_path) as gateway:
        began = time.monotonic()
        assert ask(gateway, STREAMED)[4].outcome == "incomplete"
        assert time.monotonic() - began < 2.0


def test_an_error_event_of_the_provider_is_passed_on_and_no_success(gateway, up):
    told = b'data: {"error":{"message":"overloaded","type":"server_error","code":"x"}}\n\n'
    up.play(send(FIRST), wait(0.02), send(chunk(told) + LAST_CHUNK))
    _, _, body, cut, call = ask(gateway, STREAMED)
    assert not cut
    assert body == event("a") + told
    assert call.outcome == "incomplete"


@pytest.mark.parametrize("wrong_first", [None, "text/html"])
def test_a_429_is_passed_on_unchanged_and_not_retried(gateway, up, wrong_first):
    body = b'{"error":{"message":"slow down","type":"rate","param":null,"code":"rate_limit"}}'
    up.play(send(http(429, body, {"retry-after": "-5", "x-ratelimit-remaining-requests": "0"})))
    before = len(up.requests)
    status, headers, got, _, call = ask(gateway, STREAMED if wrong_first else WHOLE)
    assert (status, got, headers["retry-after"]) == (429, body, "-5")
    assert len(up.requests) == before + 1
    assert (call.outcome, call.status) == ("error", 429)


@pytest.fixture(scope="module")
def second():
    with Upstream() as upstream:
        upstream.default = (send(http(200, chat("from the second"))),)
        yield upstream


@pytest.fixture(scope="module")
def falling_back(up, second, tmp_path_factory):
    providers = {
        "first": {"kind": "openai", "base_url": up.url, "fallback": "second"},
        "second": {"kind": "openai", "base_url": second.url, "fallback": "first"},
    }
    made = settings(default_provider="first", providers=providers, gateway=WAITS)
    with running(made, tmp_path_factory.mktemp("home")) as one:
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
