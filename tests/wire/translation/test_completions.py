"""Clients of OpenAI's older completions, served by everything else."""

import pytest
from openai.types import Completion
from tests.wire.translation.bodies import (
    CLAUDE,
    check_answer,
    check_chat_request,
    check_messages_request,
    openai_client,
    raw,
    translate_stream,
)
from tests.wire.translation.converse import check_converse_request
from tests.wire.translation.test_chat_to_messages import FULL as MESSAGES_STREAM
from tests.wire.translation.test_chat_to_messages import message
from tests.wire.translation.test_messages_to_chat import FULL as CHAT_STREAM
from tests.wire.translation.test_messages_to_chat import completion
from tests.wire.translation.test_to_converse import FULL as CONVERSE_STREAM

from freehold.errors import BadRequest
from freehold.wire.translation import translation

CHAT = translation("openai.completions", "openai.chat")
MESSAGES = translation("openai.completions", "anthropic.messages")
CONVERSE = translation("openai.completions", "bedrock.converse")


def request(**fields):
    return raw({"model": "gpt-4.1", "prompt": "say hello"} | fields)


def test_a_prompt_is_a_users_turn_and_the_limit_is_that_of_completions():
    done = CHAT.request(request(temperature=0.5, stop="END", seed=1, logit_bias={"1": 2}, n=1, best_of=1))
    body = check_chat_request(done.body)
    assert body["messages"] == [{"role": "user", "content": "say hello"}]
    assert (body["max_tokens"], body["stop"], body["seed"], body["logit_bias"]) == (16, ["END"], 1, {"1": 2})
    assert done.lost == ()
    assert check_chat_request(CHAT.request(request(prompt=["a"], max_tokens=3)).body)["max_tokens"] == 3


def test_the_other_dialects():
    done = MESSAGES.request(request(seed=1), model=CLAUDE)
    assert check_messages_request(done.body)["messages"][0]["content"] == [{"type": "text", "text": "say hello"}]
    assert done.lost == ("seed",)
    check_converse_request(CONVERSE.request(request(), model=CLAUDE).body)


@pytest.mark.parametrize(
    "fields",
    [{"n": 2}, {"best_of": 2}, {"logprobs": 0}, {"echo": True}, {"suffix": "x"}, {"prompt": ["a", "b"]},
     {"prompt": [1, 2]}, {"prompt": [[1]]}, {"mood": 1}, {"prompt": ""}],
)  # fmt: skip
def test_what_a_chat_cannot_give_is_refused(fields):
    with pytest.raises(BadRequest) as caught:
        CHAT.request(request(**fields))
    assert caught.value.error_code == "untranslatable"
    assert caught.value.message.startswith(f"{next(iter(fields))} ")


def test_an_answer_is_a_completion():
    done = check_answer(Completion, CHAT.response(completion({"content": "hé", "reasoning_content": "hm"})))
    assert (done.id, done.created, done.choices[0].text, done.choices[0].finish_reason) == ("cmpl-1", 5, "hé", "stop")
    assert done.usage.prompt_tokens == 45
    assert check_answer(Completion, MESSAGES.response(message({"type": "text", "text": "a"}))).choices[0].text == "a"


@pytest.mark.parametrize(
    ("pair", "stream"), [(CHAT, CHAT_STREAM), (MESSAGES, MESSAGES_STREAM), (CONVERSE, CONVERSE_STREAM)]
)
def test_a_stream_becomes_chunks_of_text(pair, stream):
    asked = request(stream=True, stream_options={"include_usage": True})
    out, error = translate_stream(pair.stream(pair.request(asked, model=CLAUDE).remembered), [stream])
    assert error is None
    read = list(openai_client(out).completions.create(model="m", prompt="x", stream=True))
    assert "".join(chunk.choices[0].text for chunk in read if chunk.choices) == "Grüße"
    assert read[-1].usage.completion_tokens in (7, 9)
    assert b"usage" not in translate_stream(pair.stream(), [stream])[0]
