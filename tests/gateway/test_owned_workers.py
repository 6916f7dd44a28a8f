"""The gateway with real worker processes: a student that dies, hangs or refuses costs no call its answer."""

from pathlib import Path

import msgspec
import pytest
from tests.support.bundles import write_bundle
from tests.support.gateway import connect, read_response, renting_from, request_bytes, running
from tests.support.owned_task import FULL, body
from tests.support.puppets import LOADER
from tests.support.upstream import Upstream, chat, http, send

from freehold.gateway.app import Doors
from freehold.serving import StudentHost
from freehold.wire.openai import answer_text

ENV = {"PYTHONPATH": str(Path(__file__).parents[2])}
BUNDLE = "bundles/one"


@pytest.fixture(scope="module")
def up():
    with Upstream() as upstream:
        upstream.default = (send(http(200, chat("rented"))),)
        yield upstream


def ask(gateway, text):
    before = len(gateway.ledger.calls)
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(body(text)))
        status, headers, answer = read_response(sock)
    assert status == 200
    return headers["x-freehold-served-by"], answer_text(answer), gateway.ledger.wait(before + 1)[-1]


@pytest.fixture
def gateway(up, tmp_path):
    student = write_bundle(tmp_path, tmp_path / BUNDLE).student_id
    host = StudentHost(tmp_path, loader=LOADER, env=ENV)
    with running(renting_from(up.url, owned_timeout_s=0.5), tmp_path, Doors(host=host)) as one:
        one.publish(msgspec.structs.replace(FULL, student_id=student, bundle=BUNDLE))
        yield one


def test_a_worker_answers_and_its_troubles_escalate(gateway):
    assert ask(gateway, "where is it")[:2] == ("owned", "card")
    for trouble, word in (("raise", "failed"), ("hang", "within 0.5 s"), ("die", "owned model")):
        owner, text, call = ask(gateway, trouble)
        assert (owner, text) == ("rented", "rented")
        assert [(leg.owner, leg.outcome) for leg in call.legs] == [("owned", "error"), ("rented", "ok")]
        assert word in call.legs[0].error


def test_an_answer_outside_the_contract_is_not_served(gateway):
    owner, text, _ = ask(gateway, "say something that is no label")
    assert (owner, text) == ("rented", "rented")


def test_a_bundle_that_was_changed_is_never_asked(up, tmp_path):
    student = write_bundle(tmp_path, tmp_path / BUNDLE).student_id
    manifest = tmp_path / BUNDLE / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"{", b"{ ", 1))
    host = StudentHost(tmp_path, loader=LOADER, env=ENV)
    with running(renting_from(up.url), tmp_path, Doors(host=host)) as gateway:
        gateway.publish(msgspec.structs.replace(FULL, student_id=student, bundle=BUNDLE))
        assert student in gateway.gateway.owned.faults
        assert ask(gateway, "where is it")[0] == "rented"
