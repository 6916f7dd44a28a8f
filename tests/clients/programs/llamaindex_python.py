"""LlamaIndex: llama-index-llms-openai-like and llama-index-embeddings-openai."""

from __future__ import annotations

import openai
import pydantic
from _harness import (
    BY_CLAUDE,
    CITIES,
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
    WEATHER,
    check,
    main,
    raises,
    same,
    takes,
)
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai_like import OpenAILike, OpenAILikeResponses

ASKED = [ChatMessage(role="user", content="do:hello")]
OWNED = [ChatMessage(role="system", content=SYSTEM), ChatMessage(role="user", content=OWNED_TEXT)]


class Weather(pydantic.BaseModel):
    """A structured answer."""

    city: str
    degrees: int


def weather(city: str) -> str:
    """The weather in a city."""
    return f"7 degrees in {city}"


TOOL = FunctionTool.from_defaults(weather)


def gpt(model: str = GPT, key: str = KEY, *, chat: bool = True, **more) -> OpenAILike:
    return OpenAILike(
        model=model, api_base=OPENAI_URL, api_key=key, is_chat_model=chat, is_function_calling_model=chat, **more
    )


def responses(model: str = GPT) -> OpenAILikeResponses:
    return OpenAILikeResponses(model=model, api_base=OPENAI_URL, api_key=KEY, is_function_calling_model=True)


def _whole(model) -> None:
    same(model.chat(ASKED).message.content, HELLO)


def _streamed(model) -> None:
    pieces = list(model.stream_chat(ASKED))
    same("".join(one.delta or "" for one in pieces), HELLO)
    same(pieces[-1].message.content, HELLO)


def _tools(model) -> None:
    turns = [ChatMessage(role="user", content="do:tools")]
    answer = model.chat_with_tools([TOOL], chat_history=turns, allow_parallel_tool_calls=True)
    calls = model.get_tool_calls_from_response(answer)
    same([one.tool_kwargs["city"] for one in calls], CITIES)
    turns.append(answer.message)
    for one in calls:
        more = {"tool_call_id": one.tool_id}
        turns.append(ChatMessage(role=MessageRole.TOOL, content=weather(**one.tool_kwargs), additional_kwargs=more))
    same(model.chat_with_tools([TOOL], chat_history=turns).message.content, TOOLS_ANSWER)


def _tools_streamed(model) -> None:
    *_, last = model.stream_chat_with_tools([TOOL], "do:tools", allow_parallel_tool_calls=True)
    same([one.tool_kwargs["city"] for one in model.get_tool_calls_from_response(last)], CITIES)


def _cut(model) -> None:
    pieces = []
    with raises(openai.APIError):
        for one in model.stream_chat([ChatMessage(role="user", content="do:cut")]):
            pieces.append(one)
    assert pieces, "nothing came before the cut"


@check("openai.chat")
def _():
    answer = gpt().chat(ASKED)
    same((answer.message.content, answer.raw.usage.total_tokens), (HELLO, 18))


@check("openai.chat_stream")
def _():
    _streamed(gpt())


@check("openai.chat_async")
async def _():
    model = gpt()
    same((await model.achat(ASKED)).message.content, HELLO)
    same("".join([one.delta or "" async for one in await model.astream_chat(ASKED)]), HELLO)


@check("openai.chat_tools")
def _():
    _tools(gpt())


@check("openai.chat_tools_stream")
def _():
    _tools_streamed(gpt())


@check("openai.chat_structured")
def _():
    asked = [ChatMessage(role="user", content="do:structured")]
    same(gpt().as_structured_llm(Weather).chat(asked).raw, Weather(**WEATHER))
    strict = gpt(should_use_structured_outputs=True)
    same(strict.as_structured_llm(Weather).chat(asked).raw, Weather(**WEATHER))


@check("openai.chat_logprobs")
def _():
    answer = gpt(logprobs=True, top_logprobs=1).chat([ChatMessage(role="user", content="do:logprobs")])
    same(answer.logprobs[0][0].logprob, -0.25)


@check("openai.chat_images")
def _():
    blocks = [TextBlock(text="do:image"), ImageBlock(image=PNG, image_mimetype="image/png")]
    same(gpt().chat([ChatMessage(role="user", blocks=blocks)]).message.content, IMAGE_ANSWER)


@check("openai.chat_unknown")
def _():
    model = gpt(additional_kwargs={"extra_body": {"x_new": {"deep": [1]}}})
    same(model.chat([ChatMessage(role="user", content="do:echo")]).message.content, '{"x_new": {"deep": [1]}}')


@check("openai.responses")
def _():
    _whole(responses())


@check("openai.responses_stream")
def _():
    same("".join(one.delta or "" for one in responses().stream_chat(ASKED)), HELLO)


@check("openai.responses_tools")
def _():
    _tools(responses())


@check("openai.completions")
def _():
    same(gpt(chat=False).complete("do:hello").text, HELLO)


@check("openai.completions_stream")
def _():
    same("".join(one.delta for one in gpt(chat=False).stream_complete("do:hello")), HELLO)


@check("openai.embeddings")
def _():
    model = OpenAIEmbedding(model_name=GPT, api_base=OPENAI_URL, api_key=KEY)
    same(model.get_text_embedding_batch(["a", "b"]), [[0.5, -0.25, 0.0], [0.5, -0.25, 1.0]])


@check("openai.errors")
def _():
    kinds = {401: openai.AuthenticationError, 404: openai.NotFoundError, 429: openai.RateLimitError}
    for status, kind in (kinds | {500: openai.InternalServerError}).items():
        with raises(kind, status_code=status):
            gpt(f"of-{status}", max_retries=0).chat([ChatMessage(role="user", content=f"do:e{status}")])


@check("openai.retry_after")
def _():
    with takes(at_least=0.99):
        same(gpt("of-busy").chat([ChatMessage(role="user", content="do:busy")]).message.content, HELLO)


@check("openai.cut_stream")
def _():
    _cut(gpt())


@check("openai.key")
def _():
    with raises(openai.AuthenticationError, code="invalid_key"):
        gpt(key="fh-unknown").chat(ASKED)


@check("openai.budget")
def _():
    model = gpt(key=POOR_KEY, max_tokens=1000)
    with takes(below=1.0), raises(openai.RateLimitError, code="budget_exhausted"):
        model.chat(ASKED)


@check("openai.owned")
def _():
    same(gpt().chat(OWNED).message.content, OWNED_ANSWER)


@check("openai.owned_stream")
def _():
    same("".join(one.delta or "" for one in gpt().stream_chat(OWNED)), OWNED_ANSWER)


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


if __name__ == "__main__":
    main("llama-index-llms-openai-like", "llama-index-embeddings-openai")
