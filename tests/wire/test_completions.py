"""OpenAI's completions and embeddings: what of them can be owned, their counts, their streams, and its own SDK."""

from __future__ import annotations

import json

import openai
import pytest
from tests.support.schemas import check_authored
from tests.support.upstream import LAST_CHUNK, STREAM_HEAD, Upstream, chunk, http, send

from freehold.errors import BadRequest, UsageError
from freehold.vocabulary import Usage
from freehold.wire.dialects import Read
from freehold.wire.known import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "prompt_tokens_details": {"cached_tokens": 4}}


def asked(**request):
    return COMPLETIONS.decode(json.dumps({"model": "m"} | request).encode())


@pytest.mark.parametrize(
    ("prompt", "texts", "obstacle"),
    [
        ("a", ["a"], ""),
        (["a"], ["a"], ""),
        (["a", "b"], ["a", "b"], "prompt"),
        ([1, 2], [""], "prompt"),
        ([[1, 2], [3]], ["", ""], "prompt"),
        ([], [], "prompt"),
        (None, [""], "prompt"),
    ],
)
def test_one_prompt_of_text_can_be_owned(prompt, texts, obstacle):
    read = asked(prompt=prompt, max_tokens=9, temperature=0)
    request = read.chat
    assert [message.text for message in request.messages] == texts
    assert read.obstacle == obstacle
    assert (request.max_tokens, request.temperature) == (9, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("best_of", 3),
        ("logprobs", 0),
        ("echo", True),
        ("suffix", "s"),
        ("stop", ["x"]),
        ("logit_bias", {"1": 2}),
    ],
)
def test_a_request_names_what_an_owned_model_cannot_give(field, value):
    assert asked(prompt="a", **{field: value}).obstacle == field


@pytest.mark.parametrize(
    ("request_", "answers"),
    [
        ({"prompt": "a"}, None),
        ({"prompt": "a", "n": 1}, 1),
        ({"prompt": "a", "n": 2}, 2),
        ({"prompt": "a", "n": 2, "best_of": 5}, 5),
        ({"prompt": ["a", "b", "c"], "n": 2}, 6),
        ({"prompt": [1, 2], "best_of": 4}, 4),
        ({"prompt": [[1], [2]]}, 2),
        ({"prompt": []}, None),
    ],
)
def test_every_answer_that_is_paid_for_is_counted(request_, answers):
    assert asked(**request_).chat.n == answers


@pytest.mark.parametrize(("count", "parts"), [(0, 1), (999, 1), (12_500, 13)])
def test_a_prompt_of_tokens_is_as_long_as_it_is(count, parts):
    tokens = [7] * count
    assert len(asked(prompt=[tokens]).chat.messages[0].content) == parts
    for given in () if not tokens else (tokens, [tokens], [tokens[: count // 2], tokens[count // 2 :]]):
        read = EMBEDDINGS.decode(json.dumps({"model": "m", "input": given}).encode())
        assert len(read.chat.messages[-1].content) == parts


def whole(*texts, **extra):
    choices = [{"text": t, "index": n, "logprobs": None, "finish_reason": "stop"} for n, t in enumerate(texts)]
    body = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m-1", "choices": choices}
    return json.dumps(body | {"usage": USAGE} | extra).encode()


def test_a_whole_answer_is_read():
    assert COMPLETIONS.read(whole("a", "b")) == Read("m-1", Usage(7, cache_read_tokens=4, output_tokens=7))
    assert COMPLETIONS.answer_text(whole("a", "b")) == "a"
    assert COMPLETIONS.finish_reason(whole("a")) == "stop"
    assert COMPLETIONS.read(b'{"choices":[{"message":{"content":"chat"}}]}') is None
    assert COMPLETIONS.read(b'{"choices":[]}') is None


def stream(*documents):
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in documents)


def part(index, text, reason=None, **extra):
    return {"id": "cmpl-1", "choices": [{"index": index, "text": text, "finish_reason": reason, **extra}]}


def come(data):
    assembler = COMPLETIONS.assembler()
    assembler.feed(data)
    return assembler.finish()


DONE = b"data: [DONE]\n\n"


def test_several_choices_and_log_probabilities_are_put_together():
    probable = [{"tokens": ["a"], "token_logprobs": [-0.5]}, {"tokens": ["b"], "token_logprobs": [-1.5]}]
    data = stream(
        part(1, "x"),
        part(0, "a", logprobs=probable[0]),
        part(0, "b", "stop", logprobs=probable[1]),
        part(1, "y", "length"),
    )
    came = come(data + DONE)
    assert came.fault == ""
    first, second = json.loads(came.body)["choices"]
    assert (first["text"], first["finish_reason"], second["text"], second["finish_reason"]) == (
        "ab",
        "stop",
        "xy",
        "length",
    )
    assert first["logprobs"] == {"tokens": ["a", "b"], "token_logprobs": [-0.5, -1.5]}
    assert come(data).fault == "the stream ended without [DONE]"


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (DONE, "before the first choice"),
        (stream(part(0, "abc")) + DONE, "without a finish reason"),
        (stream(part("0", "abc")) + DONE, "unexpected form"),
        (stream({"error": {"message": "x"}}), "an error in the stream"),
        (stream(part(0, "a", "stop") | {"usage": {"prompt_tokens": "x"}}) + DONE, "usage cannot be read"),
    ],
)
def test_an_incomplete_stream_is_never_taken_for_a_whole_one(data, fault):
    assert fault in come(data).fault


def test_a_stream_of_ours_keeps_quiet_about_usage_where_nobody_asked():
    ask = asked(prompt="a", stream=True)
    body = COMPLETIONS.author(ask, call_id="c", created_s=1, answer="b", usage=Usage(1))
    assert b"usage" not in b"".join(COMPLETIONS.stream_of(body, ask))


@pytest.fixture(scope="module")
def up():
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def client(up):
    with openai.OpenAI(base_url=up.url, api_key="k", max_retries=0) as one:
        yield one


def test_the_official_client_reads_our_answers_whole_and_streamed(client, up):
    ask = {"model": "m", "prompt": "hi", "stream_options": {"include_usage": True}}
    body = COMPLETIONS.author(
        asked(**ask), call_id="c", created_s=1, answer="a long " * 9, usage=Usage(1, output_tokens=2)
    )
    check_authored(COMPLETIONS.name, body)
    up.play(send(http(200, body)))
    assert client.completions.create(model="m", prompt="hi").choices[0].text == "a long " * 9
    events = COMPLETIONS.stream_of(body, asked(**ask))
    up.play(send(STREAM_HEAD, *(chunk(event) for event in events), LAST_CHUNK))
    chunks = list(client.completions.create(**ask, stream=True))
    assert "".join(one.choices[0].text for one in chunks if one.choices) == "a long " * 9
    assert chunks[-1].usage.total_tokens == 3


@pytest.mark.parametrize(
    ("given", "texts", "parts"),
    [
        ({"input": ["a", [1, 2], "b"]}, ["a", "b"], 1),
        ({"input": [1, "a"]}, ["a"], 1),
        ({"input": [{"text": "a"}, {"image": "data:..."}, {"text": "b", "image": "x"}]}, ["a", "b"], 2),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"image_url": "u"}]}]}, ["a"], 1),
        ({"input": [[[["deep"]]]]}, ["deep"], 0),
    ],
)  # fmt: skip
def test_every_text_among_what_is_embedded_is_seen(given, texts, parts):
    messages = EMBEDDINGS.decode(json.dumps({"model": "e"} | given).encode()).chat.messages
    assert [message.text for message in messages if message.text_only] == texts
    assert sum(len(message.content) for message in messages if not message.text_only) == parts


@pytest.mark.parametrize("dialect", [CHAT, MESSAGES, COMPLETIONS, RESPONSES])
def test_numbers_are_read_however_they_are_written(dialect):
    limit = "max_output_tokens" if dialect is RESPONSES else "max_tokens"
    asked_ = {"model": "m", "messages": [], "prompt": "x", "input": "x", "temperature": "0.5"}
    for written in (100.0, "100", 100):
        chat = dialect.decode(json.dumps(asked_ | {limit: written}).encode()).chat
        assert (chat.max_completion_tokens or chat.max_tokens, chat.temperature) == (100, 0.5)
    for written in (1.5, "many", []):
        with pytest.raises(BadRequest, match=limit):
            dialect.decode(json.dumps(asked_ | {limit: written}).encode())


def test_embeddings_are_counted_and_never_owned():
    ask = EMBEDDINGS.decode(b'{"model":"e","input":["a","b"]}')
    assert [message.text for message in ask.chat.messages] == ["a", "b"]
    tokens = EMBEDDINGS.decode(b'{"model":"e","input":[[1,2]]}')
    assert not tokens.chat.messages[0].text_only
    assert ask.obstacle == tokens.obstacle == "input"
    numbers = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    body = json.dumps({"object": "list", "data": numbers, "model": "e-1", "usage": usage}).encode()
    check_authored(EMBEDDINGS.name, body)
    assert EMBEDDINGS.read(body) == Read("e-1", Usage(5))
    assert EMBEDDINGS.answer_text(body) is None
    assert EMBEDDINGS.read(b'{"data":{}}') is None
    assert EMBEDDINGS.unstreamed(b'{"input":"a"}') == b'{"input":"a"}'
    with pytest.raises(UsageError):
        EMBEDDINGS.author(ask, call_id="c", created_s=1, answer="a", usage=Usage())
    with pytest.raises(UsageError):
        EMBEDDINGS.stream_of(body, ask)
    stream = EMBEDDINGS.assembler()
    assert stream.finish().fault == "embeddings are not streamed"
    with pytest.raises(BadRequest):
        EMBEDDINGS.decode(b"{}")
