"""What a call's tags say of it: the client's trace, and whether it was restricted when it was made."""

import json

import msgspec
import pytest
from tests.support.gateway import SYSTEM, connect, read_response, renting_from, request_bytes, running
from tests.support.upstream import Upstream, chat, http, send

from freehold.settings import LedgerSettings
from freehold.vocabulary import Route

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def ask(gateway, system, headers="", **fields):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": "x"}]
    body = json.dumps({"model": "m", "messages": messages, **fields}).encode()
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(body, headers=headers))
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


@pytest.mark.parametrize(
    ("headers", "fields", "kept"),
    [
        ("x-freehold-end-user: ada\r\nx-freehold-team: desk\r\n", {}, {"end_user": "ada", "team": "desk"}),
        ("x-freehold-feature: J%C3%BCrgens%20inbox\r\n", {}, {"feature": "Jürgens inbox"}),
        ("x-freehold-end-user: ada\r\n", {"user": "bob"}, {"end_user": "ada"}),
        ("x-freehold-end-user:\r\n", {"user": "bob"}, {"end_user": "bob"}),
        ("", {"user": "bob", "safety_identifier": "b-1"}, {"end_user": "b-1"}),
        (
            "",
            {"metadata": {"session_id": "s", "feature": "f", "other": "o", "team": 3}},
            {"session": "s", "feature": "f"},
        ),
        ("x-freehold-anything: else\r\n", {"user": ["no", "text"]}, {}),
        ("", {"user": "u" * 1000}, {"end_user": "u" * 256}),
    ],
)
def test_a_client_says_for_whom_it_asks(tmp_path, headers, fields, kept):
    with Upstream() as up, running(renting_from(up.url), tmp_path) as gateway:
        up.play(send(http(200, chat())))
        assert ask(gateway, "Anything.", headers, **fields) == (200, kept)
        assert b"x-freehold" not in up.requests[-1].head.lower()


@pytest.mark.parametrize(("wanted", "count"), [("hash", 1), ("drop", 0)])
def test_end_users_are_kept_as_the_settings_say(tmp_path, wanted, count):
    with Upstream() as up:
        made = msgspec.structs.replace(renting_from(up.url), ledger=LedgerSettings(end_users=wanted))
        with running(made, tmp_path) as gateway:
            up.play(send(http(200, chat())))
            _, tags = ask(gateway, "Anything.", user="ada@example.org")
    kept = [value for name, value in tags.items() if name == "end_user"]
    assert len(kept) == count
    assert "example" not in "".join(kept), "no letters of a hash can say that"
