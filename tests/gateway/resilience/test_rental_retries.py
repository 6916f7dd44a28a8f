"""Where nobody else can answer, the same provider is asked again: after a pause, a few times, in time, or not."""

import time

import pytest
from tests.support.faults import SOON, ask
from tests.support.gateway import connect, read_response, request_bytes
from tests.support.upstream import CLOSE, LAST_CHUNK, SILENCE, STREAM_HEAD, chat, chunk, event, http, send, stream

ONE = b'{"model":"m","messages":[]}'
STREAMED = b'{"model":"m","messages":[],"stream":true}'


@pytest.mark.parametrize(
    "steps",
    [
        [send(http(500, b"{}"))],
        [send(http(503, b"{}"))],
        [send(http(529, b"{}"))],
        [send(http(200, b"<html>"))],
        [send(http(200, chat())[:-5]), CLOSE],
        [send(STREAM_HEAD + LAST_CHUNK)],
        [send(STREAM_HEAD + chunk(event("begun"))[:3]), CLOSE],
    ],
)
def test_what_passes_is_tried_again(gateways, first, steps):
    first.play(*steps)
    with gateways(retries=1) as gateway:
        seen = ask(gateway, ONE)
    assert (seen.status, seen.call.outcome) == (200, "ok")
    assert [leg.purpose for leg in seen.call.legs] == ["serve", "serve"]
    assert seen.call.legs[1].offset_ms <= seen.call.latency_ms


def test_a_stream_that_never_began_is_tried_again(gateways, first):
    first.play(send(STREAM_HEAD), CLOSE)
    first.play(send(stream("whole")))
    with gateways(retries=1) as gateway:
        seen = ask(gateway, STREAMED)
    assert (seen.cut, seen.call.outcome, len(first.requests)) == (False, "ok", 2)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 410, 422, 501])
def test_what_does_not_pass_is_not(gateways, first, status):
    first.choose = lambda _: (send(http(status, b"{}")),)
    with gateways(retries=3) as gateway:
        assert ask(gateway, ONE).status == status
    assert len(first.requests) == 1


@pytest.mark.parametrize("steps", [[SILENCE], [send(STREAM_HEAD), SILENCE]])
def test_silence_is_not_asked_again(gateways, first, steps):
    """The provider may still be at work, and bill it."""
    first.choose = lambda _: tuple(steps)
    with gateways(retries=3, first_byte_timeout_s=SOON, idle_timeout_s=SOON) as gateway:
        seen = ask(gateway, ONE)
    assert (seen.status, len(first.requests)) == (504, 1)
    assert seen.call.legs[0].usage.estimated


def test_after_the_first_byte_nothing_is_tried_again(gateways, first):
    first.choose = lambda _: (send(STREAM_HEAD + chunk(event("begun"))), CLOSE)
    with gateways(retries=3) as gateway:
        assert ask(gateway, STREAMED).call.outcome == "incomplete"
    assert len(first.requests) == 1


def test_a_provider_that_says_when_is_asked_then(gateways, first):
    first.play(send(http(429, b"{}", {"retry-after-ms": "300"})))
    with gateways(retries=1) as gateway:
        began = time.monotonic()
        seen = ask(gateway, ONE)
        assert 0.3 <= time.monotonic() - began < 10.0
    assert (seen.status, seen.attempts) == (200, ["error", "ok"])


@pytest.mark.parametrize(
    ("headers", "gateway"),
    [
        ({"retry-after": "5"}, {"retry_wait_s": 1.0}),
        ({"retry-after": "5"}, {"total_timeout_s": 1.0}),
        ({"retry-after": "86400"}, {}),
        ({"retry-after": "-1"}, {}),
        ({"retry-after": "soon"}, {}),
        ({}, {}),
    ],
)
def test_a_wait_that_is_too_long_or_unknown_is_the_clients_to_make(gateways, first, headers, gateway):
    first.choose = lambda _: (send(http(429, b'{"error":{"message":"slow"}}', headers)),)
    with gateways(retries=3, **gateway) as running_one:
        began = time.monotonic()
        seen = ask(running_one, ONE)
        assert time.monotonic() - began < 4.5
    assert (seen.status, seen.error["message"]) == (429, "slow")
    assert seen.headers.get("retry-after") == headers.get("retry-after")
    assert len(first.requests) == 1


def test_retries_are_as_many_as_the_settings_say(gateways, first):
    first.choose = lambda _: (send(http(503, b"{}")),)
    with gateways(retries=2) as gateway:
        seen = ask(gateway, ONE)
    assert (seen.status, len(first.requests), len(seen.call.legs)) == (503, 3, 3)


def test_the_budget_ends_a_storm_and_the_metrics_tell_of_it(gateways, first):
    first.choose = lambda _: (send(http(500, b"{}")),)
    with gateways(retries=1, retry_share=0.1) as gateway:
        for _ in range(60):
            assert ask(gateway, ONE).status == 500
        text = metrics_of(gateway)
    assert 60 + 5 <= len(first.requests) <= 60 * 1.1 + 5 + 6
    assert 'freehold_retries_total{provider="first",result="refused"}' in text
    assert 'freehold_ejections_total{provider="first",model="",reason="failed"} 1' in text
    assert 'freehold_target_state{provider="first",model=""} ' in text


def test_both_are_tried_before_one_is_tried_again(gateways, first, second):
    first.play(send(http(503, b"{}")))
    second.play(send(http(503, b"{}")))
    with gateways(retries=1) as gateway:
        seen = ask(gateway, b'{"model":"both","messages":[]}')
    assert [(leg.provider, leg.outcome) for leg in seen.call.legs] == [
        ("first", "error"),
        ("second", "error"),
        ("first", "ok"),
    ]


def metrics_of(gateway):
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(b"", path="/metrics", method="GET"))
        return read_response(sock)[2].decode()
