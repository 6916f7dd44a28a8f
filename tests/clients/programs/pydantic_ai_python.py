"""Pydantic AI, with its models for both APIs."""

from __future__ import annotations

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
    PNG,
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
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import Agent, BinaryContent, Embedder, NativeOutput
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider


class Weather(pydantic.BaseModel):
    """A structured answer."""

    city: str
    degrees: int


def gpt(name: str = GPT, key: str = KEY, kind: type = OpenAIChatModel):
    return kind(name, provider=OpenAIProvider(base_url=OPENAI_URL, api_key=key))


def claude(name: str = CLAUDE, key: str = KEY):
    return AnthropicModel(name, provider=AnthropicProvider(base_url=URL, api_key=key))


async def _whole(model) -> None:
    result = await Agent(model).run("do:hello")
    same((result.output, result.usage.input_tokens, result.usage.output_tokens), (HELLO, 11, 7))


async def _streamed(model) -> None:
    async with Agent(model).run_stream("do:hello") as result:
        same("".join([piece async for piece in result.stream_text(delta=True)]), HELLO)
        same((result.usage.input_tokens, result.usage.output_tokens), (11, 7))


def _with_tool(model) -> tuple[Agent, list[str]]:
    agent, asked = Agent(model), []

    @agent.tool_plain
    def weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return f"7 degrees in {city}"

    return agent, asked


async def _tools(model) -> None:
    agent, asked = _with_tool(model)
    same((await agent.run("do:tools")).output, TOOLS_ANSWER)
    same(sorted(asked), CITIES)


async def _tools_streamed(model) -> None:
    agent, asked = _with_tool(model)
    async with agent.run_stream("do:tools") as result:
        same(await result.get_output(), TOOLS_ANSWER)
    same(sorted(asked), CITIES)


async def _structured(model) -> None:
    same((await Agent(model, output_type=Weather).run("do:structured")).output, Weather(**WEATHER))
    same((await Agent(model, output_type=NativeOutput(Weather)).run("do:structured")).output, Weather(**WEATHER))


async def _images(model) -> None:
    result = await Agent(model).run(["do:image", BinaryContent(PNG, media_type="image/png")])
    same(result.output, IMAGE_ANSWER)


async def _errors(make, statuses: tuple[int, ...]) -> None:
    for status in statuses:
        with raises(ModelHTTPError, status_code=status):
            await Agent(make(f"of-{status}")).run(f"do:e{status}")


async def _waits(model) -> None:
    with takes(at_least=0.99):
        same((await Agent(model).run("do:busy")).output, HELLO)


async def _cut(model) -> None:
    pieces = []
    with raises(ModelAPIError):
        async with Agent(model).run_stream("do:cut") as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                pieces.append(piece)
    assert pieces, "nothing came before the cut"


async def _refused(model, status: int) -> None:
    with takes(below=1.0), raises(ModelHTTPError, status_code=status):
        await Agent(model).run("do:hello", model_settings={"max_tokens": 1000})


async def _owned(model) -> None:
    same((await Agent(model, system_prompt=SYSTEM).run(OWNED_TEXT)).output, OWNED_ANSWER)


async def _owned_streamed(model) -> None:
    async with Agent(model, system_prompt=SYSTEM).run_stream(OWNED_TEXT) as result:
        same(await result.get_output(), OWNED_ANSWER)


@check("openai.chat")
async def _():
    await _whole(gpt())


@check("openai.chat_stream")
async def _():
    await _streamed(gpt())


@check("openai.chat_async")
async def _():
    await _whole(gpt())
    await _streamed(gpt())


@check("openai.chat_tools")
async def _():
    await _tools(gpt())


@check("openai.chat_tools_stream")
async def _():
    await _tools_streamed(gpt())


@check("openai.chat_structured")
async def _():
    await _structured(gpt())


@check("openai.chat_logprobs")
async def _():
    settings = {"openai_logprobs": True, "openai_top_logprobs": 1}
    result = await Agent(gpt()).run("do:logprobs", model_settings=settings)
    same(result.response.provider_details["logprobs"][0]["logprob"], -0.25)


@check("openai.chat_images")
async def _():
    await _images(gpt())


@check("openai.chat_unknown")
async def _():
    result = await Agent(gpt()).run("do:echo", model_settings={"extra_body": {"x_new": {"deep": [1]}}})
    same(result.output, '{"x_new": {"deep": [1]}}')


@check("openai.responses")
async def _():
    await _whole(gpt(kind=OpenAIResponsesModel))


@check("openai.responses_stream")
async def _():
    await _streamed(gpt(kind=OpenAIResponsesModel))


@check("openai.responses_tools")
async def _():
    await _tools(gpt(kind=OpenAIResponsesModel))


@check("openai.embeddings")
async def _():
    model = OpenAIEmbeddingModel(GPT, provider=OpenAIProvider(base_url=OPENAI_URL, api_key=KEY))
    result = await Embedder(model).embed_documents(["a", "b"])
    same([list(one) for one in result.embeddings], [[0.5, -0.25, 0.0], [0.5, -0.25, 1.0]])


@check("openai.errors")
async def _():
    def patient(name: str):
        client = AsyncOpenAI(base_url=OPENAI_URL, api_key=KEY, max_retries=0)
        return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=client))

    await _errors(patient, (401, 404, 429, 500))


@check("openai.retry_after")
async def _():
    await _waits(gpt("of-busy"))


@check("openai.cut_stream")
async def _():
    await _cut(gpt())


@check("openai.key")
async def _():
    await _refused(gpt(key="fh-unknown"), 401)


@check("openai.budget")
async def _():
    await _refused(gpt(key=POOR_KEY), 429)


@check("openai.owned")
async def _():
    await _owned(gpt())
    await _owned(gpt(kind=OpenAIResponsesModel))


@check("openai.owned_stream")
async def _():
    await _owned_streamed(gpt())
    await _owned_streamed(gpt(kind=OpenAIResponsesModel))


@check("openai.translated")
async def _():
    await _whole(gpt(BY_CLAUDE))


@check("openai.translated_stream")
async def _():
    await _streamed(gpt(BY_CLAUDE))
    await _cut(gpt(BY_CLAUDE))


@check("openai.translated_tools")
async def _():
    await _tools(gpt(BY_CLAUDE))
    await _tools_streamed(gpt(BY_CLAUDE))


@check("anthropic.messages")
async def _():
    await _whole(claude())


@check("anthropic.messages_stream")
async def _():
    await _streamed(claude())


@check("anthropic.messages_async")
async def _():
    await _whole(claude())
    await _streamed(claude())


@check("anthropic.messages_tools")
async def _():
    await _tools(claude())


@check("anthropic.messages_tools_stream")
async def _():
    await _tools_streamed(claude())


@check("anthropic.messages_structured")
async def _():
    await _structured(claude())


@check("anthropic.messages_images")
async def _():
    await _images(claude())


@check("anthropic.messages_unknown")
async def _():
    result = await Agent(claude()).run("do:echo", model_settings={"extra_body": {"x_new": {"deep": [1]}}})
    same(result.output, '{"x_new": {"deep": [1]}}')


@check("anthropic.errors")
async def _():
    def patient(name: str):
        client = AsyncAnthropic(base_url=URL, api_key=KEY, max_retries=0)
        return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=client))

    await _errors(patient, (401, 404, 429, 529))


@check("anthropic.retry_after")
async def _():
    await _waits(claude("of-busy"))


@check("anthropic.cut_stream")
async def _():
    await _cut(claude())


@check("anthropic.key")
async def _():
    await _refused(claude(key="fh-unknown"), 401)


@check("anthropic.budget")
async def _():
    await _refused(claude(key=POOR_KEY), 429)


@check("anthropic.owned")
async def _():
    await _owned(claude())


@check("anthropic.owned_stream")
async def _():
    await _owned_streamed(claude())


@check("anthropic.translated")
async def _():
    await _whole(claude(BY_GPT))


@check("anthropic.translated_stream")
async def _():
    await _streamed(claude(BY_GPT))
    await _cut(claude(BY_GPT))


@check("anthropic.translated_tools")
async def _():
    await _tools(claude(BY_GPT))
    await _tools_streamed(claude(BY_GPT))


if __name__ == "__main__":
    main("pydantic-ai-slim")
