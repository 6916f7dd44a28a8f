"""What one provider cannot answer, another does: at once, before the first byte, without asking the one that is out."""

import time

import pytest
from tests.support.faults import SOON, ask, ask_streamed
from tests.support.upstream import (
    CLOSE,
    LAST_CHUNK,
    RESET,
    SILENCE,
    STREAM_HEAD,
    chat,
    chunk,
    event,
    http,
    send,
    stream,
)

BOTH = b'{"model":"both","messages":[]}'
STREAMED = b'{"model":"both","messages":[],"stream":true}'
NO_CREDIT = b'{"error":{"message":"...","type":"insufficient_quota","code":"insufficient_quota"}}'


def told(seen):
    """Who answered."""
    return "second" if b"from the second" in seen.body else "first" if b"from the first" in seen.body else ""


@pytest.mark.parametrize(
    "steps",
    [
        [send(http(500, b"{}"))],
        [send(http(501, b"{}"))],
        [send(http(503, b"{}"))],
        [send(http(529, b"{}"))],
        [send(http(408, b"{}"))],
        [send(http(429, b"{}"))],
        [send(http(402, b"{}"))],
        [send(http(401, b"{}"))],
        [send(http(410, b"{}"))],
        [send(http(429, NO_CREDIT))],
        [send(http(404, b'{"error":{"code":"model_not_found"}}'))],
        [send(http(200, b"<html>"))],
        [send(http(200, b'{"error":{"message":"as a 200"}}'))],
        [send(http(200, chat())[:-5]), CLOSE],
        [send(http(200, chat())[:-5]), RESET],
        [SILENCE],
        [send(STREAM_HEAD), SILENCE],
        [send(STREAM_HEAD + LAST_CHUNK)],
        [send(STREAM_HEAD + chunk(event("half")) + LAST_CHUNK)],
        [send(b"SSH-2.0-OpenSSH\r\n")],
    ],
)
@pytest.mark.parametrize("request_body", [BOTH, STREAMED], ids=["whole", "streamed"])
def test_the_next_target_answers(gateways, first, second, steps, request_body):
    first.play(*steps)
    second.play(
        send(stream("from the second")) if request_body is STREAMED else send(http(200, chat("from the second")))
    )
    with gateways(one={"first_byte_timeout_s": SOON}, retries=0) as gateway:
        seen = ask(gateway, request_body)
    assert (seen.status, seen.cut, told(seen)) == (200, False, "second")
    assert (seen.call.outcome, seen.call.provider) == ("ok", "second")
    assert [leg.purpose for leg in seen.call.legs] == ["serve", "fallback"]
    assert seen.call.legs[0].outcome != "ok"


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 413, 422])
def test_what_is_wrong_with_the_request_is_told_at_once(gateways, first, second, status):
    first.play(send(http(status, b'{"error":{"message":"no"}}')))
    with gateways() as gateway:
        seen = ask(gateway, BOTH)
    assert (seen.status, len(seen.call.legs), len(second.requests)) == (status, 1, 0)


def test_a_cut_stream_that_has_begun_goes_nowhere_else(gateways, first, second):
    first.play(send(STREAM_HEAD + chunk(event("begun"))), CLOSE)
    with gateways() as gateway:
        seen = ask_streamed(gateway)
    assert (seen.cut, seen.call.outcome, len(second.requests)) == (True, "incomplete", 0)
    assert seen.call.usage.estimated


def test_a_provider_that_fails_is_left_alone_and_comes_back(gateways, first, second):
    with gateways(retries=0, eject_s=SOON) as gateway:
        first.choose = lambda _: (send(http(500, b"{}")),)
        began = time.monotonic()
        for _ in range(20):
            assert told(ask(gateway, BOTH)) == "second"
        n_probes = 1 + (time.monotonic() - began) / SOON
        assert 5 <= len(first.requests) <= 5 + n_probes
        first.choose = None
        deadline = time.monotonic() + 30
        while told(ask(gateway, BOTH)) != "first":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for _ in range(5):
            assert told(ask(gateway, BOTH)) == "first"


def test_a_model_that_fails_leaves_its_providers_others_alone(gateways, first):
    with gateways(retries=0) as gateway:
        first.choose = lambda one: (send(http(500 if b"bad" in one.body else 200, chat("from the first"))),)
        for _ in range(6):
            assert ask(gateway, b'{"model":"first/bad","messages":[]}').status == 500
        seen = ask(gateway, BOTH)
        assert told(seen) == "first"


def test_the_last_target_is_asked_although_it_is_out(gateways, first):
    with gateways(retries=0) as gateway:
        first.choose = lambda _: (send(http(500, b'{"error":{"message":"mine"}}')),)
        for count in range(1, 11):
            seen = ask(gateway, b'{"model":"m","messages":[]}')
            assert (seen.status, seen.error["message"], len(first.requests)) == (500, "mine", count)
        first.choose = None
        assert ask(gateway, b'{"model":"m","messages":[]}').status == 200


@pytest.mark.parametrize(("status", "body"), [(402, b"{}"), (429, NO_CREDIT), (401, b"{}")])
def test_without_credit_a_provider_is_not_asked_again(gateways, first, second, status, body):
    first.choose = lambda _: (send(http(status, body)),)
    with gateways() as gateway:
        for _ in range(5):
            assert told(ask(gateway, BOTH)) == "second"
    assert len(first.requests) == 1


def test_a_client_without_credit_is_told_and_the_others_are_not_turned_away(gateways, first, second):
    poor = "authorization: Bearer sk-poor\r\n"
    answers = {True: send(http(402, b"{}")), False: first.default[0]}
    first.choose = lambda one: (answers["poor" in one.headers["authorization"]],)
    with gateways(one={"api_key_env": ""}) as gateway:
        for _ in range(7):
            assert ask(gateway, BOTH, headers=poor).status == 402
        assert told(ask(gateway, BOTH, headers="authorization: Bearer sk-rich\r\n")) == "first"
    assert second.requests == []


def test_a_limited_provider_is_left_alone_as_long_as_it_says(gateways, first, second):
    first.play(send(http(429, b"{}", {"retry-after-ms": "400"})))
    with gateways() as gateway:
        began = time.monotonic()
        assert told(ask(gateway, BOTH)) == "second"
        while told(ask(gateway, BOTH)) == "second":
            assert time.monotonic() - began < 5
        assert time.monotonic() - began > 0.35
    assert len(first.requests) == 2


def test_a_provider_without_its_key_is_passed_over(gateways, first, second):
    with gateways(one={"api_key_env": "MISSING"}) as gateway:
        seen = ask(gateway, BOTH)
        assert told(seen) == "second"
        assert seen.attempts == ["error", "ok"]
        lone = ask(gateway, b'{"model":"first/m","messages":[]}')
        assert (lone.status, lone.error["code"]) == (503, "missing_prerequisite")
    assert first.requests == []


def test_the_last_answer_is_told_where_all_fail(gateways, first, second):
    first.play(send(http(500, b'{"error":{"message":"the first"}}')))
    second.play(send(http(503, b'{"error":{"message":"the second"}}', {"retry-after": "99", "x-ratelimit-reset": "7"})))
    with gateways(retries=0) as gateway:
        seen = ask(gateway, BOTH)
    assert (seen.status, seen.error["message"]) == (503, "the second")
    assert (seen.headers["retry-after"], seen.headers["x-ratelimit-reset"]) == ("99", "7")
    assert seen.call.provider == "second"


def test_a_providers_notices_pass_through(gateways, first):
    sunset = "Wed, 01 Jul 2026 00:00:00 GMT"
    notices = {"deprecation": "@1767225600", "sunset": sunset, "x-ratelimit-remaining-tokens": "9"}
    first.play(send(http(200, chat(), notices)))
    with gateways() as gateway:
        seen = ask(gateway)
    assert seen.headers.items() >= notices.items()


def test_a_probe_holds_its_call_up_no_longer_than_usual(gateways, first, second):
    """A provider that is out and stays silent costs the call that tries it a second, not the whole patience."""
    with gateways(retries=0, eject_s=0.05) as gateway:
        for _ in range(20):
            assert told(ask(gateway, BOTH)) == "first"
        first.choose = lambda _: (send(http(500, b"{}")),)
        for _ in range(5):
            ask(gateway, BOTH)
        first.choose = lambda _: (SILENCE,)
        time.sleep(0.07)
        before, began = len(first.requests), time.monotonic()
        assert told(ask(gateway, BOTH)) == "second"
        assert len(first.requests) == before + 1
        assert 0.9 < time.monotonic() - began < 4.5
