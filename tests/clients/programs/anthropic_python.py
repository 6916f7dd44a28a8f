"""Anthropic's own client for Python."""

from __future__ import annotations

import json

import anthropic
import pydantic
from _harness import (
    BY_GPT,
    CITIES,
    CLAUDE,
    HELLO,
    IMAGE_ANSWER,
    KEY,
    OWNED_ANSWER,
    OWNED_TEXT,
    PARAMETERS,
    PNG_BASE64,
    POOR_KEY,
    SEAL,
    SYSTEM,
    THOUGHT,
    TOOLS_ANSWER,
    UNKNOWN,
    URL,
    WEATHER,
    check,
    fields,
    main,
    raises,
    same,
    takes,
    told_once,
)

client = anthropic.Anthropic(base_url=URL, api_key=KEY)
TOOLS = [{"name": "weather", "input_schema": PARAMETERS}]


class Weather(pydantic.BaseModel):
    """A structured answer."""

    city: str
    degrees: int


def asked(order: str) -> list:
    return [{"role": "user", "content": f"do:{order}"}]


def ask(order: str = "hello", model: str = CLAUDE, by: anthropic.Anthropic = client, **more):
    return by.messages.create(model=model, max_tokens=1000, messages=asked(order), **more)


def text_of(events) -> str:
    return "".join(one.delta.text for one in events if one.type == "content_block_delta")


@check("anthropic.messages")
def _():
    answer = ask()
    same((answer.content[0].text, answer.stop_reason, answer.usage.output_tokens), (HELLO, "end_turn", 7))
    same(answer._request_id, "req_up")


@check("anthropic.messages_stream")
def _():
    same(text_of(ask(stream=True)), HELLO)
    with client.messages.stream(model=CLAUDE, max_tokens=1000, messages=asked("hello")) as stream:
        same("".join(stream.text_stream), HELLO)
        same(stream.get_final_message().usage.output_tokens, 7)


@check("anthropic.messages_async")
async def _():
    async with anthropic.AsyncAnthropic(base_url=URL, api_key=KEY) as one:
        whole = await one.messages.create(model=CLAUDE, max_tokens=1000, messages=asked("hello"))
        same(whole.content[0].text, HELLO)
        async with one.messages.stream(model=CLAUDE, max_tokens=1000, messages=asked("hello")) as stream:
            same(await stream.get_final_text(), HELLO)


def _call_tools(model: str) -> None:
    turns = asked("tools")
    answer = client.messages.create(model=model, max_tokens=1000, messages=turns, tools=TOOLS)
    same([one.input["city"] for one in answer.content], CITIES)
    results = [{"type": "tool_result", "tool_use_id": one.id, "content": "7"} for one in answer.content]
    turns += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
    answer = client.messages.create(model=model, max_tokens=1000, messages=turns, tools=TOOLS)
    same(answer.content[0].text, TOOLS_ANSWER)


def _stream_tools(model: str) -> None:
    with client.messages.stream(model=model, max_tokens=1000, messages=asked("tools"), tools=TOOLS) as stream:
        same([one.input["city"] for one in stream.get_final_message().content], CITIES)


@check("anthropic.messages_tools")
def _():
    _call_tools(CLAUDE)


@check("anthropic.messages_tools_stream")
def _():
    _stream_tools(CLAUDE)


@check("anthropic.messages_structured")
def _():
    answer = client.messages.parse(model=CLAUDE, max_tokens=1000, messages=asked("structured"), output_format=Weather)
    same(answer.parsed_output, Weather(**WEATHER))


@check("anthropic.messages_images")
def _():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG_BASE64}}
    turn = {"role": "user", "content": [{"type": "text", "text": "do:image"}, image]}
    same(client.messages.create(model=CLAUDE, max_tokens=9, messages=[turn]).content[0].text, IMAGE_ANSWER)


@check("anthropic.messages_thinking")
def _():
    def remembered(content) -> str:
        turns = [*asked("think"), {"role": "assistant", "content": content}, *asked("remember")]
        return client.messages.create(model=CLAUDE, max_tokens=1000, messages=turns).content[0].text

    thinking = {"thinking": {"type": "adaptive"}}
    answer = ask("think", **thinking)
    same((answer.content[0].thinking, answer.content[1].text), (THOUGHT, HELLO))
    same(remembered(answer.content), SEAL)
    with client.messages.stream(model=CLAUDE, max_tokens=1000, messages=asked("think"), **thinking) as stream:
        same(remembered(stream.get_final_message().content), SEAL)


@check("anthropic.messages_beta")
def _():
    beta = {"betas": ["new-2099-01-01"], "extra_query": {"beta": "true"}}
    answer = client.beta.messages.create(model=CLAUDE, max_tokens=9, messages=asked("beta"), **beta)
    same(answer.content[0].text, "beta=true new-2099-01-01")


@check("anthropic.messages_unknown")
def _():
    answer = ask("echo", extra_body={"x_new": UNKNOWN})
    same(json.loads(answer.content[0].text), {"x_new": UNKNOWN})
    same(answer.model_extra["x_of_tomorrow"], UNKNOWN)


@check("anthropic.count_tokens")
def _():
    same(client.messages.count_tokens(model=CLAUDE, messages=asked("hello")).input_tokens, 14)


@check("anthropic.models")
def _():
    same([one.id for one in client.models.list()], [CLAUDE])


@check("anthropic.batches")
def _():
    params = {"model": CLAUDE, "max_tokens": 9, "messages": asked("hello")}
    same(client.messages.batches.create(requests=[{"custom_id": "1", "params": params}]).id, "msgbatch_up")


@check("anthropic.errors")
def _():
    patient = client.with_options(max_retries=0)
    with raises(anthropic.AuthenticationError, type="authentication_error"):
        ask("e401", "of-401", by=patient)
    with raises(anthropic.NotFoundError, type="not_found_error"):
        ask("e404", "of-404", by=patient)
    with raises(anthropic.RateLimitError, type="rate_limit_error"):
        ask("e429", "of-429", by=patient)
    with raises(anthropic.InternalServerError, type="overloaded_error"):
        ask("e529", "of-529", by=patient)
    with raises(anthropic.BadRequestError, type="invalid_request_error"):
        patient.messages.create(model=CLAUDE, max_tokens=9, messages="not a list")


@check("anthropic.retry_after")
def _():
    with takes(at_least=0.99):
        same(ask("busy", "of-busy").content[0].text, HELLO)


@check("anthropic.cut_stream")
def _():
    events = []
    with raises(anthropic.APIError):
        for one in ask("cut", stream=True):
            events.append(one)
    assert events, "nothing came before the cut"


@check("anthropic.key")
def _():
    raw = client.messages.with_raw_response.create(model=CLAUDE, max_tokens=9, messages=asked("hello"))
    same(raw.headers["anthropic-ratelimit-requests-limit"], "100000")
    with raises(anthropic.AuthenticationError, type="authentication_error"):
        ask(by=client.with_options(api_key="fh-unknown"))
    bearer = anthropic.Anthropic(base_url=URL, api_key=None, auth_token=KEY)
    same(ask(by=bearer).content[0].text, HELLO)


@check("anthropic.budget")
def _():
    with raises(anthropic.RateLimitError, told_once, type="rate_limit_error"):
        ask(by=client.with_options(api_key=POOR_KEY))


@check("anthropic.owned")
def _():
    question = {
        "model": CLAUDE,
        "max_tokens": 100,
        "system": SYSTEM,
        "messages": [{"role": "user", "content": OWNED_TEXT}],
    }
    raw = client.messages.with_raw_response.create(**question)
    answer = raw.parse()
    same(raw.headers["x-freehold-served-by"], "owned")
    same((answer.content[0].text, answer.stop_reason), (OWNED_ANSWER, "end_turn"))
    owned, rented = (fields(one.model_dump(exclude_none=True)) for one in (answer, ask()))
    same(owned, rented)


@check("anthropic.owned_stream")
def _():
    question = {
        "model": CLAUDE,
        "max_tokens": 100,
        "system": SYSTEM,
        "messages": [{"role": "user", "content": OWNED_TEXT}],
    }
    events = list(client.messages.create(**question, stream=True))
    same(text_of(events), OWNED_ANSWER)
    rented = list(ask(stream=True))
    same(list(dict.fromkeys(one.type for one in events)), list(dict.fromkeys(one.type for one in rented)))
    with client.messages.stream(**question) as stream:
        same(stream.get_final_text(), OWNED_ANSWER)


@check("anthropic.translated")
def _():
    answer = ask(model=BY_GPT)
    same((answer.content[0].text, answer.stop_reason, answer.usage.output_tokens), (HELLO, "end_turn", 7))


@check("anthropic.translated_stream")
def _():
    same(text_of(ask(model=BY_GPT, stream=True)), HELLO)
    with raises(anthropic.APIError):
        list(ask("cut", BY_GPT, stream=True))


@check("anthropic.translated_tools")
def _():
    _call_tools(BY_GPT)
    _stream_tools(BY_GPT)


if __name__ == "__main__":
    main("anthropic")
