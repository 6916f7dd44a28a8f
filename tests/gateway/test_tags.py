"""What a call's tags say of it: the client's trace, and whether it was restricted when it was made."""

import json

import pytest
from tests.support.gateway import SYSTEM, connect, read_response, renting_from, request_bytes, running
from tests.support.upstream import Upstream, chat, http, send

from freehold.vocabulary import Route

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def ask(gateway, system, headers=""):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": "x"}]
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(json.dumps({"model": "m", "messages": messages}).encode(), headers=headers))
        status = read_response(sock)[0]
    return status, gateway.ledger.wait(1)[-1].tags


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (TRACE, {"traceparent": TRACE}),
        (TRACE.upper(), {}),
        (TRACE + "-more", {}),
        ("a secret in the wrong header", {}),
        ("", {}),
    ],
)
def test_a_trace_context_is_kept_and_nothing_else(tmp_path, sent, kept):
    with Upstream() as up, running(renting_from(up.url), tmp_path) as gateway:
        up.play(send(http(200, chat())))
        assert ask(gateway, "Anything.", f"traceparent: {sent}\r\n") == (200, kept)


def test_a_restricted_call_says_so(tmp_path):
    with Upstream() as up, running(renting_from(up.url), tmp_path) as gateway:
        gateway.publish(Route("task-1", "triage", data_class="restricted"))
        status, tags = ask(gateway, SYSTEM, f"traceparent: {TRACE}\r\n")
        assert (status, tags) == (403, {"traceparent": TRACE, "data_class": "restricted"})
