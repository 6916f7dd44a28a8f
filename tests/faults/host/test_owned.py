"""Owned models that are slow, hang, run out of memory, answer garbage or lie half-copied: the call is rented."""

import json
import time
from pathlib import Path

import msgspec
import pytest
from tests.support.bundles import write_bundle
from tests.support.faults import PATIENT, ask, case
from tests.support.gateway import renting_from, running
from tests.support.owned_task import FULL
from tests.support.owned_task import body as request_of
from tests.support.puppets import LOADER
from tests.support.upstream import chat, http, send

from freehold.gateway.app import Doors
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
    deadline = time.monotonic() + 15
    while ask(owning, request_of("where is it")).headers["x-freehold-served-by"] != "owned":
        assert time.monotonic() < deadline, "its worker never came back"
        time.sleep(0.02)


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
