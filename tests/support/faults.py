"""What the fault suite shares: a call and everything that can be seen of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.support.gateway import Running, connect, read_response, request_bytes, running, settings
from tests.support.upstream import Upstream, http, send
from tests.support.wires import CHAT, WIRES, Wire

from freehold.vocabulary import Call

PATIENT = {"connect_timeout_s": 2.0, "first_byte_timeout_s": 10.0, "idle_timeout_s": 10.0}
"""Waits that no test sits out; a test shortens the one it is about."""
SOON = 0.4


class Seen(NamedTuple):
    """What the client got, and what the ledger says. `cut`: the body had no end."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: bool
    call: Call

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.body)["error"]

    @property
    def attempts(self) -> list[str]:
        return [leg.outcome for leg in self.call.legs]


def ask(gateway: Running, body: bytes = CHAT.whole, *, path: str = CHAT.path, headers: str = "") -> Seen:
    """Make a call and wait for its record."""
    before = len(gateway.ledger.calls)
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(body, path=path, headers=headers))
        try:
            status, got, answer = read_response(sock)
            cut = False
        except EOFError as error:
            status, got, answer, cut = 200, {}, error.args[0], True
    return Seen(status, got, answer, cut, gateway.ledger.wait(before + 1)[-1])


def ask_streamed(gateway: Running, wire: Wire = CHAT) -> Seen:
    """Make a streamed call."""
    return ask(gateway, wire.streamed, path=wire.path)


def ask_at_once(gateway: Running, count: int, body: bytes = CHAT.whole, *, path: str = CHAT.path) -> list[int]:
    """Make so many calls side by side; their statuses."""

    def one(_: int) -> int:
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(body, path=path))
            return read_response(sock)[0]

    before = len(gateway.ledger.calls)
    with ThreadPoolExecutor(count) as pool:
        statuses = list(pool.map(one, range(count)))
    gateway.ledger.wait(before + count)
    return statuses


@contextmanager
def renting(
    up: Upstream | str, home: Path, *, retries: int = 0, speaks: tuple[Wire, ...] = WIRES, **waits: Any
) -> Iterator[Running]:
    """A gateway of its own for one case; when the case is over it has to answer one more call."""
    url = up if isinstance(up, str) else up.url
    provider = {"kind": "compatible", "base_url": url, "dialects": [wire.dialect for wire in speaks]}
    made = settings(providers={"up": provider}, gateway=PATIENT | {"retries": retries, "drain_s": 1.0} | waits)
    with running(made, home) as gateway:
        yield gateway
        if isinstance(up, Upstream):
            lives_on(gateway, up, speaks[0])


def lives_on(gateway: Running, up: Upstream, wire: Wire = CHAT) -> None:
    """The next call is answered, and nothing of those before is left."""
    assert up.played, "a script was never asked for"
    up.play(send(http(200, wire.answer)))
    assert ask(gateway, wire.whole, path=wire.path).status == 200
    assert gateway.gateway.metrics.internal_errors == 0


def case(group: str, name: str, *values: Any, id: str = "", marks: Any = ()) -> Any:  # noqa: A002 -- as pytest calls it
    """A parameter set that shows a case of the catalogue."""
    id = id or name.replace(" ", "-")  # noqa: A001
    return pytest.param(*values, id=id, marks=[pytest.mark.fault(group, name, variant=id), *marks])
