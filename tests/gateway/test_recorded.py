"""A recording answers like a provider: in order, streamed on request, and says what it does not hold."""

import asyncio
import json

import openai
import pytest
from tests.support.gateway import connect, read_response, request_bytes, running, settings

from freehold.gateway.recorded import Recording, serve_recording


def answer(text):
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {"id": "r", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def asked(text, **extra):
    return {"model": "m", "messages": [{"role": "user", "content": text}], "temperature": 0} | extra


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    file = tmp_path_factory.mktemp("log") / "calls.jsonl"
    lines = [{"request": asked("a"), "response": answer(t), "latency_ms": 60_000.0} for t in ("one", "two")]
    lines.append({"request": asked("b", stream=True, stream_options={"include_usage": True}), "response": answer("b")})
    file.write_text("\n".join(map(json.dumps, lines)) + "\nnot json\n\n")
    return file


@pytest.fixture
def gateway(log, tmp_path):
    made = settings(providers={"tape": {"kind": "recorded", "file": str(log)}})
    with running(made, tmp_path) as one:
        yield one


def post(port, body):
    with connect(port) as sock:
        sock.sendall(request_bytes(json.dumps(body).encode()))
        return read_response(sock)


def test_equal_requests_are_answered_in_recorded_order_then_with_the_last_again(gateway):
    reordered = dict(reversed(asked("a").items()))
    texts = [json.loads(post(gateway.port, reordered)[2])["choices"][0]["message"]["content"] for _ in range(4)]
    assert texts == ["one", "two", "two", "two"]
    call = gateway.ledger.wait(4)[-1]
    assert (call.provider, call.owner, call.usage.output_tokens) == ("tape", "rented", 2)


def test_streaming_and_the_tasks_name_make_no_other_request(gateway):
    with openai.OpenAI(base_url=gateway.url, api_key="k", max_retries=0) as client:
        messages = asked("b")["messages"]
        arguments = {"model": "m", "messages": messages, "temperature": 0, "metadata": {"freehold_task": "t"}}
        whole = client.chat.completions.create(**arguments)
        chunks = list(client.chat.completions.create(**arguments, stream=True))
        assert [model.id for model in client.models.list()] == ["m"]
    assert whole.choices[0].message.content == "b"
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "b"
    assert gateway.ledger.wait(2)[-1].outcome == "ok"


def test_a_request_without_a_recording_is_told_so(gateway):
    status, _, body = post(gateway.port, asked("c"))
    assert status == 404
    assert json.loads(body)["error"]["code"] == "recording_missing"
    assert gateway.ledger.wait()[-1].outcome == "error"


def test_counting_tokens_without_a_recording_is_refused_as_anthropics_api_would(gateway):
    counted = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(json.dumps(counted).encode(), path="/v1/messages/count_tokens"))
        status, _, body = read_response(sock)
    assert status == 404
    assert json.loads(body)["type"] == "error"


def test_a_missing_recording_is_named(tmp_path):
    with running(settings(providers={"tape": {"kind": "recorded", "file": "gone.jsonl"}}), tmp_path) as gateway:
        status, _, body = post(gateway.port, asked("a"))
    assert status == 503
    assert "gone.jsonl" in json.loads(body)["error"]["message"]


def test_as_a_server_of_its_own_it_can_keep_the_recorded_latency(log):
    async def run():
        loop = asyncio.get_running_loop()
        server = await serve_recording(log, latency=0.002)
        began = loop.time()
        try:
            status, _, body = await asyncio.to_thread(post, server.port, asked("a"))
            return status, body, loop.time() - began
        finally:
            await server.stop(0.0)

    status, body, seconds = asyncio.run(run())
    assert status == 200
    assert b"one" in body
    assert seconds >= 0.1


def test_unreadable_lines_are_counted(log):
    recording = Recording(log)
    assert (recording.calls, recording.skipped) == (3, 1)
    assert recording.answer(b"{") is None
    recording.close()
