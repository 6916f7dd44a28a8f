"""Providers that say no: too many requests, overloaded, down for a share of the calls, down every other moment."""

import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from random import Random

import pytest
from tests.support.faults import ask, renting
from tests.support.gateway import connect, read_response, request_bytes
from tests.support.upstream import chat, http, send
from tests.support.wires import CHAT, WIRES

SLOW_DOWN = b'{"error":{"message":"slow down","type":"rate_limit","param":null,"code":"rate_limit"}}'
ASKED_TO_WAIT = {
    "seconds": "7",
    "date": formatdate(time.time() + 3600, usegmt=True),
    "past-date": "Wed, 21 Oct 2015 07:28:00 GMT",
    "negative": "-5",
    "huge": "99999999999999999999999",
    "nonsense": "soon, maybe",
    "missing": None,
}


@pytest.mark.fault("upstream", "429 with Retry-After")
@pytest.mark.parametrize("wire", WIRES, ids=str)
@pytest.mark.parametrize("said", ASKED_TO_WAIT)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_429_reaches_the_client_as_it_is(up, tmp_path, wire, said, streamed):
    value = ASKED_TO_WAIT[said]
    with renting(up, tmp_path) as gateway:
        up.play(send(http(429, SLOW_DOWN, {"retry-after": value} if value else None)))
        seen = ask(gateway, wire.streamed if streamed else wire.whole, path=wire.path)
        assert (seen.status, seen.headers.get("retry-after"), seen.body) == (429, value, SLOW_DOWN)
        assert (seen.call.outcome, seen.call.status, seen.attempts) == ("error", 429, ["error"])


@pytest.mark.fault("upstream", "429 with Retry-After")
@pytest.mark.parametrize("said", ASKED_TO_WAIT)
def test_no_wait_is_longer_than_the_call_may_take(up, tmp_path, said):
    value = ASKED_TO_WAIT[said]
    up.choose = lambda _: (send(http(429, SLOW_DOWN, {"retry-after": value} if value else None)),)
    before = len(up.requests)
    with renting(up, tmp_path, retries=2, total_timeout_s=1.0) as gateway:
        began = time.monotonic()
        seen = ask(gateway)
        assert time.monotonic() - began < 6.0
        assert (seen.status, seen.headers.get("retry-after")) == (429, value)
        assert len(up.requests) - before == len(seen.attempts) <= 3
        up.choose = None


def answers(gateway, n_calls):
    """Statuses of so many calls, one after the other."""
    statuses = []
    with connect(gateway.port) as sock:
        for _ in range(n_calls):
            sock.sendall(request_bytes(CHAT.whole))
            statuses.append(read_response(sock)[0])
    return statuses


@pytest.mark.fault("upstream", "5xx storm")
@pytest.mark.parametrize("share", [0.01, 0.5, 1.0], ids=["1", "50", "100"])
@pytest.mark.parametrize("status", [500, 529])
def test_a_storm_is_told_and_is_not_made_worse(up, tmp_path, share, status):
    rng = Random(f"{share} {status}")
    fail = (send(http(status, b'{"error":{"message":"down"}}')),)
    up.choose = lambda _: fail if rng.random() < share else up.default
    before, n_calls, began = len(up.requests), 100, time.monotonic()
    with renting(up, tmp_path, retries=2) as gateway:
        with ThreadPoolExecutor(10) as pool:
            statuses = [
                status for some in pool.map(lambda _: answers(gateway, n_calls // 10), range(10)) for status in some
            ]
        calls = gateway.ledger.wait(n_calls)
        assert sorted(call.status for call in calls) == sorted(statuses)
        assert all((call.outcome == "ok") is (call.status == 200) for call in calls)
        assert set(statuses) <= {200, status, 503}
        n_tries = len(up.requests) - before
        assert n_tries == sum(leg.status != 0 for call in calls for leg in call.legs)
        budget = 0.2 * n_calls + 5 + (time.monotonic() - began) / 2 + 1
        assert n_tries <= n_calls + budget, "no storm of retries"
        assert max(len(call.legs) for call in calls) <= 3
        if share == 0.01:
            assert statuses.count(200) >= 95
        if share == 1.0:
            assert 200 not in statuses
        up.choose = None


@pytest.mark.fault("upstream", "503 and 529 in turn")
def test_a_provider_that_flaps_is_used_whenever_it_answers(up, tmp_path):
    """Down and up in turn, ten times a second, failing differently each time it is down."""
    began = time.monotonic()

    def flap(_):
        phase = int((time.monotonic() - began) / 0.1)
        return up.default if phase % 2 else (send(http(503 if phase % 4 else 529, b"{}")),)

    up.choose = flap
    with renting(up, tmp_path) as gateway:
        statuses, slowest = [], 0.0
        while time.monotonic() < began + 1.0:
            at = time.monotonic()
            statuses += answers(gateway, 1)
            slowest = max(slowest, time.monotonic() - at)
        assert slowest < 5.0, "no call hangs"
        assert set(statuses) <= {200, 503, 529}
        assert statuses.count(200) >= 5
        calls = gateway.ledger.wait(len(statuses))
        assert [call.outcome == "ok" for call in calls] == [status == 200 for status in statuses]
        up.choose = None


@pytest.mark.fault("upstream", "5xx storm")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_is_the_clients_own_fault_is_not_tried_again(up, tmp_path, status):
    body = chat("no")
    with renting(up, tmp_path, retries=2) as gateway:
        up.play(send(http(status, body)))
        seen = ask(gateway)
        assert (seen.status, seen.body, len(seen.attempts)) == (status, body, 1)
        assert seen.call.outcome != "ok"
