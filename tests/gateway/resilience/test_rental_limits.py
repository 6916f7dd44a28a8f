"""More calls than a provider bears: they wait for room, go elsewhere, or are shed with a time to come back."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from tests.support.faults import ask, ask_at_once
from tests.support.gateway import connect, read_response, request_bytes
from tests.support.upstream import chat, http, send, wait

ONE = b'{"model":"first/m","messages":[]}'
BOTH = b'{"model":"both","messages":[]}'


class Held:
    """Calls that the first provider holds until they are let go."""

    def __init__(self, first):
        self.first = first
        self.go = threading.Event()
        first.choose = lambda _: (wait(self.go), send(http(200, chat("from the first"))))

    def call(self, gateway, body=ONE):
        """Begin a call; read its answer from the socket later."""
        sock = connect(gateway.port)
        sock.sendall(request_bytes(body))
        return sock


def waiting(gateway, count):
    """Wait until so many calls wait for room."""
    deadline = time.monotonic() + 30
    while gateway.gateway.health._room.count != count:
        assert time.monotonic() < deadline, gateway.gateway.health._room.count
        time.sleep(0.002)


@pytest.fixture
def held(first):
    return Held(first)


def test_a_call_waits_for_room_and_is_answered(gateways, held, first):
    with gateways(one={"max_in_flight": 1}) as gateway, held.call(gateway) as one:
        first.wait_for_request()
        with held.call(gateway) as two:
            waiting(gateway, 1)
            assert len(first.requests) == 1
            held.go.set()
            assert [read_response(sock)[0] for sock in (one, two)] == [200, 200]
        assert len(first.requests) == 2
        assert gateway.gateway.health.in_flight == 0


def test_with_another_target_nobody_waits(gateways, held, first):
    with gateways(one={"max_in_flight": 1}) as gateway, held.call(gateway, BOTH) as one:
        first.wait_for_request()
        seen = ask(gateway, BOTH)
        assert (seen.status, seen.call.provider) == (200, "second")
        held.go.set()
        assert read_response(one)[0] == 200


def test_who_finds_no_place_is_shed_with_a_time_to_come_back(gateways, held, first):
    with gateways(max_in_flight=1, max_queued=1) as gateway, held.call(gateway) as one:
        first.wait_for_request()
        with held.call(gateway) as two:
            waiting(gateway, 1)
            seen = ask(gateway, ONE)
            assert (seen.status, seen.error["code"]) == (503, "overloaded")
            assert 1 <= int(seen.headers["retry-after"]) <= 30
            assert (seen.call.reason, seen.call.outcome, seen.call.legs) == ("overloaded", "error", ())
            held.go.set()
            assert [read_response(sock)[0] for sock in (one, two)] == [200, 200]
        assert ask(gateway, ONE).status == 200


def test_who_waits_too_long_is_shed(gateways, held, first):
    with gateways(max_in_flight=1, queue_timeout_s=0.2) as gateway, held.call(gateway) as one:
        first.wait_for_request()
        began = time.monotonic()
        assert ask(gateway, ONE).error["code"] == "overloaded"
        assert 0.15 < time.monotonic() - began < 8.0
        waiting(gateway, 0)
        held.go.set()
        assert read_response(one)[0] == 200


def test_the_calls_own_time_ends_its_waiting(gateways, held, first):
    with gateways(max_in_flight=1, total_timeout_s=0.3) as gateway:
        first.default, first.choose = (wait(held.go),), None
        with held.call(gateway):
            first.wait_for_request()
            seen = ask(gateway, ONE)
            assert (seen.status, seen.error["code"]) == (504, "deadline_exceeded")
        held.go.set()


def test_the_official_client_comes_back_when_it_was_told_to(gateways, held, first):
    with gateways(max_in_flight=1, max_queued=0) as gateway, held.call(gateway) as one:
        first.wait_for_request()
        with (
            openai.OpenAI(base_url=gateway.url, api_key="k", max_retries=2) as client,
            ThreadPoolExecutor(1) as pool,
        ):
            asked = pool.submit(client.chat.completions.create, model="first/m", messages=[])
            gateway.ledger.wait(1)
            held.go.set()
            assert read_response(one)[0] == 200
            assert asked.result(20).choices[0].message.content == "from the first"
        assert [call.status for call in gateway.ledger.wait(3)].count(503) >= 1


def test_a_crowd_is_answered_in_turn(gateways, first):
    """Two hundred calls at once through room for twenty: all are answered, and never more than twenty are under way."""
    most, lock = [0], threading.Lock()
    answer = send(http(200, chat("from the first")))

    def choose(_):
        with lock:
            most[0] = max(most[0], gateway.gateway.health.in_flight)
        return (answer,)

    first.choose = choose
    with gateways(one={"max_in_flight": 20}) as gateway:
        assert ask_at_once(gateway, 200, ONE) == [200] * 200
        assert 0 < most[0] <= 20
        assert (gateway.gateway.health.in_flight, gateway.gateway.health._room.count) == (0, 0)
