"""What one turn of the loop has to send leaves at its end: nothing is lost, reordered or held for longer."""

import asyncio
import contextlib
import socket

import pytest
from tests.support.gateway import connect, read_response, renting_from, request_bytes, running
from tests.support.upstream import STREAM_HEAD, Upstream, chunk, event, send, wait

from freehold.gateway._client import Origin
from freehold.gateway._turn import Turn
from freehold.gateway.resilience.deadlines import Deadlines


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


class Heard:
    """A sink that waits for its answer."""

    def __init__(self) -> None:
        self.status = 0
        self.over: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def on_head(self, status, _) -> None:
        self.status = status

    def on_data(self, data, *, done) -> None:
        assert done
        self.over.set_result(data)

    def on_usage(self, _) -> None:
        raise AssertionError

    def on_failed(self, error) -> None:
        self.over.set_exception(error)


def test_what_comes_just_before_a_request_leaves_is_not_its_answer() -> None:
    """Servers say 408 on a connection that was idle for too long, and ours may be about to use it."""
    asked, serving = list[tuple[int, bytes]](), list[asyncio.Task[None] | None]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        number = len(serving)
        with contextlib.suppress(ConnectionError):
            while request := await reader.read(100):
                asked.append((number, request))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n" + request[4:7])
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        origin = Origin(
            "up", "127.0.0.1", server.sockets[0].getsockname()[1], tls=False, patience=Deadlines(9.0, 9.0, 9.0, 9.0)
        )
        one, two = Heard(), Heard()
        origin.send(b"GET one HTTP/1.1\r\n\r\n", one)
        assert await one.over == b"one"
        (kept,) = origin._idle
        origin.send(b"GET two HTTP/1.1\r\n\r\n", two)
        kept.data_received(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 3\r\n\r\nold")
        assert (await two.over, two.status) == (b"two", 200)
        assert [number for number, _ in asked] == [1, 2], "over another connection, and once"
        origin.close()
        await asyncio.gather(*(task for task in serving if task is not None))
        server.close()
        await server.wait_closed()

    asyncio.run(run())
