"""A gateway that is told to stop: calls in a pause or in the queue end like any other, and are on record."""

import time

from tests.support.gateway import connect, read_response, request_bytes
from tests.support.upstream import SILENCE, http, send

ONE = b'{"model":"first/m","messages":[]}'


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_call_in_its_pause_is_still_answered(gateways, first):
    first.play(send(http(503, b"{}", {"retry-after-ms": "300"})))
    with gateways(drain_s=10.0) as gateway, connect(gateway.port) as sock:
        sock.sendall(request_bytes(ONE))
        first.wait_for_request()
        until(lambda: gateway.gateway.health.in_flight == 0)
        stopping = gateway.begin_stop()
        assert read_response(sock)[0] == 200
        stopping.result(10)
        (call,) = gateway.ledger.calls
        assert [leg.outcome for leg in call.legs] == ["error", "ok"]


def test_what_does_not_end_in_time_is_cancelled_and_recorded(gateways, first):
    first.choose = lambda _: (SILENCE,)
    with (
        gateways(drain_s=0.3, max_in_flight=1) as gateway,
        connect(gateway.port) as busy,
        connect(gateway.port) as queued,
    ):
        busy.sendall(request_bytes(ONE))
        received = first.wait_for_request()
        queued.sendall(request_bytes(ONE))
        until(lambda: gateway.gateway.health._room.count == 1)
        began = time.monotonic()
        gateway.begin_stop().result(10)
        assert time.monotonic() - began < 4.5
        assert received.left.wait(10)
        assert [call.outcome for call in gateway.ledger.calls] == ["cancelled", "cancelled"]
        assert sorted(len(call.legs) for call in gateway.ledger.calls) == [0, 1]
        assert (gateway.gateway.health.in_flight, gateway.gateway.health._room.count) == (0, 0)
    assert len(first.requests) == 1
