"""Clients that leave while their call waits for something else than an answer: nothing goes on behind their backs."""

import time

import pytest
from tests.support.gateway import connect, request_bytes, running, settings
from tests.support.unreachable import unanswered
from tests.support.upstream import SILENCE, http, send

ONE = b'{"model":"first/m","messages":[{"role":"user","content":"twelve chars"}]}'


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def quiet(gateway):
    health = gateway.gateway.health
    return not (gateway.gateway.calls or health.in_flight or health._room.count)


def test_in_the_pause_before_another_try(gateways, first):
    first.choose = lambda _: (send(http(503, b"{}", {"retry-after": "2"})),)
    with gateways(retries=5) as gateway:
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(ONE))
            first.wait_for_request()
            until(lambda: gateway.gateway.health.in_flight == 0)
            left_at = time.monotonic()
        (call,) = gateway.ledger.wait(1)
        assert time.monotonic() - left_at < 1.8, "not only when the pause is over"
        assert (call.outcome, call.status, [leg.outcome for leg in call.legs]) == ("cancelled", 499, ["error"])
        until(lambda: quiet(gateway))
        time.sleep(2.4)
        assert len(first.requests) == 1


def test_in_the_queue(gateways, first):
    first.choose = lambda _: (SILENCE,)
    with gateways(max_in_flight=1) as gateway, connect(gateway.port) as busy:
        busy.sendall(request_bytes(ONE))
        first.wait_for_request()
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(ONE))
            until(lambda: gateway.gateway.health._room.count == 1)
        (call,) = gateway.ledger.wait(1)
        assert (call.outcome, call.legs, call.usage) == ("cancelled", (), None)
        assert gateway.gateway.health._room.count == 0
        busy.close()
        until(lambda: quiet(gateway))
        assert len(first.requests) == 1


def test_while_connecting(tmp_path):
    with unanswered() as port:
        made = settings(
            providers={"first": {"kind": "openai", "base_url": f"http://127.0.0.1:{port}/v1"}},
            gateway={"connect_timeout_s": 30.0, "drain_s": 1.0},
        )
        with running(made, tmp_path) as gateway:
            with connect(gateway.port) as sock:
                sock.sendall(request_bytes(ONE))
                until(lambda: gateway.gateway.health.in_flight == 1)
                left_at = time.monotonic()
            (call,) = gateway.ledger.wait(1)
            assert time.monotonic() - left_at < 9.0
            assert (call.outcome, call.legs[-1].outcome, call.usage.estimated) == ("cancelled", "cancelled", True)
            until(lambda: quiet(gateway))


@pytest.mark.parametrize("first_fails", [False, True])
def test_on_the_way_through_the_targets(gateways, first, second, first_fails):
    """Leaving while the fallback is asked cancels the fallback."""
    first.play(send(http(500, b"{}")) if first_fails else SILENCE)
    second.choose = lambda _: (SILENCE,)
    with gateways() as gateway:
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(ONE.replace(b"first/m", b"both")))
            received = (second if first_fails else first).wait_for_request()
            left_at = time.monotonic()
        assert received.left.wait(10)
        assert received.left_at - left_at < 4.0, "not only when the provider has been waited for in vain"
        (call,) = gateway.ledger.wait(1)
        assert call.legs[-1].outcome == "cancelled"
        assert call.legs[-1].usage.input_tokens == 3
        until(lambda: quiet(gateway))


def test_leaving_is_held_against_nobody(gateways, first, second):
    with gateways() as gateway:
        first.choose = lambda _: (SILENCE,)
        for _ in range(30):
            with connect(gateway.port) as sock:
                sock.sendall(request_bytes(ONE.replace(b"first/m", b"both")))
                first.wait_for_request()
        gateway.ledger.wait(30)
    assert (len(first.requests), len(second.requests)) == (30, 0)
