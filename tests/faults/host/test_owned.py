"""Owned models that are slow, hang, run out of memory, answer garbage or lie half-copied: the call is rented."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import msgspec
import openai
import pytest
from tests.support.bundles import write_bundle
from tests.support.faults import PATIENT, ask, case
from tests.support.gateway import connect, read_response, renting_from, request_bytes, running
from tests.support.owned_task import FULL
from tests.support.owned_task import body as request_of
from tests.support.puppets import LOADER
from tests.support.upstream import chat, http, send

from freehold.gateway.app import Doors
from freehold.ledger.writer import LedgerWriter
from freehold.serving import StudentHost

ENV = {"PYTHONPATH": str(Path(__file__).parents[3])}
BUNDLE = "bundles/one"
WAIT_S = 0.4


@pytest.fixture
def owning(up, tmp_path):
    """A gateway that owns the task, with a real worker."""
    up.choose = lambda _: (send(http(200, chat("rented"))),)
    student = write_bundle(tmp_path, tmp_path / BUNDLE).student_id
    host = StudentHost(tmp_path, loader=LOADER, env=ENV, hang_s=2 * WAIT_S)
    made = renting_from(up.url, **(PATIENT | {"owned_timeout_s": WAIT_S}))
    with running(made, tmp_path, Doors(host=host)) as gateway:
        gateway.publish(msgspec.structs.replace(FULL, student_id=student, bundle=BUNDLE))
        yield gateway
    up.choose = None


@pytest.mark.parametrize(
    ("trouble", "word", "streamed"),
    [
        case("host", "owned model hung", "hang", "within", False, id="hung"),
        case("host", "owned model slow", "nap", "within", False, id="slow"),
        case("host", "owned model slow", "nap", "within", True, id="slow-streamed"),
        case("host", "owned model out of memory", "hog", "owned model", False, id="no-memory"),
        case("host", "owned model out of memory", "die", "owned model", False, id="killed"),
        case("host", "owned model out of memory", "die", "owned model", True, id="killed-streamed"),
        case("host", "owned model returns garbage", "garbage", "owned model", False, id="no-frame"),
        case("host", "owned model returns garbage", "say \x00\ufffd nonsense", "", False, id="no-label"),
        case("host", "owned model returns garbage", "nan", "", False, id="no-number"),
        case("host", "owned model returns garbage", "raise", "failed", False, id="raises"),
    ],
)
def test_an_owned_model_in_trouble_costs_no_call_its_answer(owning, trouble, word, streamed):
    assert ask(owning, request_of("where is it")).headers["x-freehold-served-by"] == "owned"
    seen = ask(owning, request_of(trouble, stream=streamed))
    assert (seen.status, seen.headers["x-freehold-served-by"]) == (200, "rented")
    assert b"rented" in seen.body
    assert b"nonsense" not in seen.body
    assert (seen.call.outcome, seen.call.owner) == ("ok", "rented")
    first, second = seen.call.legs
    assert (first.owner, second.owner, second.purpose, second.outcome) == ("owned", "rented", "escalate", "ok")
    assert word in first.error
    assert (first.outcome == "error") is bool(word)
    deadline = time.monotonic() + 60
    while ask(owning, request_of("where is it")).headers["x-freehold-served-by"] != "owned":
        assert time.monotonic() < deadline, "its worker never came back"
        time.sleep(0.02)


@pytest.mark.fault("host", "everything of ours down at once")
@pytest.mark.parametrize("ledger_down", [False, True], ids=["ledger-up", "ledger-down"])
def test_no_outage_is_added(up, tmp_path, ledger_down):
    """Workers are killed under load, again and again, with a ledger that cannot be written: every call is answered."""
    up.choose = lambda _: (send(http(200, chat("rented"))),)
    student = write_bundle(tmp_path, tmp_path / BUNDLE).student_id
    if ledger_down:
        (tmp_path / "ledger").write_text("a file stands where the folder should be")
    host = StudentHost(tmp_path, loader=LOADER, env=ENV)
    made = renting_from(up.url, **(PATIENT | {"owned_timeout_s": WAIT_S}))
    owners: list[tuple[int, str]] = []
    over = threading.Event()

    def client(port):
        with connect(port) as sock:
            while not over.is_set():
                sock.sendall(request_bytes(request_of("where is it")))
                status, headers, _ = read_response(sock)
                owners.append((status, headers.get("x-freehold-served-by", "")))

    writer = LedgerWriter(tmp_path)
    with running(made, tmp_path, Doors(ledger=writer, host=host)) as gateway:
        gateway.publish(msgspec.structs.replace(FULL, student_id=student, bundle=BUNDLE))
        clients = [threading.Thread(target=client, args=(gateway.port,)) for _ in range(3)]
        for one in clients:
            one.start()
        try:
            for n_kills in range(3):
                _until(lambda: host.health()[0].up and host.health()[0].n_restarts >= n_kills)  # noqa: B023 -- at once
                seen = len(owners)
                _until(lambda: (200, "owned") in owners[seen:])  # noqa: B023 -- at once
                pid = host.health()[0].pid
                assert pid
                os.kill(pid, signal.SIGKILL)
            _until(lambda: owners[-1] == (200, "rented"))
        finally:
            over.set()
        for one in clients:
            one.join(10)
        assert writer.health().ok is not ledger_down
    writer.close(timeout_s=0.1)
    up.choose = None
    assert {status for status, _ in owners} == {200}
    assert {owner for _, owner in owners} == {"owned", "rented"}


def _until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.fault("host", "a worker of an owned model is lost under load")
def test_official_clients_get_restricted_answers_through_the_loss_of_a_worker(up, tmp_path):
    """Each kill is a 503 with Retry-After for whoever asks at that moment, which the client comes back after."""
    student = write_bundle(tmp_path, tmp_path / BUNDLE).student_id
    host = StudentHost(tmp_path, loader=LOADER, env=ENV)
    made = renting_from(up.url, **(PATIENT | {"owned_timeout_s": WAIT_S}))
    before = len(up.requests)
    with running(made, tmp_path, Doors(host=host)) as gateway:
        closed = {"student_id": student, "bundle": BUNDLE, "data_class": "restricted"}
        gateway.publish(msgspec.structs.replace(FULL, **closed))
        with openai.OpenAI(base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key="k", max_retries=20) as client:
            for _ in range(2):
                assert _asks(client) == "card"
                os.kill(host.health()[0].pid, signal.SIGKILL)
                _until(lambda: not host.health()[0].up)
                refused = ask(gateway, request_of("where is it"))
                if refused.status != 200:  # it may be back already
                    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
                    assert json.loads(refused.body)["error"]["code"] == "restricted_unavailable"
                assert _asks(client) == "card"
    assert len(up.requests) == before


def _asks(client):
    answer = client.chat.completions.create(**json.loads(request_of("where is it")))
    return answer.choices[0].message.content


@pytest.mark.fault("host", "half-copied weights")
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99], ids=["empty", "half", "nearly"])
def test_weights_that_were_copied_in_part_are_refused(up, tmp_path, share):
    up.choose = lambda _: (send(http(200, chat("rented"))),)
    student = write_bundle(tmp_path, tmp_path / BUNDLE).student_id
    weights = tmp_path / BUNDLE / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: int(len(whole) * share)])
    host = StudentHost(tmp_path, loader=LOADER, env=ENV)
    with running(renting_from(up.url, **PATIENT), tmp_path, Doors(host=host)) as gateway:
        gateway.publish(msgspec.structs.replace(FULL, student_id=student, bundle=BUNDLE))
        assert "weights.safetensors" in gateway.gateway.owned.faults[student]
        seen = ask(gateway, request_of("where is it"))
        assert (seen.status, seen.headers["x-freehold-served-by"]) == (200, "rented")
        assert json.loads(seen.body)["choices"][0]["message"]["content"] == "rented"
    up.choose = None
