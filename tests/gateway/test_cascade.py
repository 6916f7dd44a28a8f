"""Owned if sure, else rented: stages, thresholds, failures of the owned side, shadows and audits."""

import json
import threading

import msgspec
import openai
import pytest
from tests.support.gateway import SYSTEM, connect, read_response, renting_from, request_bytes, running
from tests.support.owned_task import FULL, body
from tests.support.students import FOREIGN, SURE, UNSURE, ScriptedHost
from tests.support.upstream import Upstream, chat, http, send

from freehold.gateway.app import Doors
from freehold.vocabulary import Answer
from freehold.wire.openai import answer_text


@pytest.fixture(scope="module")
def up():
    with Upstream() as upstream:
        upstream.default = (send(http(200, chat("refund"))),)
        yield upstream


@pytest.fixture(scope="module")
def host():
    return ScriptedHost(SURE)


@pytest.fixture(scope="module")
def gateway(up, host, tmp_path_factory):
    made = renting_from(up.url, owned_timeout_s=0.2)
    with running(made, tmp_path_factory.mktemp("home"), Doors(host=host)) as one:
        yield one


def ask(gateway, request=None, headers=""):
    before = len(gateway.ledger.calls)
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(request or body(), headers=headers))
        status, got, answer = read_response(sock)
    return status, got, answer, gateway.ledger.wait(before + 1)[-1]


def replace(**changes):
    return msgspec.structs.replace(FULL, **changes)


def test_a_sure_answer_is_owned_and_looks_like_a_rented_one(gateway, up, host):
    host.answer_with = SURE
    gateway.publish(FULL)
    before = len(up.requests)
    with openai.OpenAI(base_url=gateway.url, api_key="k", max_retries=0) as client:
        arguments = {"model": "gpt-x", "messages": json.loads(body())["messages"]}
        raw = client.chat.completions.with_raw_response.create(**arguments)
        chunks = list(client.chat.completions.create(**arguments, stream=True, stream_options={"include_usage": True}))
    answer = raw.parse()
    assert raw.headers["x-freehold-served-by"] == "owned"
    assert raw.headers["x-freehold-task"] == "triage"
    assert raw.headers["x-freehold-confidence"] == "0.9700"
    assert answer.choices[0].message.content == "refund"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "gpt-x"
    assert answer.usage.prompt_tokens > 0
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "refund"
    assert chunks[-1].usage.completion_tokens == answer.usage.completion_tokens
    assert len(up.requests) == before
    assert host.asked[-1] == ("s1", "bundles/s1", ("where is my money",))
    call = gateway.ledger.wait()[-1]
    assert (call.owner, call.task, call.template, call.outcome) == ("owned", "", "t1", "ok"), "nobody named the task"
    assert answer_text(call.response) == "refund"
    assert call.legs[0].confidence == 0.97


def test_what_takes_less_than_a_millisecond_is_timed_finer_than_that(gateway, host):
    host.answer_with = SURE
    gateway.publish(FULL)
    calls = [ask(gateway)[3] for _ in range(5)]
    for took in ([call.latency_ms for call in calls], [call.legs[0].latency_ms for call in calls]):
        assert any(abs(ms - round(ms)) > 1e-4 for ms in took), took


@pytest.mark.parametrize(
    ("answer", "in_scope", "outcome"),
    [(UNSURE, True, "ok"), (FOREIGN, False, "ok"), (RuntimeError("broken"), None, "error"), (None, None, "error")],
    ids=["unsure", "out-of-scope", "fails", "hangs"],
)
def test_whatever_is_not_sure_escalates(gateway, host, answer, in_scope, outcome):
    host.answer_with = answer
    gateway.publish(FULL)
    status, headers, _, call = ask(gateway)
    assert (status, headers["x-freehold-served-by"]) == (200, "rented")
    assert "x-freehold-confidence" not in headers
    assert [(leg.owner, leg.purpose, leg.outcome) for leg in call.legs] == [
        ("owned", "serve", outcome),
        ("rented", "escalate", "ok"),
    ]
    assert call.legs[0].in_scope is in_scope
    assert call.owner == "rented"


@pytest.mark.parametrize(
    "request_body",
    [
        body(n=2),
        body(logprobs=True),
        body(tools=[{"type": "function", "function": {"name": "f"}}]),
        body(response_format={"type": "json_object"}),
        json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode(),
        body().replace(SYSTEM.encode(), b"Sort this message well."),
    ],
)
def test_a_call_that_the_certificate_does_not_cover_is_rented(gateway, host, request_body):
    host.answer_with = SURE
    gateway.publish(FULL)
    asked = len(host.asked)
    assert ask(gateway, request_body)[1]["x-freehold-served-by"] == "rented"
    assert len(host.asked) == asked


def test_an_answer_longer_than_asked_for_escalates(gateway, host):
    host.answer_with = Answer("refund " * 20, 0.99, 0.9)
    gateway.publish(FULL)
    assert ask(gateway, body(max_tokens=3))[1]["x-freehold-served-by"] == "rented"


@pytest.mark.parametrize("stage", ["none", "demoted"])
def test_other_stages_rent(gateway, host, stage):
    gateway.publish(replace(stage=stage))
    assert ask(gateway)[1]["x-freehold-served-by"] == "rented"


def test_shadow_is_computed_and_recorded_but_not_served(gateway, up, host):
    host.answer_with = SURE
    gateway.publish(replace(stage="shadow"))
    for rented, agrees in (("refund", True), ("other", False)):
        up.play(send(http(200, chat(rented))))
        _, headers, answer, call = ask(gateway)
        assert headers["x-freehold-served-by"] == "rented"
        assert answer_text(answer) == rented
        shadow = call.legs[0]
        assert (shadow.purpose, shadow.answer, shadow.agrees) == ("shadow", "refund", agrees)


def test_canary_serves_a_share(gateway, host):
    host.answer_with = SURE
    gateway.publish(replace(stage="canary", canary_share=0.5))
    owners = [ask(gateway)[1]["x-freehold-served-by"] for _ in range(60)]
    assert 10 < owners.count("owned") < 50


def test_a_declared_task_names_the_call(gateway, host):
    host.answer_with = SURE
    gateway.publish(FULL)
    _, headers, _, call = ask(gateway, headers="x-freehold-task: triage\r\n")
    assert (headers["x-freehold-served-by"], call.task) == ("owned", "task-1")
    _, headers, _, call = ask(gateway, body(metadata={"freehold_task": "another"}))
    assert headers["x-freehold-served-by"] == "owned", "a name that is no task is as if it had not been given"
    assert (headers["x-freehold-task"], call.task, call.template) == ("triage", "", "t1")
    foreign = json.dumps({"messages": [{"role": "user", "content": "x"}]}).encode()
    _, headers, _, call = ask(gateway, foreign, headers="x-freehold-task: triage\r\n")
    assert (headers["x-freehold-served-by"], call.task, call.template) == ("rented", "task-1", "")


def test_an_unknown_name_reaches_neither_the_metrics_nor_the_answer_nor_the_record(gateway):
    gateway.publish(FULL)
    foreign = json.dumps({"messages": [{"role": "user", "content": "x"}]}).encode()
    _, headers, _, call = ask(gateway, foreign, headers="x-freehold-task: jane.doe@example.org\r\n")
    assert "x-freehold-task" not in headers
    assert call.task == ""
    assert b"jane" not in gateway.gateway.metrics.text()
    assert b'freehold_calls_total{task="",' in gateway.gateway.metrics.text()


def test_an_audit_asks_the_rented_model_after_the_client_was_answered(gateway, up, host):
    host.answer_with = SURE
    gateway.publish(replace(audit_share=1.0))
    release = threading.Event()
    from tests.support.upstream import wait

    up.play(wait(release), send(http(200, chat("refund"))))
    before = len(gateway.ledger.calls)
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(body(stream=True)))
        assert read_response(sock)[1]["x-freehold-served-by"] == "owned"
        assert len(gateway.ledger.calls) == before
        release.set()
        call = gateway.ledger.wait(before + 1)[-1]
    audit = call.legs[-1]
    assert (audit.purpose, audit.owner, audit.agrees, audit.answer) == ("audit", "rented", True, "refund")
    assert b'"stream"' not in up.requests[-1].body
    assert call.owner == "owned"


def test_a_broken_promise_demotes_at_once_and_for_good(up, tmp_path):
    host = ScriptedHost(SURE)
    made = renting_from(up.url)
    told: list[tuple[str, str]] = []
    demoted = threading.Event()

    def demotion(route, reason):
        told.append((route.certificate_id, reason))
        demoted.set()

    doors = Doors(host=host, demoted=demotion)
    audited = replace(audit_share=1.0, certificate_id="cert-9")
    with running(made, tmp_path, doors) as gateway:
        gateway.publish(audited)
        for _ in range(40):
            up.play(send(http(200, chat("something else"))))
            before = len(gateway.ledger.calls)
            served = ask(gateway)[1]["x-freehold-served-by"]
            gateway.ledger.wait(before + 1)
            if served == "rented":
                break
        else:
            pytest.fail("forty wrong answers of forty did not demote")
        assert demoted.wait(10)
        assert told[0][0] == "cert-9"
        assert "refund" not in told[0][1]
        gateway.publish(audited)
        assert ask(gateway)[1]["x-freehold-served-by"] == "rented", (
            "publishing the same certificate again changes nothing"
        )
    with running(made, tmp_path, doors) as gateway:
        gateway.publish(audited)
        assert ask(gateway)[1]["x-freehold-served-by"] == "rented", "a restart forgets nothing"
        gateway.publish(replace(certificate_id="cert-10"))
        assert ask(gateway)[1]["x-freehold-served-by"] == "owned", "a new certificate is a new promise"


def test_against_gold_the_teachers_disagreement_demotes_nobody(up, tmp_path):
    with running(renting_from(up.url), tmp_path, Doors(host=ScriptedHost(SURE))) as gateway:
        gateway.publish(replace(audit_share=1.0, against="gold"))
        for number in range(40):
            up.play(send(http(200, chat("something else"))))
            assert ask(gateway)[1]["x-freehold-served-by"] == "owned"
            assert gateway.ledger.wait(number + 1)[-1].legs[-1].agrees is False


def test_a_failed_audit_says_nothing_about_the_answer(gateway, up, host):
    host.answer_with = SURE
    gateway.publish(replace(audit_share=1.0, certificate_id="cert-2"))
    up.play(send(http(500, b"{}")))
    call = ask(gateway)[3]
    assert (call.outcome, call.owner) == ("ok", "owned")
    assert (call.legs[-1].purpose, call.legs[-1].outcome, call.legs[-1].agrees) == ("audit", "error", None)


def test_a_table_that_cannot_be_read_leaves_the_last_one(gateway, host):
    from freehold.registry import routes

    host.answer_with = SURE
    gateway.publish(FULL)
    good = gateway.gateway.router.table.version
    routes.path(gateway.home).write_bytes(b'{"version": 1')
    gateway.on_loop(gateway.gateway.refresh)
    assert gateway.gateway.router.errors
    assert ask(gateway)[1]["x-freehold-served-by"] == "owned"
    assert gateway.gateway.router.table.version == good


def test_the_file_is_read_again_by_itself(up, host, tmp_path):
    from tests.support.gateway import TASK

    from freehold.registry import routes
    from freehold.vocabulary import RouteTable

    host.answer_with = SURE
    with running(renting_from(up.url), tmp_path, Doors(host=host)) as gateway:
        assert ask(gateway)[1]["x-freehold-served-by"] == "rented"
        routes.write(routes.path(tmp_path), RouteTable(1, (TASK,), (FULL,)))
        for _ in range(200):
            if ask(gateway)[1]["x-freehold-served-by"] == "owned":
                return
            threading.Event().wait(0.02)
    pytest.fail("the new table was never used")
