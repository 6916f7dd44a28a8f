"""Requests that a client sends before it has read the answers: each in its turn, and only while it reads."""

import asyncio
from collections.abc import Callable, Coroutine
from unittest.mock import MagicMock

from freehold.gateway._exchange import Exchange
from freehold.gateway._server import ServerConnection
from freehold.gateway._turn import Turn


def get(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n".encode()


class Client:
    """A connection without a socket, and what was asked of the gateway over it."""

    def __init__(self, *, answered_at_once: bool = False) -> None:
        self.asked: list[Exchange] = []
        self._answered_at_once = answered_at_once
        self.transport = MagicMock(is_closing=lambda: False, get_write_buffer_size=lambda: 0)
        self.connection = ServerConnection(self._ask, set(), Turn(asyncio.get_running_loop()), 1000)
        self.connection.connection_made(self.transport)
        self.send = self.connection.data_received

    def _ask(self, exchange: Exchange) -> None:
        self.asked.append(exchange)
        if self._answered_at_once:
            self.answer(-1)

    def answer(self, which: int) -> None:
        self.asked[which].respond(200, b"", b"answer to " + self.asked[which].path)

    @property
    def paths(self) -> list[bytes]:
        return [one.path for one in self.asked]

    @property
    def got(self) -> bytes:
        return b"".join(call.args[0] for call in self.transport.write.call_args_list)


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def played(scene: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scene())


def test_a_request_that_comes_just_as_an_answer_leaves_overtakes_none() -> None:
    async def scene() -> None:
        client = Client()
        client.send(get("/one"))
        client.send(get("/two"))
        client.answer(0)
        client.send(get("/three"))  # heard in the same turn of the loop
        assert client.paths == [b"/one"]
        await turns()
        client.answer(1)
        await turns()
        client.answer(2)
        await turns()
        assert client.paths == [b"/one", b"/two", b"/three"]
        assert client.got.index(b"to /one") < client.got.index(b"to /two") < client.got.index(b"to /three")

    played(scene)


def test_what_is_no_http_is_not_the_answer_of_a_request_that_was_about_to_begin() -> None:
    async def scene() -> None:
        client = Client()
        client.send(get("/one"))
        client.send(get("/two"))
        client.answer(0)
        client.send(b"no HTTP\r\n\r\n")
        await turns()
        assert client.got.endswith(b"answer to /one"), "the client sees that the second was not answered"
        client.transport.write_eof.assert_called_once()

    played(scene)


def test_no_request_is_answered_while_the_client_reads_no_answers() -> None:
    async def scene() -> None:
        client = Client(answered_at_once=True)
        client.send(get("/one"))
        await turns()
        client.connection.pause_writing()
        client.transport.pause_reading.assert_not_called()
        for _ in range(16):
            client.send(get("/more"))
        await turns()
        assert client.paths == [b"/one"]
        client.transport.pause_reading.assert_called()  # and no further ones are taken
        client.connection.resume_writing()
        for _ in range(16):
            await turns()
        assert client.paths == [b"/one", *[b"/more"] * 16]
        assert client.got.count(b"answer to /more") == 16

    played(scene)


def test_a_client_that_stops_reading_between_two_answers_gets_the_next_when_it_reads() -> None:
    async def scene() -> None:
        client = Client()
        client.send(get("/one") + get("/two"))
        client.answer(0)
        client.connection.pause_writing()
        await turns()
        assert client.paths == [b"/one"]
        client.connection.resume_writing()
        await turns()
        assert client.paths == [b"/one", b"/two"]

    played(scene)


def test_no_body_is_called_for_while_another_request_waits() -> None:
    async def scene() -> None:
        client = Client()
        client.send(get("/one") + get("/two"))
        client.answer(0)
        client.send(get("/three", "expect: 100-continue\r\ncontent-length: 2\r\n"))
        await turns()
        assert b"100 Continue" not in client.got

    played(scene)


def test_a_client_that_knows_no_interim_answers_gets_none() -> None:
    async def scene() -> None:
        client = Client(answered_at_once=True)
        head = get("/one", "expect: 100-continue\r\ncontent-length: 2\r\n").replace(b"HTTP/1.1", b"HTTP/1.0")
        client.send(head)
        client.send(b"{}")
        await turns()
        assert client.got.startswith(b"HTTP/1.1 200 ")

    played(scene)


def test_many_offers_of_another_protocol_in_one_read_do_not_nest() -> None:
    async def scene() -> None:
        client = Client(answered_at_once=True)
        client.send(get("/more", "upgrade: h2c\r\nconnection: upgrade\r\n") * 2000 + get("/last"))
        await turns()
        assert client.paths == [b"/more"] * 2000 + [b"/last"]
        client.send(get("/later", "upgrade: h2c\r\nconnection: upgrade\r\n") + get("/end"))
        assert client.paths[2001:] == [b"/later", b"/end"]

    played(scene)
