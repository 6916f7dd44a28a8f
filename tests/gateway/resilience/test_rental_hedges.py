"""Asking twice: where it is wanted, after the usual time, within the budget. The first good answer wins."""

import threading
import time

import pytest
from tests.support.faults import ask, ask_at_once
from tests.support.gateway import TASK, connect, request_bytes
from tests.support.owned_task import body
from tests.support.upstream import SILENCE, chat, http, send, stream, wait

from freehold.vocabulary import Route

BOTH = b'{"model":"both","messages":[{"role":"user","content":"twelve chars"}]}'
USUAL_S = 0.03


def warmed(gateway, first):
    """Twenty answers of about 30 ms, so that the usual time is known."""
    first.choose = lambda _: (wait(USUAL_S), send(http(200, chat("from the first"))))
    assert ask_at_once(gateway, 20, BOTH) == [200] * 20
    first.choose = None
    return gateway


def test_the_other_answer_wins_and_the_slow_one_is_let_go(gateways, first, second):
    with gateways(hedge=True) as gateway:
        warmed(gateway, first)
        first.play(SILENCE)
        seen = ask(gateway, BOTH)
        assert (seen.status, b"from the second" in seen.body) == (200, True)
        assert first.requests[-1].left.wait(4.0)
        legs = [(leg.provider, leg.purpose, leg.outcome) for leg in seen.call.legs]
        assert legs == [("first", "serve", "cancelled"), ("second", "hedge", "ok")]
        assert seen.call.legs[0].usage.estimated
        assert seen.call.legs[0].usage.input_tokens == 3
        assert seen.call.provider == "second"
        assert dict(gateway.gateway.health._hedges) == {("second", "won"): 1}
        assert gateway.gateway.health.in_flight == 0


def test_the_slow_answer_may_still_win(gateways, first, second):
    with gateways(hedge=True) as gateway:
        warmed(gateway, first)
        first.play(wait(0.4), send(http(200, chat("from the first"))))
        second.play(SILENCE)
        seen = ask(gateway, BOTH)
        assert b"from the first" in seen.body
        assert second.requests[-1].left.wait(4.0)
        assert [(leg.purpose, leg.outcome) for leg in seen.call.legs] == [("hedge", "cancelled"), ("serve", "ok")]
        assert dict(gateway.gateway.health._hedges) == {("second", "lost"): 1}


def once(condition):
    """An event of the moment in which something holds."""
    event, end = threading.Event(), time.monotonic() + 60

    def look():
        while not condition() and time.monotonic() < end:
            time.sleep(0.01)
        event.set()

    threading.Thread(target=look, daemon=True).start()
    return event


@pytest.mark.parametrize("first_fails", [False, True])
def test_one_that_fails_leaves_the_other_to_answer(gateways, first, second, first_fails):
    with gateways(hedge=True, retries=0) as gateway:
        warmed(gateway, first)
        both_asked = once(lambda: second.requests)
        failed = once(lambda: b'outcome="error"' in gateway.gateway.metrics.text())
        bad, good = [wait(both_asked), send(http(500, b"{}"))], [wait(failed), send(http(200, chat("at last")))]
        first.play(*(bad if first_fails else good))
        second.play(*(good if first_fails else bad))
        seen = ask(gateway, BOTH)
        assert (seen.status, b"at last" in seen.body) == (200, True)
        assert sorted(seen.attempts) == ["error", "ok"]


def test_where_both_fail_the_call_does(gateways, first, second):
    with gateways(hedge=True, retries=0) as gateway:
        warmed(gateway, first)
        both_asked = once(lambda: second.requests)
        failed = once(lambda: b'outcome="error"' in gateway.gateway.metrics.text())
        first.play(wait(both_asked), send(http(500, b"{}")))
        second.play(wait(failed), send(http(503, b"{}")))
        seen = ask(gateway, BOTH)
        assert (seen.status, seen.attempts) == (503, ["error", "error"])


def test_alone_a_provider_is_asked_twice_itself(gateways, first):
    with gateways(hedge=True) as gateway:
        warmed(gateway, first)
        first.play(SILENCE)
        seen = ask(gateway, BOTH.replace(b"both", b"first/m"))
        assert (seen.status, [leg.purpose for leg in seen.call.legs]) == (200, ["serve", "hedge"])


@pytest.mark.parametrize("how", ["off", "streamed", "unknown", "fast"])
def test_nobody_is_asked_twice(gateways, first, second, how):
    with gateways(hedge=how != "off") as gateway:
        if how != "unknown":
            warmed(gateway, first)
        body = BOTH[:-1] + b',"stream":true}' if how == "streamed" else BOTH
        if how == "streamed":
            first.play(wait(0.3), send(stream("from the first")))
        elif how != "fast":
            first.play(wait(0.3), send(http(200, chat("from the first"))))
        seen = ask(gateway, body)
        assert b"from the first" in seen.body
        assert (len(seen.call.legs), len(second.requests)) == (1, 0)


def test_the_budget_bounds_hedges(gateways, first, second):
    with gateways(hedge=True, retry_share=0.0) as gateway:
        warmed(gateway, first)
        first.choose = lambda _: (wait(0.3), send(http(200, chat("from the first"))))
        second.choose = lambda _: (SILENCE,)
        for _ in range(12):
            assert ask(gateway, BOTH).status == 200
        assert 5 <= len(second.requests) <= 7


def test_a_task_may_want_it_for_itself_alone(gateways, first, second):
    """The setting of the task wins over the gateway's."""
    with gateways(hedge=False, tasks={"triage": {"hedge": True}}) as gateway:
        gateway.publish(Route("task-1", "triage"), tasks=(TASK,))
        known = body(model="both")
        warmed(gateway, first)
        first.choose = lambda _: (wait(0.3), send(http(200, chat("from the first"))))
        assert len(ask(gateway, BOTH).call.legs) == 1
        assert len(ask(gateway, known).call.legs) == 2


def test_a_client_that_leaves_lets_both_go(gateways, first, second):
    with gateways(hedge=True) as gateway:
        warmed(gateway, first)
        first.play(SILENCE)
        second.play(SILENCE)
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(BOTH))
            hedged = second.wait_for_request()
            left_at = time.monotonic()
        for received in (hedged, first.requests[-1]):
            assert received.left.wait(4.0)
            assert received.left_at - left_at < 4.0
        call = gateway.ledger.wait(21)[-1]
        assert [leg.outcome for leg in call.legs] == ["cancelled", "cancelled"]
        assert all(leg.usage.estimated and leg.usage.input_tokens for leg in call.legs)
