"""One deadline for a call, patience by phase for each try: the task's word, then the provider's, then the gateway's."""

import time

import pytest
from tests.support.faults import ask, ask_at_once
from tests.support.gateway import TASK
from tests.support.owned_task import body
from tests.support.upstream import SILENCE, STREAM_HEAD, chat, chunk, event, http, send, wait

from freehold.vocabulary import Route

ONE = b'{"model":"first/m","messages":[]}'


def took(gateway, request_body=ONE):
    began = time.monotonic()
    seen = ask(gateway, request_body)
    return seen, time.monotonic() - began


@pytest.mark.parametrize(
    ("one", "gateway", "seconds"),
    [
        ({}, {"first_byte_timeout_s": 0.3}, 0.3),
        ({"first_byte_timeout_s": 0.3}, {"first_byte_timeout_s": 9.0}, 0.3),
        ({"first_byte_timeout_s": 0.8}, {"first_byte_timeout_s": 0.1}, 0.8),
        ({"total_timeout_s": 0.3}, {}, 0.3),
        ({}, {"total_timeout_s": 0.3}, 0.3),
    ],
)
def test_silence_lasts_as_long_as_the_nearest_setting_says(gateways, first, one, gateway, seconds):
    first.choose = lambda _: (SILENCE,)
    with gateways(one=one, **gateway) as running_one:
        seen, spent = took(running_one)
    assert seen.status == 504
    assert seconds - 0.02 < spent < seconds + 5.0


def test_a_task_has_a_patience_of_its_own(gateways, first):
    first.choose = lambda _: (SILENCE,)
    with gateways(first_byte_timeout_s=2.0, tasks={"Triage": {"first_byte_timeout_s": 0.2}}) as gateway:
        gateway.publish(Route("task-1", "triage"), tasks=(TASK,))
        assert took(gateway, body())[1] < 1.9
        assert took(gateway)[1] > 1.9


def test_the_calls_time_goes_through_all_its_tries(gateways, first, second):
    """The first takes some of it; the second gets what is left, and no more."""
    first.choose = second.choose = lambda _: (SILENCE,)
    with gateways(one={"first_byte_timeout_s": 0.4}, total_timeout_s=1.4) as gateway:
        seen, spent = took(gateway, b'{"model":"both","messages":[]}')
    assert seen.status == 504
    assert seen.error["code"] == "deadline_exceeded"
    assert [leg.provider for leg in seen.call.legs] == ["first", "second"]
    assert 1.3 < spent < 6.0


def test_no_try_begins_that_has_no_time_to_end(gateways, first, second):
    with gateways(one={"first_byte_timeout_s": 1.2}, total_timeout_s=1.5) as gateway:
        second.choose = lambda _: (wait(0.5), send(http(200, chat())))
        assert ask_at_once(gateway, 20, b'{"model":"second/m","messages":[]}') == [200] * 20
        first.choose = lambda _: (SILENCE,)
        before = len(second.requests)
        assert ask(gateway, b'{"model":"both","messages":[]}').status == 504
        assert len(second.requests) == before


def test_a_stream_is_ended_at_its_time(gateways, first):
    drip = [step for _ in range(200) for step in (send(chunk(event("a"))), wait(0.05))]
    first.play(send(STREAM_HEAD), *drip)
    with gateways(total_timeout_s=0.5) as gateway:
        seen, spent = took(gateway, ONE[:-1] + b',"stream":true}')
    assert (seen.cut, seen.call.outcome) == (True, "incomplete")
    assert spent < 8.0


def test_a_task_in_a_hurry_ejects_nobody(gateways, first, second):
    """A task that gives a provider less than it usually takes gets no answer there, and no other call suffers."""
    first.choose = lambda _: (wait(0.2), send(http(200, chat())))
    tasks = {"triage": {"first_byte_timeout_s": 0.05}}
    with gateways(retries=0, tasks=tasks) as gateway:
        gateway.publish(Route("task-1", "triage"), tasks=(TASK,))
        assert ask_at_once(gateway, 20, ONE) == [200] * 20
        hurried = body(model="first/m")
        for _ in range(8):
            assert ask(gateway, hurried).status == 504
        assert ask(gateway, b'{"model":"both","messages":[]}').call.provider == "first"


def test_a_silent_provider_is_ejected(gateways, first, second):
    first.choose = lambda _: (SILENCE,)
    with gateways(one={"first_byte_timeout_s": 0.1}) as gateway:
        for _ in range(8):
            assert ask(gateway, b'{"model":"both","messages":[]}').call.provider == "second"
    assert len(first.requests) == 5
