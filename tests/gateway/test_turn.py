"""What one turn of the loop has to send leaves at its end: nothing is lost, reordered or held for longer."""

import asyncio
import socket

import pytest
from tests.support.gateway import connect, read_response, renting_from, request_bytes, running
from tests.support.upstream import STREAM_HEAD, Upstream, chunk, event, send, wait

from freehold.gateway._turn import Turn


@pytest.fixture
def up():
    with Upstream() as upstream:
        yield upstream


class Sender:
    def __init__(self, sent: list[str], name: str) -> None:
        self._sent, self._name = sent, name

    def flush(self) -> None:
        self._sent.append(self._name)


def test_all_are_sent_for_once_at_the_end_of_the_turn() -> None:
    async def run() -> list[str]:
        sent = list[str]()
        turn = Turn(asyncio.get_running_loop())
        for name in "abc":
            turn.add(Sender(sent, name))
        assert sent == []
        await asyncio.sleep(0)
        assert sent == ["a", "b", "c"]
        turn.add(Sender(sent, "d"))
        await asyncio.sleep(0)
        return sent

    assert asyncio.run(run()) == ["a", "b", "c", "d"]


def test_what_nobody_waits_for_is_done_when_all_is_sent() -> None:
    async def run() -> list[str]:
        sent = list[str]()
        turn = Turn(asyncio.get_running_loop())
        turn.afterwards(lambda: sent.append("record of a"))
        turn.add(Sender(sent, "a"))
        turn.afterwards(lambda: turn.afterwards(lambda: sent.append("later still")))
        turn.add(Sender(sent, "b"))
        await asyncio.sleep(0)
        assert sent == ["a", "b", "record of a"]
        await asyncio.sleep(0)
        turn.afterwards(lambda: sent.append("alone"))
        await asyncio.sleep(0)
        return sent

    assert asyncio.run(run()) == ["a", "b", "record of a", "later still", "alone"]


@pytest.mark.parametrize("closes", ["", "connection: close\r\n"])
def test_who_ends_its_side_with_the_request_is_answered(up, tmp_path, closes) -> None:
    with running(renting_from(up.url), tmp_path) as gateway, connect(gateway.port) as sock:
        sock.sendall(request_bytes(b"", "/health/live", closes, "GET"))
        sock.shutdown(socket.SHUT_WR)
        assert read_response(sock)[2] == b'{"status":"live"}'


def test_answers_before_a_request_that_is_refused_arrive(up, tmp_path) -> None:
    with running(renting_from(up.url), tmp_path) as gateway, connect(gateway.port) as sock:
        live = request_bytes(b"", "/health/live", "", "GET")
        sock.sendall(live * 3 + b"no HTTP at all\r\n\r\n")
        said = b"".join(iter(lambda: sock.recv(65536), b""))
        assert said.count(b'{"status":"live"}') == 3
        assert said.rindex(b"HTTP/1.1 400") > said.rindex(b'{"status":"live"}')


def test_each_event_arrives_when_it_comes(up, tmp_path) -> None:
    """The next one is sent a second later, and the first is not waited for as long as that."""
    up.play(send(STREAM_HEAD + chunk(event("one"))), wait(1.0), send(chunk(event("two"))))
    with running(renting_from(up.url), tmp_path) as gateway, connect(gateway.port) as sock:
        sock.sendall(request_bytes(b'{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}'))
        said = b""
        while b"one" not in said:
            said += sock.recv(65536)
        assert b"two" not in said
