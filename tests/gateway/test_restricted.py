"""Not a byte of a restricted task reaches a rented provider, whatever fails."""

import ast
import json
from itertools import product
from pathlib import Path

import msgspec
import pytest
from tests.support.gateway import SYSTEM, TASK, connect, read_response, request_bytes, running, settings
from tests.support.students import FOREIGN, SURE, UNSURE, ScriptedHost
from tests.support.upstream import RESET, SILENCE, Upstream

import freehold.gateway
from freehold.errors import RestrictedRefused
from freehold.gateway import _egress
from freehold.gateway.app import Doors
from freehold.vocabulary import MessagePattern, Route, Slot, Task, Template

ROUTE = Route(
    "task-1",
    "triage",
    data_class="restricted",
    stage="full",
    student_id="s1",
    certificate_id="cert-1",
    template_ids=("t1",),
    threshold=0.9,
    scope_threshold=0.5,
    audit_share=1.0,
    loss="label",
)
KNOWN = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "secret-of-a-patient"}]
NEAR = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "secret"}, {"role": "user", "content": "b"}]
OTHER = Task(
    "task-2",
    "other",
    "free_text",
    (Template("t2", (MessagePattern("system", ("Be nice.",)), MessagePattern("user", (Slot("text"),)))),),
    10,
    1.0,
    "another prompt",
)
OTHER_MESSAGES = [{"role": "system", "content": "Be nice."}, {"role": "user", "content": "secret"}]
FOREIGN_MESSAGES = [{"role": "user", "content": "secret"}]


def body(messages, **extra):
    return json.dumps({"model": "m", "messages": messages} | extra).encode()


@pytest.fixture(scope="module")
def spies():
    with Upstream() as first, Upstream() as second:
        yield first, second


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    file = tmp_path_factory.mktemp("log") / "calls.jsonl"
    answer = {"choices": [{"index": 0, "message": {"content": "leaked"}, "finish_reason": "stop"}]}
    file.write_text(json.dumps({"request": json.loads(body(KNOWN)), "response": answer}) + "\n")
    return file


def made(spies, recording, provider="first", **tables):
    providers = {
        "first": {"kind": "openai", "base_url": spies[0].url, "fallback": "second"},
        "second": {"kind": "openai", "base_url": spies[1].url, "fallback": "recorded"},
        "recorded": {"kind": "recorded", "file": str(recording)},
    }
    gateway = {"owned_timeout_s": 0.1, "retries": 3, "first_byte_timeout_s": 0.2}
    return settings(default_provider=provider, providers=providers, gateway=gateway, **tables)


def ask(gateway, request, headers=""):
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(request, headers=headers))
        return read_response(sock)


HOSTS = {"sure": SURE, "unsure": UNSURE, "foreign": FOREIGN, "broken": RuntimeError("x"), "hanging": None}
STAGES = ("none", "shadow", "canary", "full", "demoted")


@pytest.mark.parametrize("provider", ["first", "recorded"])
def test_no_byte_leaves_on_any_path(spies, recording, tmp_path, provider):
    host = ScriptedHost(SURE)
    before = [(spy.connections, spy.bytes_received) for spy in spies]
    served = refused = 0
    with running(made(spies, recording, provider), tmp_path, Doors(host=host)) as gateway:
        for stage, (kind, answer) in product(STAGES, HOSTS.items()):
            gateway.publish(msgspec.structs.replace(ROUTE, stage=stage, canary_share=0.5), tasks=(TASK, OTHER))
            host.answer_with = answer
            cases = [(body(KNOWN), ""), (body(KNOWN, stream=True), ""), (body(KNOWN, n=2), ""), (body(NEAR), "")]
            cases.append((body(FOREIGN_MESSAGES), "x-freehold-task: TRIAGE\r\n"))
            cases.append((body(FOREIGN_MESSAGES, metadata={"freehold_task": "task-1"}), ""))
            cases.append((body(FOREIGN_MESSAGES, metadata={"freehold_task": "task-1"}), "x-freehold-task: other\r\n"))
            cases.append((body(KNOWN), "x-freehold-task: harmless\r\n"))
            cases.append((body(OTHER_MESSAGES), "x-freehold-task: TRIAGE\r\n"))
            cases.append((body(KNOWN), "x-freehold-task: other\r\n"))
            for spy in spies:
                spy.play(RESET)
                spy.play(SILENCE)
            for request, headers in cases:
                status, got, answered = ask(gateway, request, headers)
                assert b"leaked" not in answered
                if status == 200:
                    served += 1
                    assert kind == "sure"
                    assert got["x-freehold-served-by"] == "owned"
                else:
                    refused += 1
                    code = json.loads(answered)["error"]["code"]
                    if status == 503:  # one serves, and is not there at this moment: clients may come back
                        assert (kind, stage) in product(("broken", "hanging"), ("canary", "full"))
                        assert (code, got["retry-after"]) == ("restricted_unavailable", "1")
                    else:
                        assert (status, code) == (403, "restricted_refused")
                    assert "x-freehold-served-by" not in got
        calls = gateway.ledger.wait(served + refused)
        assert {leg.owner for call in calls for leg in call.legs} == {"owned"}
        assert {call.outcome for call in calls if call.status == 403} == {"refused"}
    assert served
    assert refused
    assert [(spy.connections, spy.bytes_received) for spy in spies] == before


def test_the_settings_alone_restrict_a_task(spies, recording, tmp_path):
    tables = {"tasks": {"Triage": {"data_class": "restricted"}, "unseen": {"data_class": "restricted"}}}
    before = spies[0].connections
    with running(made(spies, recording, **tables), tmp_path) as gateway:
        gateway.publish(msgspec.structs.replace(ROUTE, data_class="ordinary", stage="none"), restricted=("UNSEEN",))
        assert ask(gateway, body(FOREIGN_MESSAGES), "x-freehold-task: unseen\r\n")[0] == 403
        assert ask(gateway, body(KNOWN))[0] == 403
        assert spies[0].connections == before


def test_until_the_table_knows_what_the_settings_restrict_nothing_is_answered(spies, recording, tmp_path):
    tables = {"tasks": {"Triage": {"data_class": "restricted"}, "earlier": {"data_class": "restricted"}}}
    before = spies[0].connections
    ordinary = msgspec.structs.replace(ROUTE, data_class="ordinary", stage="none")
    with running(made(spies, recording, **tables), tmp_path) as gateway:

        def code():
            status, _, answered = ask(gateway, body(FOREIGN_MESSAGES))
            return status, json.loads(answered)["error"]["code"]

        assert code() == (503, "routes_incomplete"), "no table yet"
        gateway.publish(ordinary)
        assert code() == (503, "routes_incomplete"), "a table of before the declaration"
        assert spies[0].connections == before
        gateway.publish(ordinary, tasks=(TASK,), restricted=("earlier",))
        assert ask(gateway, body(FOREIGN_MESSAGES))[0] not in {403, 503}
        gateway.publish(ordinary)
        assert ask(gateway, body(FOREIGN_MESSAGES))[0] not in {403, 503}, "known once"


def test_what_was_restricted_stays_so_whatever_is_published_later(spies, recording, tmp_path):
    ordinary = msgspec.structs.replace(ROUTE, data_class="ordinary", stage="none")
    renamed = msgspec.structs.replace(TASK, id="task-9", name="inbox")
    before = spies[0].connections
    with running(made(spies, recording), tmp_path) as gateway:
        gateway.publish(msgspec.structs.replace(ROUTE, stage="none"))
        for routes, tasks in (((ordinary,), (TASK,)), ((Route("task-9", "inbox"),), (renamed,)), ((), ())):
            gateway.publish(*routes, tasks=tasks)
            assert ask(gateway, body(KNOWN))[0] == 403
        assert spies[0].connections == before


@pytest.mark.parametrize("raw", ["Küche".encode(), "KÜCHE".encode("latin-1"), b"K%C3%BCche", b"Ku%CC%88che"])
def test_a_restricted_name_binds_in_any_encoding_of_a_header(spies, recording, tmp_path, raw):
    before = spies[0].connections
    with running(made(spies, recording), tmp_path) as gateway:
        gateway.publish(msgspec.structs.replace(ROUTE, task_name="Küche"))
        with connect(gateway.port) as sock:
            request = request_bytes(body(FOREIGN_MESSAGES), headers="x-freehold-task: NAME\r\n")
            sock.sendall(request.replace(b"NAME", raw))
            assert read_response(sock)[0] == 403
    assert spies[0].connections == before


def test_where_nobody_can_tell_nothing_leaves(spies, recording, tmp_path):
    class Broken:
        def __init__(self, tasks):
            pass

        def match(self, *_, **__):
            raise RuntimeError("broken matcher")

    before = spies[0].connections
    with running(made(spies, recording), tmp_path, Doors(make_matcher=Broken)) as gateway:
        gateway.publish(ROUTE)
        assert ask(gateway, body(FOREIGN_MESSAGES))[0] == 403
        assert spies[0].connections == before
    with running(made(spies, recording), tmp_path / "other", Doors(make_matcher=Broken)) as gateway:
        gateway.publish(msgspec.structs.replace(ROUTE, data_class="ordinary"))
        spies[0].default = ()
        assert ask(gateway, body(FOREIGN_MESSAGES))[0] != 403, "without restricted tasks a fault of ours stops nobody"


def test_a_route_table_that_was_never_readable_stops_everything(spies, recording, tmp_path):
    (tmp_path / "routes.json").write_bytes(b"{")
    before = spies[0].connections
    with running(made(spies, recording), tmp_path) as gateway:
        status, _, answered = ask(gateway, body(FOREIGN_MESSAGES))
        assert (status, json.loads(answered)["error"]["code"]) == (503, "routes_unreadable")
        assert spies[0].connections == before
        gateway.publish(tasks=(TASK,))
        assert ask(gateway, body(FOREIGN_MESSAGES))[0] != 503


@pytest.mark.parametrize("data_class", ["restricted", None, "unheard-of"])
def test_the_door_lets_only_ordinary_data_through(data_class):
    class Never:
        def transmit(self, *_):
            raise AssertionError("asked")

    outgoing = _egress.Outgoing(b"POST", b"/chat/completions", [], b"{}", data_class)
    with pytest.raises(RestrictedRefused):
        _egress.send(Never(), outgoing, None)


def test_nothing_but_the_door_asks_a_provider():
    folder = Path(freehold.gateway.__file__).parent
    callers = {
        file.name
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "transmit"
    }
    assert callers == {"_egress.py"}
    openers = {file.name for file in folder.rglob("*.py") if "create_connection" in file.read_text()}
    assert openers == {"_client.py"}
