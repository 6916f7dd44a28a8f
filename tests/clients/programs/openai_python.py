"""OpenAI's own client for Python."""

from __future__ import annotations

import json

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
    PARAMETERS,
    PNG_URL,
    POOR_KEY,
    SEAL,
    SYSTEM,
    THOUGHT,
    TOOLS_ANSWER,
    UNKNOWN,
    WEATHER,
    check,
    fields,
    main,
    raises,
    same,
    takes,
    told_once,
)

client = openai.OpenAI(base_url=OPENAI_URL, api_key=KEY)
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]
FLAT_TOOLS = [{"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": False}]
OWNED = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": OWNED_TEXT}]


class Weather(pydantic.BaseModel):
    """A structured answer."""

    city: str
    degrees: int


def ask(order: str = "hello", model: str = GPT, by: openai.OpenAI = client, **more):
    return by.chat.completions.create(model=model, messages=[{"role": "user", "content": f"do:{order}"}], **more)


def text_of(chunks) -> str:
    return "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)


@check("openai.chat")
def _():
    answer = ask()
    same(answer.choices[0].message.content, HELLO)
    same((answer.choices[0].finish_reason, answer.usage.total_tokens, answer._request_id), ("stop", 18, "req_up"))


@check("openai.chat_stream")
def _():
    chunks = list(ask(stream=True, stream_options={"include_usage": True}))
    same((text_of(chunks), chunks[-1].usage.total_tokens), (HELLO, 18))
    with client.chat.completions.stream(model=GPT, messages=[{"role": "user", "content": "do:hello"}]) as stream:
        same(stream.get_final_completion().choices[0].message.content, HELLO)


@check("openai.chat_async")
async def _():
    asked = [{"role": "user", "content": "do:hello"}]
    async with openai.AsyncOpenAI(base_url=OPENAI_URL, api_key=KEY) as one:
        whole = await one.chat.completions.create(model=GPT, messages=asked)
        same(whole.choices[0].message.content, HELLO)
        stream = await one.chat.completions.create(model=GPT, messages=asked, stream=True)
        same(text_of([chunk async for chunk in stream]), HELLO)


def _call_tools(model: str) -> None:
    asked = [{"role": "user", "content": "do:tools"}]
    message = client.chat.completions.create(model=model, messages=asked, tools=TOOLS).choices[0].message
    same([json.loads(one.function.arguments)["city"] for one in message.tool_calls], CITIES)
    results = [{"role": "tool", "tool_call_id": one.id, "content": "7"} for one in message.tool_calls]
    asked += [message.model_dump(exclude_none=True), *results]
    same(
        client.chat.completions.create(model=model, messages=asked, tools=TOOLS).choices[0].message.content,
        TOOLS_ANSWER,
    )


def _stream_tools(model: str) -> None:
    asked = [{"role": "user", "content": "do:tools"}]
    with client.chat.completions.stream(model=model, messages=asked, tools=TOOLS) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls
    same([json.loads(one.function.arguments)["city"] for one in calls], CITIES)


@check("openai.chat_tools")
def _():
    _call_tools(GPT)


@check("openai.chat_tools_stream")
def _():
    _stream_tools(GPT)


@check("openai.chat_structured")
def _():
    asked = [{"role": "user", "content": "do:structured"}]
    answer = client.chat.completions.parse(model=GPT, messages=asked, response_format=Weather)
    same(answer.choices[0].message.parsed, Weather(**WEATHER))


@check("openai.chat_logprobs")
def _():
    answer = ask("logprobs", logprobs=True, top_logprobs=1)
    same(answer.choices[0].logprobs.content[0].top_logprobs[0].logprob, -0.25)


@check("openai.chat_images")
def _():
    parts = [{"type": "text", "text": "do:image"}, {"type": "image_url", "image_url": {"url": PNG_URL}}]
    answer = client.chat.completions.create(model=GPT, messages=[{"role": "user", "content": parts}])
    same(answer.choices[0].message.content, IMAGE_ANSWER)


@check("openai.chat_audio")
def _():
    sound = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    turn = {"role": "user", "content": [{"type": "text", "text": "do:audio"}, sound]}
    same(client.chat.completions.create(model=GPT, messages=[turn]).choices[0].message.content, "wav 4")


@check("openai.chat_choices")
def _():
    same([one.message.content for one in ask(n=3).choices], [HELLO] * 3)


@check("openai.chat_unknown")
def _():
    answer = ask("echo", extra_body={"x_new": UNKNOWN})
    same(json.loads(answer.choices[0].message.content), {"x_new": UNKNOWN})
    same(answer.model_extra["x_of_tomorrow"], UNKNOWN)
    chunks = list(ask("echo", stream=True, extra_body={"x_new": UNKNOWN}))
    same(chunks[0].model_extra["x_of_tomorrow"], UNKNOWN)


@check("openai.responses")
def _():
    answer = client.responses.create(model=GPT, input="do:hello")
    same((answer.output_text, answer.status, answer.usage.total_tokens), (HELLO, "completed", 18))
    same(
        client.responses.parse(model=GPT, input="do:structured", text_format=Weather).output_parsed, Weather(**WEATHER)
    )


@check("openai.responses_stream")
def _():
    with client.responses.stream(model=GPT, input="do:hello") as stream:
        same("".join(one.delta for one in stream if one.type == "response.output_text.delta"), HELLO)
        same(stream.get_final_response().output_text, HELLO)


@check("openai.responses_tools")
def _():
    asked = [{"role": "user", "content": "do:tools"}]
    answer = client.responses.create(model=GPT, input=asked, tools=FLAT_TOOLS)
    same([json.loads(one.arguments)["city"] for one in answer.output], CITIES)
    asked += [one.model_dump(exclude_none=True) for one in answer.output]
    asked += [{"type": "function_call_output", "call_id": one.call_id, "output": "7"} for one in answer.output]
    same(client.responses.create(model=GPT, input=asked, tools=FLAT_TOOLS).output_text, TOOLS_ANSWER)


@check("openai.responses_reasoning")
def _():
    def remembered(output) -> str:
        turns = [one.model_dump(exclude_none=True) for one in output]
        turns.append({"role": "user", "content": "do:remember"})
        return client.responses.create(model=GPT, input=turns).output_text

    asked = {"model": GPT, "input": "do:think", "include": ["reasoning.encrypted_content"]}
    answer = client.responses.create(**asked)
    same((answer.output[0].summary[0].text, answer.output_text, remembered(answer.output)), (THOUGHT, HELLO, SEAL))
    with client.responses.stream(**asked) as stream:
        same(remembered(stream.get_final_response().output), SEAL)


@check("openai.completions")
def _():
    same(client.completions.create(model=GPT, prompt="do:hello").choices[0].text, HELLO)


@check("openai.completions_stream")
def _():
    chunks = client.completions.create(model=GPT, prompt="do:hello", stream=True)
    same("".join(one.choices[0].text for one in chunks), HELLO)


@check("openai.embeddings")
def _():
    answer = client.embeddings.create(model=GPT, input=["a", "b"])
    same([one.embedding for one in answer.data], [[0.5, -0.25, 0.0], [0.5, -0.25, 1.0]])
    answer = client.embeddings.create(model=GPT, input="a", encoding_format="float")
    same(answer.data[0].embedding, [0.5, -0.25, 0.0])


@check("openai.models")
def _():
    same([one.id for one in client.models.list()], ["gpt-4.1", "gpt-4.1-mini"])


@check("openai.files")
def _():
    made = client.files.create(file=("batch.jsonl", b'{"custom_id":"1"}\n'), purpose="batch")
    same(made.id, "file-up")
    batch = client.batches.create(input_file_id=made.id, endpoint="/v1/chat/completions", completion_window="24h")
    same(batch.id, "batch_up")


@check("openai.errors")
def _():
    patient = client.with_options(max_retries=0)
    with raises(openai.AuthenticationError, code="invalid_api_key"):
        ask("e401", "of-401", by=patient)
    with raises(openai.NotFoundError, code="model_not_found"):
        ask("e404", "of-404", by=patient)
    with raises(openai.RateLimitError, code="rate_limit_exceeded"):
        ask("e429", "of-429", by=patient)
    with raises(openai.InternalServerError, code="server_error"):
        ask("e500", "of-500", by=patient)
    with raises(openai.BadRequestError, code="bad_request"):
        patient.chat.completions.create(model=GPT, messages="not a list")


@check("openai.retry_after")
def _():
    with takes(at_least=0.99):
        same(ask("busy", "of-busy").choices[0].message.content, HELLO)


@check("openai.cut_stream")
def _():
    chunks = []
    with raises(openai.APIError):
        for one in ask("cut", stream=True):
            chunks.append(one)
    assert chunks, "nothing came before the cut"


@check("openai.key")
def _():
    raw = client.chat.completions.with_raw_response.create(model=GPT, messages=[{"role": "user", "content": "hi"}])
    same(raw.headers["x-ratelimit-limit-requests"], "100000")
    with raises(openai.AuthenticationError, code="invalid_key"):
        ask(by=client.with_options(api_key="fh-unknown"))


@check("openai.budget")
def _():
    with raises(openai.RateLimitError, told_once, code="budget_exhausted"):
        ask(by=client.with_options(api_key=POOR_KEY), max_tokens=1000)


@check("openai.owned")
def _():
    raw = client.chat.completions.with_raw_response.create(model=GPT, messages=OWNED)
    answer = raw.parse()
    same(raw.headers["x-freehold-served-by"], "owned")
    same((answer.choices[0].message.content, answer.choices[0].finish_reason), (OWNED_ANSWER, "stop"))
    same(fields(answer.model_dump(exclude_unset=True)), fields(ask().model_dump(exclude_unset=True)))
    response = client.responses.create(model=GPT, instructions=SYSTEM, input=OWNED_TEXT)
    same((response.output_text, response.status), (OWNED_ANSWER, "completed"))


@check("openai.owned_stream")
def _():
    options = {"stream": True, "stream_options": {"include_usage": True}}
    owned = list(client.chat.completions.create(model=GPT, messages=OWNED, **options))
    rented = list(ask(**options))
    same(text_of(owned), OWNED_ANSWER)
    for place in (0, -2, -1):
        found, wanted = (fields(one[place].model_dump(exclude_unset=True)) for one in (owned, rented))
        same(found, wanted)
    with client.responses.stream(model=GPT, instructions=SYSTEM, input=OWNED_TEXT) as stream:
        same(stream.get_final_response().output_text, OWNED_ANSWER)


@check("openai.translated")
def _():
    answer = ask(model=BY_CLAUDE)
    same((answer.choices[0].message.content, answer.usage.total_tokens), (HELLO, 18))
    same(client.responses.create(model=BY_CLAUDE, input="do:hello").output_text, HELLO)


@check("openai.translated_stream")
def _():
    chunks = list(ask(model=BY_CLAUDE, stream=True, stream_options={"include_usage": True}))
    same((text_of(chunks), chunks[-1].usage.total_tokens), (HELLO, 18))
    with raises(openai.APIError):
        list(ask("cut", BY_CLAUDE, stream=True))


@check("openai.translated_tools")
def _():
    _call_tools(BY_CLAUDE)
    _stream_tools(BY_CLAUDE)


if __name__ == "__main__":
    main("openai")
