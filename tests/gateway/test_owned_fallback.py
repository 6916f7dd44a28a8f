"""When every provider fails: the owned model's answer, although it was not sure, for tasks that want that."""

import json

import pytest
from tests.support.gateway import TASK, connect, read_response, request_bytes, running, settings
from tests.support.students import FOREIGN, SURE, UNSURE, ScriptedHost
from tests.support.upstream import LAST_CHUNK, RESET, STREAM_HEAD, Upstream, chat, chunk, http, send

from freehold.gateway.app import Doors
from freehold.vocabulary import Route

BODY = {
    "model": "m",
    "messages": [{"role": "system", "content": "Sort this message."}, {"role": "user", "content": "x"}],
}
FULL = Route("task-1", "triage", stage="full", student_id="s1", template_ids=("t1",), threshold=0.9,
             scope_threshold=0.5, audit_share=1.0, loss="label")  # fmt: skip


@pytest.fixture
def up():
    with Upstream() as one:
        yield one


def ask(up, home, host, *, wanted=True, stream=False, route=FULL):
    made = settings(
        providers={"up": {"kind": "openai", "base_url": up.url}},
        tasks={"triage": {"owned_fallback": wanted}},
        gateway={"retries": 0, "drain_s": 1.0},
    )
    with running(made, home, Doors(host=host)) as gateway:
        gateway.publish(route, tasks=(TASK,))
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(json.dumps(BODY | {"stream": stream}).encode()))
            status, headers, body = read_response(sock)
        return status, headers, body, gateway.ledger.wait()[0]


@pytest.mark.parametrize("fault", [send(http(503, b"{}")), send(http(429, b"{}")), RESET])
@pytest.mark.parametrize("stream", [False, True])
def test_an_unsure_answer_is_better_than_none(up, tmp_path, fault, stream):
    up.default = (fault,)
    status, headers, body, call = ask(up, tmp_path, ScriptedHost(UNSURE), stream=stream)
    assert (status, headers["x-freehold-served-by"]) == (200, "owned")
    assert UNSURE.text.encode() in body
    assert (call.owner, call.outcome, call.reason) == ("owned", "ok", "owned_fallback")
    owned, *rented = call.legs
    assert (owned.purpose, owned.owner) == ("fallback", "owned")
    assert {leg.outcome for leg in rented} == {"error"}
    assert all(leg.purpose != "audit" for leg in call.legs), "no certificate covers it, so no audit judges it"


def test_not_where_the_task_does_not_want_it(up, tmp_path):
    up.default = (send(http(503, b"{}")),)
    status, _, _, call = ask(up, tmp_path, ScriptedHost(UNSURE), wanted=False)
    assert (status, call.reason, call.outcome) == (503, "unsure", "error")


def test_not_out_of_its_scope_and_not_for_a_request_that_was_refused(up, tmp_path):
    up.default = (send(http(503, b"{}")),)
    assert ask(up, tmp_path, ScriptedHost(FOREIGN))[0] == 503
    up.default = (send(http(400, b'{"error": {"message": "no"}}')),)
    assert ask(up, tmp_path / "second", ScriptedHost(UNSURE))[0] == 400


def test_a_provider_that_answers_is_still_asked_first(up, tmp_path):
    up.default = (send(http(200, chat("rented"))),)
    assert ask(up, tmp_path, ScriptedHost(UNSURE))[1]["x-freehold-served-by"] == "rented"
    assert ask(up, tmp_path / "second", ScriptedHost(SURE))[1]["x-freehold-served-by"] == "owned"


def test_an_error_at_the_beginning_of_a_stream_is_no_answer_either(up, tmp_path):
    up.default = (send(STREAM_HEAD + chunk(b'data: {"error": {"message": "overloaded"}}\n\n') + LAST_CHUNK),)
    _, headers, body, call = ask(up, tmp_path, ScriptedHost(UNSURE), stream=True)
    assert (headers["x-freehold-served-by"], call.reason) == ("owned", "owned_fallback")
    assert UNSURE.text.encode() in body
