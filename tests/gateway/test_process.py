"""The gateway as a program: light to import, quick to start, and without a word of content in what it prints."""

import json
import subprocess
import sys
import threading

import msgspec
import pytest
from tests.support import keys
from tests.support.gateway import connect, read_response, renting_from, request_bytes, running, settings
from tests.support.owned_task import FULL, body
from tests.support.students import SURE, ScriptedHost
from tests.support.upstream import SILENCE, Upstream, chat, chunk, event, http, send, stream, wait

from freehold.errors import NotFound
from freehold.gateway._audit import Audit
from freehold.gateway._server import ServerConnection
from freehold.gateway.app import Doors, Feedback, Gateway
from freehold.gateway.callers import Admission
from freehold.vocabulary import Feedback as Statement

HEAVY = ("numpy", "scipy", "sklearn", "pycrfsuite", "duckdb", "sqlalchemy", "rich", "typer", "jinja2", "jsonschema")


def test_importing_the_gateway_loads_nothing_heavy():
    code = (
        "import sys, freehold.gateway.app, freehold.ledger.writer, freehold.serving; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def post(port, path, payload):
    with connect(port) as sock:
        sock.sendall(request_bytes(payload, path=path))
        status, _, answer = read_response(sock)
    return status, json.loads(answer)


def test_feedback_is_kept_or_refused_by_name(tmp_path):
    kept = []

    def keep(feedback: Feedback):
        if feedback.call_id == "unknown":
            raise NotFound("the ledger holds no such call")
        kept.append(feedback)

    with running(settings(), tmp_path, Doors(keep_feedback=keep)) as gateway:
        status, answer = post(gateway.port, "/v1/feedback", b'{"call_id":"call_1","gold":"refund"}')
        assert (status, answer) == (200, {"call_id": "call_1", "kept": True})
        assert kept == [Feedback("call_1", (Statement("call_1", "gold", "refund", via="gateway"),))]
        status, answer = post(gateway.port, "/v1/feedback", b'{"call_id":"unknown","gold":"x"}')
        assert (status, answer["error"]["code"]) == (404, "not_found")
        assert post(gateway.port, "/v1/feedback", b'{"call_id":"x"}')[0] == 400


class NeverLoads(ScriptedHost):
    async def load(self, *_):
        raise NotFound("no such bundle")


@pytest.mark.parametrize("broken", [False, True])
def test_a_student_is_loaded_ahead_and_one_that_cannot_be_is_not_asked(tmp_path, broken):
    host = (NeverLoads if broken else ScriptedHost)(SURE)
    with running(settings(), tmp_path, Doors(host=host)) as gateway:
        gateway.publish(FULL)
        status, _ = post(gateway.port, "/v1/chat/completions", body())
        assert status == (503 if broken else 200)
        assert bool(host.asked) is not broken
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(b"", path="/health/ready", method="GET"))
            ready = json.loads(read_response(sock)[2])
        assert ready["owned_faults"] == ({"s1": "no such bundle"} if broken else {})
    assert host.closed.is_set()


def test_the_ledger_in_trouble_stops_no_call(tmp_path):
    class Down:
        def mark(self):
            return 0

        def offer(self, *_):
            return False

        def health(self):
            return type("Health", (), {"pending": 7, "written": 0, "dropped": 3, "last_error": "full"})

    with running(settings(), tmp_path, Doors(host=ScriptedHost(SURE))) as gateway:
        gateway.gateway._doors = gateway.gateway._doors._replace(ledger=Down())
        gateway.publish(FULL)
        assert post(gateway.port, "/v1/chat/completions", body())[0] == 200
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(b"", path="/metrics", method="GET"))
            text = read_response(sock)[2].decode()
    assert 'freehold_ledger_healthy{error="full"} 0' in text
    assert "freehold_ledger_dropped_total 3" in text
    assert "freehold_ledger_pending 7" in text


@pytest.mark.fault("secrets", "key in an exception's text")
@pytest.mark.parametrize("streamed", [False, True])
def test_a_fault_of_our_own_ends_one_call_with_an_error(tmp_path, monkeypatch, streamed):
    def broken(*_, **__):
        raise ZeroDivisionError("with content of the call")

    monkeypatch.setattr("freehold.gateway._reply.returned_headers", broken)
    with Upstream() as up, running(renting_from(up.url), tmp_path) as gateway:
        up.play(send(stream("a") if streamed else http(200, chat())))
        status, answer = post(gateway.port, "/v1/chat/completions", body())
        assert (status, answer["error"]["message"]) == (500, "the gateway failed (ZeroDivisionError)")
        assert gateway.ledger.wait()[-1].outcome == "error"
        assert gateway.gateway.metrics.internal_errors == 1
        assert gateway.gateway.metrics.in_flight == 0
        monkeypatch.undo()
        assert post(gateway.port, "/v1/chat/completions", body())[0] == 200


@pytest.mark.parametrize("audited", [False, True])
def test_an_answer_is_settled_then_sent_and_only_then_audited_and_recorded(tmp_path, monkeypatch, audited):
    order = list[str]()

    def noted(what, owner, name):
        real = getattr(owner, name)

        def called(self, *given, **named):
            if not isinstance(self, ServerConnection) or self._unsent:  # it is flushed also when it closes
                order.append(what)
            return real(self, *given, **named)

        monkeypatch.setattr(owner, name, called)

    noted("settled", Admission, "settle_call")
    noted("sent", ServerConnection, "flush")
    noted("audited", Audit, "start")
    noted("recorded", Gateway, "record")
    key = keys.make(tmp_path, rpm=600)
    with Upstream() as up, running(renting_from(up.url), tmp_path, Doors(host=ScriptedHost(SURE))) as gateway:
        if audited:
            gateway.publish(msgspec.structs.replace(FULL, audit_share=1.0))
        up.play(send(http(200, chat("refund"))))
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(body(), headers=f"authorization: Bearer {key}\r\n"))
            assert read_response(sock)[0] == 200
            gateway.ledger.wait()
    assert order == ["settled", "sent", *(["audited"] if audited else []), "recorded"]


def test_a_fault_while_a_call_is_recorded_costs_neither_its_answer_nor_its_record(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("with content of the call")

    monkeypatch.setattr("freehold.gateway._call.recorded_ms", broken)
    with Upstream() as up, running(renting_from(up.url), tmp_path) as gateway:
        for count in (1, 2):
            up.play(send(http(200, chat())))
            assert post(gateway.port, "/v1/chat/completions", body())[0] == 200
            call = gateway.ledger.wait(count)[-1]
            assert (call.provider, [leg.outcome for leg in call.legs]) == ("up", ["ok"])
            assert gateway.gateway.metrics.internal_errors == count
        assert gateway.gateway.metrics.in_flight == 0
        assert not gateway.gateway.calls


def test_draining_finishes_what_runs_and_takes_nothing_new(tmp_path):
    release = threading.Event()
    head, _, rest = stream("a", "b").partition(chunk(event("b")))
    with Upstream() as up, running(renting_from(up.url, drain_s=5.0), tmp_path) as gateway:
        up.play(send(head), wait(release), send(chunk(event("b")) + rest))
        with connect(gateway.port) as sock, connect(gateway.port) as idle:
            sock.sendall(request_bytes(body(stream=True)))
            up.wait_for_request()
            port, stopping = gateway.port, gateway.begin_stop()
            assert idle.recv(1) == b"", "an idle connection is closed"
            with pytest.raises(ConnectionError):
                connect(port)
            release.set()
            assert read_response(sock)[2].endswith(b"data: [DONE]\n\n")
            stopping.result(10)
        assert gateway.ledger.wait()[-1].outcome == "ok"


def test_draining_waits_for_a_slow_reader_of_what_was_answered_before(tmp_path):
    answer = chat("x" * 5_000_000)
    with Upstream() as up, running(renting_from(up.url, drain_s=30.0), tmp_path) as gateway:
        up.play(send(http(200, answer)))
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(body()))
            gateway.ledger.wait()
            stopping = gateway.begin_stop()
            with pytest.raises(TimeoutError):  # the process would end with most of the answer unsent
                stopping.result(0.5)
            assert read_response(sock)[2] == answer
            stopping.result(20)


def test_what_outlasts_the_drain_is_recorded_as_it_stands(tmp_path):
    with Upstream() as up, running(renting_from(up.url, drain_s=0.1), tmp_path) as gateway:
        up.play(SILENCE)
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(body()))
            up.wait_for_request()
            gateway.begin_stop().result(10)
        assert gateway.ledger.wait()[-1].outcome == "cancelled"


def test_a_base_url_without_v1(tmp_path):
    with Upstream() as up, running(renting_from(up.url), tmp_path) as gateway:
        assert post(gateway.port, "/chat/completions", body())[0] == 200
