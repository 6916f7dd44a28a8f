"""A recorded provider fails on demand and by schedule, as providers do, and plays every dialect."""

import asyncio
import http.client
import json
from contextlib import closing, contextmanager

import pytest
from tests.support.gateway import connect, read_response, request_bytes

from freehold.errors import UsageError
from freehold.gateway.faults import FAULTS, MIXED, Outages, Switch, named
from freehold.gateway.recorded import Recording, serve_recording
from freehold.services._stage import _loop

ASKED = {"model": "m", "messages": [{"role": "user", "content": "a"}], "temperature": 0}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "one two three"}, "finish_reason": "stop"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
ANSWER = {"id": "r", "object": "chat.completion", "created": 1, "model": "m", "choices": [CHOICE], "usage": USAGE}


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    file = tmp_path_factory.mktemp("log") / "calls.jsonl"
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "c",
        "content": [{"type": "text", "text": "hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    asked = {"model": "c", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]}
    lines = [{"request": ASKED, "response": ANSWER}, {"request": asked, "response": message}]
    file.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return file


@contextmanager
def provider(source, faults=None):
    with _loop() as run:
        server = run(serve_recording(source, faults=faults))
        yield server.port
        run(server.stop(0.0))


def ask(port, body=ASKED, path="/v1/chat/completions", timeout=10.0):
    with connect(port) as sock:
        sock.settimeout(timeout)
        sock.sendall(request_bytes(json.dumps(body).encode(), path=path))
        return read_response(sock)


def cut_short(port, body):
    """As much of an answer as came before its connection closed."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("POST", "/v1/chat/completions", json.dumps(body).encode())
        response = connection.getresponse()
        assert response.status == 200
        with closing(response), pytest.raises(http.client.IncompleteRead) as cut:
            response.read()
    return cut.value.partial


def test_every_fault_is_seen_by_a_client_as_what_it_is(log):
    switch = Switch()
    with provider(log, switch) as port:
        assert ask(port)[0] == 200
        for status in ("429", "500", "503"):
            switch.fault = status
            got, _, body = ask(port)
            assert got == int(status)
            assert json.loads(body)["error"]["code"] == "rehearsed_outage"
        switch.fault = "drop"
        assert cut_short(port, ASKED) == b""
        switch.fault = "cut"
        for body in (ASKED, ASKED | {"stream": True}):
            came = cut_short(port, body)
            assert came.startswith((b'{"id"', b'data: {"id"'))
            assert b"[DONE]" not in came
        switch.fault = "stall"
        with pytest.raises(TimeoutError):
            ask(port, timeout=0.2)
        switch.fault = None
        assert ask(port)[0] == 200


def test_outages_are_windows_of_time_and_draw_the_same_faults_again():
    at = 0.0
    one, other = (Outages([(10, 20), (30, 31)], clock=lambda: at, seed=7) for _ in range(2))
    assert one.now() is None
    at = 100.0
    one.begin()
    other.begin()
    seen = []
    for at in (100.0, 109.9, 110.0, 119.9, 120.0, 130.5, 131.0):
        assert one.down() == (110 <= at < 120 or 130 <= at < 131)
        seen.append(one.now())
        assert seen[-1] == other.now()
        assert (seen[-1] is not None) == one.down()
    assert one.failed == 3
    assert set(MIXED) == set(FAULTS)


def test_faults_are_known_by_name():
    assert named(["429", "cut"]) == ("429", "cut")
    assert named([]) == MIXED
    with pytest.raises(UsageError, match="'418' is no fault"):
        named(["418"])


def test_who_stands_in_answers_for_any_model_from_a_shared_recording(log):
    recording = Recording(log, any_model=True)
    with provider(recording) as port, provider(recording) as other:
        for one in (port, other):
            assert ask(one, ASKED | {"model": "another"})[0] == 200
    recording.close()
    with provider(log) as port:
        assert ask(port, ASKED | {"model": "another"})[0] == 404


def test_other_dialects_are_played_in_their_own_events(log):
    asked = {"model": "c", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]}
    with provider(log) as port:
        assert json.loads(ask(port, asked, "/v1/messages")[2])["content"][0]["text"] == "hello"
        events = ask(port, asked | {"stream": True}, "/v1/messages")[2]
        status, _, missing = ask(port, asked | {"max_tokens": 1}, "/v1/messages")
    assert events.startswith(b"event: message_start\n")
    assert b"message_stop" in events
    assert (status, json.loads(missing)["type"]) == (404, "error")


def test_a_request_that_stalls_does_not_keep_its_server_from_ending(log):
    async def run():
        server = await serve_recording(log, faults=Switch("stall"))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request_bytes(json.dumps(ASKED).encode()))
        await writer.drain()
        while not any(one.busy for one in server.connections):  # noqa: ASYNC110 -- the server tells nobody
            await asyncio.sleep(0)
        await server.stop(0.0)
        assert await reader.read() == b""
        writer.close()

    asyncio.run(asyncio.wait_for(run(), 10))
