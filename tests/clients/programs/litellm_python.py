"""LiteLLM's SDK, as a client of both APIs."""

from __future__ import annotations

import asyncio
import json
import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would ask the network for prices

import litellm
import pydantic
from _harness import (
    BY_CLAUDE,
    BY_GPT,
    CITIES,
    CLAUDE,
    GPT,
    HELLO,
    IMAGE_ANSWER,
    KEY,
    OPENAI_URL,
    OWNED_ANSWER,
    OWNED_TEXT,
    PARAMETERS,
    PNG_URL,
    POOR_KEY,
    SYSTEM,
    TOOLS_ANSWER,
    URL,
    WEATHER,
    check,
    main,
    raises,
    same,
    takes,
)
from litellm.exceptions import MidStreamFallbackError

OWNED = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": OWNED_TEXT}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]
FLAT_TOOLS = [{"type": "function", "name": "weather", "parameters": PARAMETERS}]
HELLO_TURN = [{"role": "user", "content": "do:hello"}]


class Weather(pydantic.BaseModel):
    """A structured answer."""

    city: str
    degrees: int


def gpt(model: str = GPT, key: str = KEY) -> dict:
    return {"model": f"openai/{model}", "api_base": OPENAI_URL, "api_key": key}


def claude(model: str = CLAUDE, key: str = KEY) -> dict:
    return {"model": f"anthropic/{model}", "api_base": URL, "api_key": key}


def _ask(target: dict, order: str = "hello", **more):
    return litellm.completion(**target, messages=[{"role": "user", "content": f"do:{order}"}], **more)


def _whole(target: dict) -> None:
    answer = _ask(target)
    same((answer.choices[0].message.content, answer.choices[0].finish_reason), (HELLO, "stop"))
    same(answer.usage.total_tokens, 18)


def _text(chunks) -> str:
    return "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)


def _streamed(target: dict) -> None:
    chunks = list(_ask(target, stream=True, stream_options={"include_usage": True}))
    same((_text(chunks), chunks[-1].usage.total_tokens), (HELLO, 18))


async def _async(target: dict) -> None:
    whole = await litellm.acompletion(**target, messages=HELLO_TURN)
    same(whole.choices[0].message.content, HELLO)
    stream = await litellm.acompletion(**target, messages=HELLO_TURN, stream=True)
    same(_text([one async for one in stream]), HELLO)


def _tools(target: dict) -> None:
    turns = [{"role": "user", "content": "do:tools"}]
    message = litellm.completion(**target, messages=turns, tools=TOOLS).choices[0].message
    same([json.loads(one.function.arguments)["city"] for one in message.tool_calls], CITIES)
    turns.append(message.model_dump(exclude_none=True))
    turns += [{"role": "tool", "tool_call_id": one.id, "content": "7"} for one in message.tool_calls]
    same(litellm.completion(**target, messages=turns, tools=TOOLS).choices[0].message.content, TOOLS_ANSWER)


def _tools_streamed(target: dict) -> None:
    chunks = list(_ask(target, "tools", tools=TOOLS, stream=True))
    message = litellm.stream_chunk_builder(chunks).choices[0].message
    same([json.loads(one.function.arguments)["city"] for one in message.tool_calls], CITIES)


def _structured(target: dict) -> None:
    answer = _ask(target, "structured", response_format=Weather)
    same(json.loads(answer.choices[0].message.content), WEATHER)


def _images(target: dict) -> None:
    parts = [{"type": "text", "text": "do:image"}, {"type": "image_url", "image_url": {"url": PNG_URL}}]
    answer = litellm.completion(**target, messages=[{"role": "user", "content": parts}])
    same(answer.choices[0].message.content, IMAGE_ANSWER)


def _errors(make, more: dict[int, type[Exception]]) -> None:
    kinds = {401: litellm.AuthenticationError, 404: litellm.NotFoundError, 429: litellm.RateLimitError} | more
    for status, kind in kinds.items():
        with raises(kind):
            _ask(make(f"of-{status}"), f"e{status}", max_retries=0)


def _waits(target: dict) -> None:
    with takes(at_least=0.99):
        same(_ask(target, "busy", max_retries=2).choices[0].message.content, HELLO)


def _cut(target: dict) -> None:
    chunks = []
    with raises(MidStreamFallbackError):
        for one in _ask(target, "cut", stream=True):
            chunks.append(one)
    assert chunks, "nothing came before the cut"


def _owned(target: dict) -> None:
    same(litellm.completion(**target, messages=OWNED).choices[0].message.content, OWNED_ANSWER)


def _owned_streamed(target: dict) -> None:
    same(_text(litellm.completion(**target, messages=OWNED, stream=True)), OWNED_ANSWER)


@check("openai.chat")
def _():
    _whole(gpt())


@check("openai.chat_stream")
def _():
    _streamed(gpt())


@check("openai.chat_async")
async def _():
    await _async(gpt())


@check("openai.chat_tools")
def _():
    _tools(gpt())


@check("openai.chat_tools_stream")
def _():
    _tools_streamed(gpt())


@check("openai.chat_structured")
def _():
    _structured(gpt())


@check("openai.chat_logprobs")
def _():
    answer = _ask(gpt(), "logprobs", logprobs=True, top_logprobs=1)
    same(answer.choices[0].logprobs.content[0].logprob, -0.25)


@check("openai.chat_images")
def _():
    _images(gpt())


@check("openai.chat_choices")
def _():
    same([one.message.content for one in _ask(gpt(), n=3).choices], [HELLO] * 3)


@check("openai.chat_unknown")
def _():
    answer = _ask(gpt(), "echo", extra_body={"x_new": {"deep": [1]}})
    same(answer.choices[0].message.content, '{"x_new": {"deep": [1]}}')


@check("openai.responses")
def _():
    same(litellm.responses(**gpt(), input="do:hello").output[0].content[0].text, HELLO)


@check("openai.responses_stream")
def _():
    events = litellm.responses(**gpt(), input="do:hello", stream=True)
    same("".join(one.delta for one in events if one.type == "response.output_text.delta"), HELLO)


@check("openai.responses_tools")
def _():
    turns = [{"role": "user", "content": "do:tools"}]
    answer = litellm.responses(**gpt(), input=turns, tools=FLAT_TOOLS)
    same([json.loads(one.arguments)["city"] for one in answer.output], CITIES)
    turns += [one.model_dump(exclude_none=True) for one in answer.output]
    turns += [{"type": "function_call_output", "call_id": one.call_id, "output": "7"} for one in answer.output]
    same(litellm.responses(**gpt(), input=turns, tools=FLAT_TOOLS).output[0].content[0].text, TOOLS_ANSWER)


def _older() -> dict:
    return gpt() | {"model": f"text-completion-openai/{GPT}"}


@check("openai.completions")
def _():
    same(litellm.text_completion(**_older(), prompt="do:hello").choices[0].text, HELLO)


@check("openai.completions_stream")
def _():
    chunks = litellm.text_completion(**_older(), prompt="do:hello", stream=True)
    same("".join(one.choices[0].text or "" for one in chunks), HELLO)


@check("openai.embeddings")
def _():
    answer = litellm.embedding(**gpt(), input=["a", "b"])
    same([one["embedding"] for one in answer.data], [[0.5, -0.25, 0.0], [0.5, -0.25, 1.0]])


@check("openai.errors")
def _():
    _errors(gpt, {500: litellm.InternalServerError})


@check("openai.retry_after")
def _():
    _waits(gpt("of-busy"))


@check("openai.cut_stream")
def _():
    _cut(gpt())


@check("openai.key")
def _():
    with raises(litellm.AuthenticationError):
        _ask(gpt(key="fh-unknown"))


@check("openai.budget")
def _():
    with takes(below=1.0), raises(litellm.RateLimitError):
        _ask(gpt(key=POOR_KEY), max_tokens=1000, max_retries=2)


@check("openai.owned")
def _():
    _owned(gpt())


@check("openai.owned_stream")
def _():
    _owned_streamed(gpt())


@check("openai.translated")
def _():
    _whole(gpt(BY_CLAUDE))


@check("openai.translated_stream")
def _():
    _streamed(gpt(BY_CLAUDE))
    _cut(gpt(BY_CLAUDE))


@check("openai.translated_tools")
def _():
    _tools(gpt(BY_CLAUDE))
    _tools_streamed(gpt(BY_CLAUDE))


@check("anthropic.messages")
def _():
    _whole(claude())
    asked = {"messages": HELLO_TURN, "max_tokens": 100}
    answer = asyncio.run(litellm.anthropic.messages.acreate(**claude(), **asked))
    same((answer["content"][0]["text"], answer["stop_reason"]), (HELLO, "end_turn"))


@check("anthropic.messages_stream")
def _():
    _streamed(claude())


@check("anthropic.messages_async")
async def _():
    await _async(claude())


@check("anthropic.messages_tools")
def _():
    _tools(claude())


@check("anthropic.messages_tools_stream")
def _():
    _tools_streamed(claude())


@check("anthropic.messages_structured")
def _():
    _structured(claude())


@check("anthropic.messages_images")
def _():
    _images(claude())


@check("anthropic.errors")
def _():
    _errors(claude, {529: litellm.InternalServerError})


@check("anthropic.cut_stream")
def _():
    _cut(claude())


@check("anthropic.key")
def _():
    with raises(litellm.AuthenticationError):
        _ask(claude(key="fh-unknown"))


@check("anthropic.budget")
def _():
    with takes(below=1.0), raises(litellm.RateLimitError):
        _ask(claude(key=POOR_KEY))


@check("anthropic.owned")
def _():
    _owned(claude())


@check("anthropic.owned_stream")
def _():
    _owned_streamed(claude())


@check("anthropic.translated")
def _():
    _whole(claude(BY_GPT))


@check("anthropic.translated_stream")
def _():
    _streamed(claude(BY_GPT))
    _cut(claude(BY_GPT))


@check("anthropic.translated_tools")
def _():
    _tools(claude(BY_GPT))
    _tools_streamed(claude(BY_GPT))


if __name__ == "__main__":
    main("litellm")
