"""instructor, over the official clients of both APIs: structured outputs by tools, by schema and by responses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anthropic
import instructor
import openai
import pydantic
from _harness import (
    BY_CLAUDE,
    BY_GPT,
    CLAUDE,
    GPT,
    KEY,
    OPENAI_URL,
    PNG_URL,
    POOR_KEY,
    URL,
    WEATHER,
    check,
    main,
    same,
    takes,
)

ASKED = [{"role": "user", "content": "do:structured"}]


class Weather(pydantic.BaseModel):
    """A structured answer."""

    city: str
    degrees: int


def gpt(mode: instructor.Mode = instructor.Mode.TOOLS, key: str = KEY, **more):
    return instructor.from_openai(openai.OpenAI(base_url=OPENAI_URL, api_key=key, **more), mode=mode)


def claude(key: str = KEY, **more):
    client = anthropic.Anthropic(base_url=URL, api_key=key, **more)
    return instructor.from_anthropic(client, mode=instructor.Mode.TOOLS)


def _by_gpt(client, model: str = GPT, order: str = "structured") -> dict:
    asked = [{"role": "user", "content": f"do:{order}"}]
    return client.create(model=model, messages=asked, response_model=Weather).model_dump()


def _by_claude(client, model: str = CLAUDE, order: str = "structured") -> dict:
    asked = [{"role": "user", "content": f"do:{order}"}]
    return client.create(model=model, max_tokens=1000, messages=asked, response_model=Weather).model_dump()


def _partial(client, model: str, **more) -> dict:
    *_, last = client.create_partial(model=model, messages=ASKED, response_model=Weather, **more)
    return last.model_dump()


def _cut(client, model: str, kind: type[Exception], **more) -> None:
    asked = [{"role": "user", "content": "do:cut"}]
    with _refused(kind):
        list(client.create_partial(model=model, messages=asked, response_model=Weather, **more))


@contextmanager
def _refused(kind: type[Exception]) -> Iterator[None]:
    """The block must fail at once because of this error of the official client, however it is wrapped."""
    with takes(below=1.0):
        try:
            yield
        except Exception as fault:  # noqa: BLE001 -- its causes are looked at
            chain = [fault, fault.__cause__, fault.__context__, getattr(fault.__cause__, "__cause__", None)]
            assert any(isinstance(one, kind) for one in chain), f"{chain!r} has no {kind.__name__}"
            return
    raise AssertionError("nothing was raised")


@check("openai.chat_structured")
def _():
    same(_by_gpt(gpt()), WEATHER)
    same(_by_gpt(gpt(instructor.Mode.JSON_SCHEMA)), WEATHER)


@check("openai.chat_stream")
def _():
    same(_partial(gpt(), GPT), WEATHER)


@check("openai.chat_async")
async def _():
    client = instructor.from_openai(openai.AsyncOpenAI(base_url=OPENAI_URL, api_key=KEY))
    same((await client.create(model=GPT, messages=ASKED, response_model=Weather)).model_dump(), WEATHER)


@check("openai.responses")
def _():
    same(_by_gpt(gpt(instructor.Mode.RESPONSES_TOOLS)), WEATHER)


@check("openai.chat_images")
def _():
    image = {"type": "image_url", "image_url": {"url": PNG_URL}}
    asked = [{"role": "user", "content": [{"type": "text", "text": "do:structured"}, image]}]
    same(gpt().create(model=GPT, messages=asked, response_model=Weather).model_dump(), WEATHER)


@check("openai.errors")
def _():
    kinds = {401: openai.AuthenticationError, 404: openai.NotFoundError, 429: openai.RateLimitError}
    for status, kind in (kinds | {500: openai.InternalServerError}).items():
        with _refused(kind):
            _by_gpt(gpt(max_retries=0), f"of-{status}", f"e{status}")


@check("openai.retry_after")
def _():
    with takes(at_least=0.99):
        same(_by_gpt(gpt(), "of-busy", "busy"), WEATHER)


@check("openai.cut_stream")
def _():
    _cut(gpt(), GPT, openai.APIError)


@check("openai.key")
def _():
    with _refused(openai.AuthenticationError):
        _by_gpt(gpt(key="fh-unknown"))


@check("openai.budget")
def _():
    with _refused(openai.RateLimitError):
        _by_gpt(gpt(key=POOR_KEY))


@check("openai.translated")
def _():
    same(_by_gpt(gpt(), BY_CLAUDE), WEATHER)
    same(_by_gpt(gpt(instructor.Mode.JSON_SCHEMA), BY_CLAUDE), WEATHER)


@check("openai.translated_stream")
def _():
    same(_partial(gpt(), BY_CLAUDE), WEATHER)
    _cut(gpt(), BY_CLAUDE, openai.APIError)


@check("anthropic.messages_structured")
def _():
    same(_by_claude(claude()), WEATHER)


@check("anthropic.messages_stream")
def _():
    same(_partial(claude(), CLAUDE, max_tokens=1000), WEATHER)


@check("anthropic.messages_async")
async def _():
    client = instructor.from_anthropic(anthropic.AsyncAnthropic(base_url=URL, api_key=KEY))
    same(
        (await client.create(model=CLAUDE, max_tokens=1000, messages=ASKED, response_model=Weather)).model_dump(),
        WEATHER,
    )


@check("anthropic.errors")
def _():
    kinds = {401: anthropic.AuthenticationError, 404: anthropic.NotFoundError, 429: anthropic.RateLimitError}
    for status, kind in (kinds | {529: anthropic.InternalServerError}).items():
        with _refused(kind):
            _by_claude(claude(max_retries=0), f"of-{status}", f"e{status}")


@check("anthropic.retry_after")
def _():
    with takes(at_least=0.99):
        same(_by_claude(claude(), "of-busy", "busy"), WEATHER)


@check("anthropic.cut_stream")
def _():
    _cut(claude(), CLAUDE, anthropic.APIError, max_tokens=1000)


@check("anthropic.key")
def _():
    with _refused(anthropic.AuthenticationError):
        _by_claude(claude(key="fh-unknown"))


@check("anthropic.budget")
def _():
    with _refused(anthropic.RateLimitError):
        _by_claude(claude(key=POOR_KEY))


@check("anthropic.translated")
def _():
    same(_by_claude(claude(), BY_GPT), WEATHER)


@check("anthropic.translated_stream")
def _():
    same(_partial(claude(), BY_GPT, max_tokens=1000), WEATHER)
    _cut(claude(), BY_GPT, anthropic.APIError, max_tokens=1000)


if __name__ == "__main__":
    main("instructor")
