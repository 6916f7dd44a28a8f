"""Audits are the least of all: they wait behind live calls, leave them room, and go without where nobody is well."""

import msgspec
import pytest
from tests.support.faults import ask, ask_at_once
from tests.support.gateway import connect, request_bytes
from tests.support.owned_task import FULL, body
from tests.support.students import SURE, ScriptedHost
from tests.support.upstream import SILENCE, http, send

ONE = b'{"model":"first/m","messages":[]}'
AUDITED = msgspec.structs.replace(FULL, audit_share=1.0)


@pytest.fixture
def host():
    return ScriptedHost(SURE)


def test_no_audit_goes_to_a_provider_that_is_out(gateways, first, host):
    with gateways(host=host, retries=0) as gateway:
        gateway.publish(AUDITED)
        first.choose = lambda _: (send(http(500, b"{}")),)
        assert ask_at_once(gateway, 5, ONE) == [500] * 5
        before = len(first.requests)
        seen = ask(gateway, body(model="first/m"))
        assert (seen.status, seen.call.owner, len(seen.call.legs)) == (200, "owned", 1)
        assert len(first.requests) == before
        assert gateway.gateway.metrics.audits["triage", "unknown"] == 1
        assert gateway.gateway.metrics.internal_errors == 0


def test_audits_leave_room_for_those_who_wait(gateways, first, host):
    """Of five requests at once, audits get four; the fifth is a live call's, at once, while an audit waits."""
    first.choose = lambda one: (SILENCE,) if b"Sort this" in one.body else first.default
    with gateways(host=host, max_in_flight=5, max_queued=1) as gateway:
        gateway.publish(AUDITED)
        for _ in range(6):
            with connect(gateway.port) as sock:
                sock.sendall(request_bytes(body(model="first/m")))
                assert b" 200 " in sock.recv(4096)
        health = gateway.gateway.health
        assert ask(gateway, ONE).status == 200
        assert (health.in_flight, health._room.count) == (4, 1)
        assert dict(health._shed) == {("audit", "queue_full"): 1}


def test_an_audit_that_outlasts_the_gateway_is_on_record(gateways, first, host):
    first.choose = lambda _: (SILENCE,)
    with gateways(host=host, drain_s=0.1) as gateway:
        gateway.publish(AUDITED)
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(body(model="first/m")))
            assert b" 200 " in sock.recv(4096)
            received = first.wait_for_request()
            gateway.begin_stop().result(10)
        assert received.left.wait(4.0)
        (call,) = gateway.ledger.calls
        assert (call.outcome, [(leg.purpose, leg.outcome) for leg in call.legs]) == (
            "ok",
            [("serve", "ok"), ("audit", "cancelled")],
        )
