"""LangChain: langchain-openai and langchain-anthropic."""

from __future__ import annotations

import anthropic
import openai
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
    PNG_BASE64,
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
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings

OWNED = [("system", SYSTEM), ("human", OWNED_TEXT)]
USAGE = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}


class Weather(pydantic.BaseModel):
    """A structured answer."""

    city: str
    degrees: int


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"7 degrees in {city}"


def gpt(model: str = GPT, key: str = KEY, **more) -> ChatOpenAI:
    return ChatOpenAI(model=model, base_url=OPENAI_URL, api_key=key, **more)


def claude(model: str = CLAUDE, key: str = KEY, **more) -> ChatAnthropic:
    return ChatAnthropic(model=model, base_url=URL, api_key=key, max_tokens=1000, **more)


def _whole(model) -> None:
    answer = model.invoke("do:hello")
    same(answer.text, HELLO)
    same({name: answer.usage_metadata[name] for name in USAGE}, USAGE)


def _streamed(model) -> None:
    chunks = list(model.stream("do:hello"))
    whole = chunks[0]
    for one in chunks[1:]:
        whole += one
    same(whole.text, HELLO)
    same({name: whole.usage_metadata[name] for name in USAGE}, USAGE)


async def _async(model) -> None:
    same((await model.ainvoke("do:hello")).text, HELLO)
    same("".join([one.text async for one in model.astream("do:hello")]), HELLO)


def _tools(model) -> None:
    bound = model.bind_tools([weather])
    turns = [HumanMessage("do:tools")]
    turns.append(bound.invoke(turns))
    same([one["args"]["city"] for one in turns[-1].tool_calls], CITIES)
    turns += [ToolMessage(weather.invoke(one["args"]), tool_call_id=one["id"]) for one in turns[-1].tool_calls]
    same(bound.invoke(turns).text, TOOLS_ANSWER)


def _tools_streamed(model) -> None:
    chunks = list(model.bind_tools([weather]).stream("do:tools"))
    whole = chunks[0]
    for one in chunks[1:]:
        whole += one
    same([one["args"]["city"] for one in whole.tool_calls], CITIES)


def _structured(model) -> None:
    same(model.with_structured_output(Weather).invoke("do:structured"), Weather(**WEATHER))


def _images(model) -> None:
    image = {"type": "image", "base64": PNG_BASE64, "mime_type": "image/png"}
    same(model.invoke([HumanMessage([{"type": "text", "text": "do:image"}, image])]).text, IMAGE_ANSWER)


def _errors(make, kinds: dict[int, type[Exception]]) -> None:
    for status, kind in kinds.items():
        with raises(kind, status_code=status):
            make(f"of-{status}", max_retries=0).invoke(f"do:e{status}")


def _waits(model) -> None:
    with takes(at_least=0.99):
        same(model.invoke("do:busy").text, HELLO)


def _cut(model, kind: type[Exception]) -> None:
    chunks = []
    with raises(kind):
        for one in model.stream("do:cut"):
            chunks.append(one)
    assert chunks, "nothing came before the cut"


def _owned(model) -> None:
    same(model.invoke(OWNED).text, OWNED_ANSWER)


def _owned_streamed(model) -> None:
    same("".join(one.text for one in model.stream(OWNED)), OWNED_ANSWER)


@check("openai.chat")
def _():
    _whole(gpt())


@check("openai.chat_stream")
def _():
    _streamed(gpt(stream_usage=True))


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
    answer = gpt(logprobs=True, top_logprobs=1).invoke("do:logprobs")
    same(answer.response_metadata["logprobs"]["content"][0]["logprob"], -0.25)


@check("openai.chat_images")
def _():
    _images(gpt())


@check("openai.chat_choices")
def _():
    answers = gpt(n=3).generate([[HumanMessage("do:hello")]]).generations[0]
    same([one.text for one in answers], [HELLO] * 3)


@check("openai.chat_unknown")
def _():
    answer = gpt(extra_body={"x_new": {"deep": [1]}}).invoke("do:echo")
    same(answer.text, '{"x_new": {"deep": [1]}}')


@check("openai.responses")
def _():
    _whole(gpt(use_responses_api=True))


@check("openai.responses_stream")
def _():
    _streamed(gpt(use_responses_api=True))


@check("openai.responses_tools")
def _():
    _tools(gpt(use_responses_api=True))


@check("openai.completions")
def _():
    same(OpenAI(model=GPT, base_url=OPENAI_URL, api_key=KEY).invoke("do:hello"), HELLO)


@check("openai.completions_stream")
def _():
    same("".join(OpenAI(model=GPT, base_url=OPENAI_URL, api_key=KEY).stream("do:hello")), HELLO)


@check("openai.embeddings")
def _():
    made = OpenAIEmbeddings(model=GPT, base_url=OPENAI_URL, api_key=KEY, check_embedding_ctx_length=False)
    same(made.embed_documents(["a", "b"]), [[0.5, -0.25, 0.0], [0.5, -0.25, 1.0]])


@check("openai.errors")
def _():
    kinds = {401: openai.AuthenticationError, 404: openai.NotFoundError}
    _errors(gpt, kinds | {429: openai.RateLimitError, 500: openai.InternalServerError})


@check("openai.retry_after")
def _():
    _waits(gpt("of-busy"))


@check("openai.cut_stream")
def _():
    _cut(gpt(), openai.APIError)


@check("openai.key")
def _():
    answer = gpt(include_response_headers=True).invoke("do:hello")
    same(answer.response_metadata["headers"]["x-ratelimit-limit-requests"], "100000")
    with raises(openai.AuthenticationError, code="invalid_key"):
        gpt(key="fh-unknown").invoke("do:hello")


@check("openai.budget")
def _():
    model = gpt(key=POOR_KEY, max_tokens=1000)
    with takes(below=1.0), raises(openai.RateLimitError, code="budget_exhausted"):
        model.invoke("do:hello")


@check("openai.owned")
def _():
    _owned(gpt())
    _owned(gpt(use_responses_api=True))


@check("openai.owned_stream")
def _():
    _owned_streamed(gpt())
    _owned_streamed(gpt(use_responses_api=True))


@check("openai.translated")
def _():
    _whole(gpt(BY_CLAUDE))


@check("openai.translated_stream")
def _():
    _streamed(gpt(BY_CLAUDE, stream_usage=True))
    _cut(gpt(BY_CLAUDE), openai.APIError)


@check("openai.translated_tools")
def _():
    _tools(gpt(BY_CLAUDE))
    _tools_streamed(gpt(BY_CLAUDE))


@check("anthropic.messages")
def _():
    _whole(claude())


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


@check("anthropic.count_tokens")
def _():
    same(claude().get_num_tokens_from_messages([HumanMessage("do:hello")]), 14)


@check("anthropic.errors")
def _():
    kinds = {401: anthropic.AuthenticationError, 404: anthropic.NotFoundError}
    _errors(claude, kinds | {429: anthropic.RateLimitError, 529: anthropic.InternalServerError})


@check("anthropic.retry_after")
def _():
    _waits(claude("of-busy"))


@check("anthropic.cut_stream")
def _():
    _cut(claude(), anthropic.APIError)


@check("anthropic.key")
def _():
    with raises(anthropic.AuthenticationError, status_code=401):
        claude(key="fh-unknown").invoke("do:hello")


@check("anthropic.budget")
def _():
    model = claude(key=POOR_KEY)
    with takes(below=1.0), raises(anthropic.RateLimitError, status_code=429):
        model.invoke("do:hello")


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
    _cut(claude(BY_GPT), anthropic.APIError)


@check("anthropic.translated_tools")
def _():
    _tools(claude(BY_GPT))
    _tools_streamed(claude(BY_GPT))


if __name__ == "__main__":
    main("langchain-openai", "langchain-anthropic")
