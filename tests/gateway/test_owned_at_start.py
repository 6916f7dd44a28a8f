"""A gateway listens before its owned models are loaded; a call for one of them waits for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from tests.support.gateway import TASK, connect, read_response, renting_from, request_bytes, running
from tests.support.owned_task import FULL, body
from tests.support.students import SURE, ScriptedHost
from tests.support.upstream import Upstream, chat, http, send

from freehold.errors import BundleRefused
from freehold.gateway import app
from freehold.gateway.app import Doors
from freehold.registry import routes
from freehold.vocabulary import RouteTable


class Slow(ScriptedHost):
    """Loads when it is told to, or fails then."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(SURE)
        self.go = asyncio.Event()
        self._error = error

    async def load(self, student_id: str, bundle: str) -> None:
        await self.go.wait()
        if self._error is not None:
            raise self._error
        await super().load(student_id, bundle)


@pytest.fixture
def up():
    with Upstream() as upstream:
        upstream.default = (send(http(200, chat("rented"))),)
        yield upstream


def publish(home: Path, data_class: str = "ordinary") -> None:
    route = msgspec.structs.replace(FULL, data_class=data_class)
    routes.write(routes.path(home), RouteTable(1, (TASK,), (route,)))


def test_a_call_for_it_waits_and_others_do_not(up: Upstream, tmp_path: Path) -> None:
    publish(tmp_path)
    host = Slow()
    with (
        running(renting_from(up.url), tmp_path, Doors(host=host)) as gateway,
        connect(gateway.port) as waiting,
        connect(gateway.port) as other,
    ):
        waiting.sendall(request_bytes(body()))
        other.sendall(request_bytes(b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'))
        assert read_response(other)[1]["x-freehold-served-by"] == "rented"
        gateway.on_loop(host.go.set)
        assert read_response(waiting)[1]["x-freehold-served-by"] == "owned"


@pytest.mark.parametrize(
    ("data_class", "status", "reason"), [("ordinary", 200, "owned_failed"), ("restricted", 503, "")]
)
def test_one_that_cannot_be_loaded_is_rented_or_refused(
    up: Upstream, tmp_path: Path, data_class: str, status: int, reason: str
) -> None:
    publish(tmp_path, data_class)
    host = Slow(BundleRefused("the bundle was changed"))
    with running(renting_from(up.url), tmp_path, Doors(host=host)) as gateway:
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(body()))
            while not gateway.on_loop(lambda: len(gateway.gateway.calls)):
                pass
            gateway.on_loop(host.go.set)
            assert read_response(sock)[0] == status
        call = gateway.ledger.wait()[0]
        assert call.reason == reason or data_class == "restricted"
        assert data_class == "ordinary" or all(leg.owner == "owned" for leg in call.legs)
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(body()))
            read_response(sock)
        assert gateway.ledger.wait(2)[1].reason in ("owned_not_loaded", "restricted")


def test_nobody_waits_for_long(up: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_LOAD_S", 0.1)
    publish(tmp_path)
    with running(renting_from(up.url), tmp_path, Doors(host=Slow())) as gateway, connect(gateway.port) as sock:
        sock.sendall(request_bytes(body()))
        assert read_response(sock)[1]["x-freehold-served-by"] == "rented"


def test_nobody_waits_for_longer_than_a_call_may_take(
    up: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "_LOAD_S", 1e6)
    publish(tmp_path, "restricted")
    made = renting_from(up.url, total_timeout_s=0.2)
    with running(made, tmp_path, Doors(host=Slow())) as gateway, connect(gateway.port) as sock:
        sock.sendall(request_bytes(body()))
        assert read_response(sock)[0] == 503
