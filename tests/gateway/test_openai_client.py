"""The official client sees no difference: sync, async, streaming, and typed errors."""

import asyncio

import openai
import pytest
from tests.support.gateway import renting_from, running
from tests.support.upstream import LAST_CHUNK, STREAM_HEAD, Upstream, chat, chunk, event, http, send, stream

MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def up():
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(up, tmp_path_factory):
    with running(renting_from(up.url), tmp_path_factory.mktemp("home")) as one:
        yield one


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=gateway.url, api_key="sk-client", max_retries=0) as one:
        yield one


def test_whole_answer_with_headers(client, up):
    up.play(send(http(200, chat("Grüße", system_fingerprint="fp"))))
    raw = client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES)
    answer = raw.parse()
    assert answer.choices[0].message.content == "Grüße"
    assert answer.usage.total_tokens == 18
    assert raw.headers["x-freehold-served-by"] == "rented"
    assert raw.headers["x-freehold-call-id"].startswith("call_")
    assert up.requests[-1].headers["authorization"] == "Bearer sk-client"


def test_streamed_answer(client, up):
    up.play(send(stream("a", "b", "c")))
    chunks = list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "abc"
    assert chunks[-1].usage.total_tokens == 18


def test_async_client_many_at_once(gateway, up):
    async def run():
        async with openai.AsyncOpenAI(base_url=gateway.url, api_key="k", max_retries=0) as client:
            whole = [client.chat.completions.create(model="m", messages=MESSAGES) for _ in range(20)]
            answers = await asyncio.gather(*whole)
            up.play(send(stream("x", "y")))
            streamed = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            return answers, [c async for c in streamed]

    answers, chunks = asyncio.run(run())
    assert {a.choices[0].message.content for a in answers} == {"hello"}
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "xy"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_providers_errors_arrive_typed_and_unchanged(client, gateway, up, status, kind):
    body = b'{"error":{"message":"told","type":"t","param":"p","code":"c"}}'
    up.play(send(http(status, body, {"retry-after": "7"})))
    before = len(gateway.ledger.calls)
    with pytest.raises(kind) as raised:
        client.chat.completions.create(model="m", messages=MESSAGES)
    assert raised.value.code == "c"
    assert raised.value.response.headers["retry-after"] == "7"
    call = gateway.ledger.wait(before + 1)[-1]
    assert (call.outcome, call.status, call.response) == ("error", status, body)


def test_a_stream_that_breaks_raises_in_the_client(client, gateway, up):
    up.play(send(STREAM_HEAD, chunk(event("a")), LAST_CHUNK))
    before = len(gateway.ledger.calls)
    answer = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    with pytest.raises(openai.APIError, match="without a finish reason"):
        list(answer)
    assert gateway.ledger.wait(before + 1)[-1].outcome == "incomplete"


def test_our_own_errors_arrive_typed(client, gateway):
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="m", messages="not a list")
    assert raised.value.code == "bad_request"
    with pytest.raises(openai.NotFoundError):
        client.moderations.create(input="x")


def test_models_are_passed_on(client, up):
    up.play(send(http(200, b'{"object":"list","data":[{"id":"m1","object":"model","created":1,"owned_by":"x"}]}')))
    assert [model.id for model in client.models.list()] == ["m1"]
    assert up.requests[-1].head.startswith(b"GET /v1/models HTTP/1.1")
