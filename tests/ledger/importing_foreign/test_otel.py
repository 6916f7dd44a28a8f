"""Spans of models' calls in OTLP JSON, in the names of several generations of the conventions."""

import json
from typing import Any

import pytest

from freehold.ledger.importing.foreign import otel
from freehold.ledger.importing.protocol import Rejected
from freehold.vocabulary import Call, Usage

TRACE, SPAN, PARENT = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174", "eee19b7ec3c1b173"


def value(plain: Any) -> dict[str, Any]:
    if isinstance(plain, bool):
        return {"boolValue": plain}
    if isinstance(plain, int):
        return {"intValue": str(plain)}
    if isinstance(plain, float):
        return {"doubleValue": plain}
    if isinstance(plain, list):
        return {"arrayValue": {"values": [value(one) for one in plain]}}
    if isinstance(plain, dict):
        return {"kvlistValue": {"values": pairs(plain)}}
    return {"stringValue": plain}


def pairs(plain: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": value(one)} for name, one in plain.items()]


def span(known: dict[str, Any], events: dict[str, dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "traceId": TRACE,
        "spanId": SPAN,
        "parentSpanId": PARENT,
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": "1750000000123456789",
        "endTimeUnixNano": "1750000001373456789",
        "attributes": pairs(known),
        "events": [
            {"name": name, "timeUnixNano": "1", "attributes": pairs(one)} for name, one in (events or {}).items()
        ],
        "status": {},
        **fields,
    }


def request(*spans: dict[str, Any]) -> dict[str, Any]:
    resource = {"attributes": pairs({"service.name": "shop", "deployment.environment.name": "prod"})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "x"}, "spans": list(spans)}]}]}


def read(attributes: dict[str, Any], events: dict[str, dict[str, Any]] | None = None, **fields: Any) -> Call:
    (one,) = otel.expand(request(span(attributes, events, **fields)))
    call = otel.read(one)
    assert call is not None
    return call


TODAY = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.max_tokens": 100,
    "gen_ai.request.stop_sequences": ["\n"],
    "gen_ai.request.stream": True,
    "gen_ai.response.time_to_first_chunk": 0.25,
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 120,
    "gen_ai.usage.cache_read.input_tokens": 80,
    "gen_ai.usage.output_tokens": 9,
    "gen_ai.usage.reasoning.output_tokens": 4,
    "gen_ai.conversation.id": "conv-1",
    "gen_ai.prompt.name": "greeter",
    "enduser.id": "u-1",
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be kind."}]),
    "gen_ai.input.messages": json.dumps(
        [
            {"role": "user", "parts": [{"type": "text", "content": "Weather in Bern?"}]},
            {
                "role": "assistant",
                "parts": [{"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Bern"}}],
            },
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"sky": "blue"}}]},
        ]
    ),
    "gen_ai.output.messages": json.dumps(
        [
            {
                "role": "assistant",
                "parts": [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "Blue."}],
                "finish_reason": "stop",
            }
        ]
    ),
    "gen_ai.tool.definitions": json.dumps([{"type": "function", "name": "weather", "parameters": {"type": "object"}}]),
}


def test_a_span_of_today() -> None:
    call = read(TODAY)
    assert json.loads(call.request) == {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Weather in Bern?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
                ],
            },
            {"role": "tool", "content": '{"sky":"blue"}', "tool_call_id": "c1"},
        ],
        "temperature": 0.5,
        "max_tokens": 100,
        "stop": ["\n"],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
        "stream": True,
    }
    assert json.loads(call.response)["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "Blue."}, "finish_reason": "stop"}
    ]
    call.request = call.response = b""
    assert call == Call(
        id=f"{TRACE}-{SPAN}",
        started_at_us=1_750_000_000_123_456,
        latency_ms=1250.0,
        provider="openai",
        model="gpt-4o",
        request=b"",
        response=b"",
        ttft_ms=250.0,
        streamed=True,
        source="import",
        usage=Usage(40, cache_read_tokens=80, output_tokens=9, reasoning_tokens=4),
        tags={
            "traceparent": f"00-{TRACE}-{PARENT}-01",
            "span": SPAN,
            "parent": PARENT,
            "session": "conv-1",
            "end_user": "u-1",
            "feature": "shop",
            "prompt": "greeter",
            "environment": "prod",
            "rebuilt": "request,response",
        },
    )


def test_messages_may_be_values_and_not_text() -> None:
    messages = [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
    call = read(
        {**TODAY, "gen_ai.input.messages": messages, "gen_ai.system_instructions": [], "gen_ai.tool.definitions": []}
    )
    assert json.loads(call.request)["messages"] == [{"role": "user", "content": "Hi"}]


OLD = {"gen_ai.system": "azure.ai.openai", "gen_ai.request.model": "gpt-4", "gen_ai.operation.name": "chat"}


def test_a_part_of_no_stated_type_stays_as_it_is() -> None:
    call = read({**TODAY, "gen_ai.system_instructions": [{}, {"type": "text", "content": "Be brief."}]})
    assert json.loads(call.request)["messages"][0]["content"] == [{}, {"type": "text", "text": "Be brief."}]


def test_old_names() -> None:
    call = read(
        {
            **OLD,
            "gen_ai.usage.prompt_tokens": 30,
            "gen_ai.usage.completion_tokens": 2,
            "gen_ai.usage.cache_creation.input_tokens": 10,
            "gen_ai.openai.request.seed": 7,
            "gen_ai.prompt": json.dumps([{"role": "user", "content": "Hi"}]),
            "gen_ai.completion": json.dumps([{"role": "assistant", "content": "Hello"}]),
        }
    )
    assert (call.provider, call.usage) == ("azure", Usage(20, cache_write_tokens=10, output_tokens=2))
    assert json.loads(call.request) == {"model": "gpt-4", "messages": [{"role": "user", "content": "Hi"}], "seed": 7}
    assert json.loads(call.response)["choices"][0]["message"] == {"role": "assistant", "content": "Hello"}


def test_content_as_two_events() -> None:
    call = read(
        OLD,
        {"gen_ai.content.prompt": {"gen_ai.prompt": "Hi"}, "gen_ai.content.completion": {"gen_ai.completion": "Hello"}},
    )
    assert json.loads(call.request)["messages"] == [{"role": "user", "content": "Hi"}]
    assert json.loads(call.response)["choices"][0]["message"]["content"] == "Hello"


def test_content_as_one_event_a_message() -> None:
    events = {
        "gen_ai.system.message": {"content": "Be kind."},
        "gen_ai.user.message": {"content": "Weather?"},
        "gen_ai.assistant.message": {
            "tool_calls": json.dumps([{"id": "c", "type": "function", "function": {"name": "w", "arguments": "{}"}}])
        },
        "gen_ai.tool.message": {"content": "blue", "id": "c"},
        "gen_ai.choice": {"index": 0, "finish_reason": "stop", "message": json.dumps({"content": "Blue."})},
    }
    call = read(OLD, events)
    assert [one["role"] for one in json.loads(call.request)["messages"]] == ["system", "user", "assistant", "tool"]
    assert json.loads(call.request)["messages"][3] == {"role": "tool", "content": "blue", "tool_call_id": "c"}
    (choice,) = json.loads(call.response)["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Blue.", "stop")


def test_content_as_the_body_of_an_event() -> None:
    call = read(OLD, {"gen_ai.user.message": {"gen_ai.event.content": json.dumps({"role": "user", "content": "Hi"})}})
    assert json.loads(call.request)["messages"] == [{"role": "user", "content": "Hi"}]
    assert call.response == b""


def test_content_within_the_event_of_details() -> None:
    details = {name: one for name, one in TODAY.items() if name.endswith(".messages")}
    call = read(OLD, {"gen_ai.client.inference.operation.details": details})
    assert json.loads(call.response)["choices"][0]["message"]["content"] == "Blue."


def test_numbered_attributes() -> None:
    call = read(
        {
            "gen_ai.system": "OpenAI",
            "llm.request.type": "chat",
            "gen_ai.request.model": "gpt-4",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "Weather?",
            "llm.request.functions.0.name": "w",
            "llm.request.functions.0.parameters": '{"type":"object"}',
            "llm.is_streaming": False,
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.finish_reason": "tool_calls",
            "gen_ai.completion.0.tool_calls.0.id": "c",
            "gen_ai.completion.0.tool_calls.0.name": "w",
            "gen_ai.completion.0.tool_calls.0.arguments": '{"city":"Bern"}',
        }
    )
    assert json.loads(call.request)["tools"][0]["function"] == {"name": "w", "parameters": {"type": "object"}}
    (choice,) = json.loads(call.response)["choices"]
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "w", "arguments": '{"city":"Bern"}'}
    assert (choice["finish_reason"], call.provider) == ("tool_calls", "openai")


def test_pictures_come_along_as_chat_holds_them() -> None:
    parts = [
        {"type": "text", "content": "What is it?"},
        {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGk="},
    ]
    call = read({**TODAY, "gen_ai.input.messages": json.dumps([{"role": "user", "parts": parts}])})
    assert json.loads(call.request)["messages"][1]["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
    ]


def test_a_span_without_content_has_no_bodies() -> None:
    call = read({name: one for name, one in TODAY.items() if "messages" not in name and "instructions" not in name})
    assert (call.request, call.response) == (b"", b"")
    assert "rebuilt" not in call.tags


def test_a_text_completion() -> None:
    call = read(
        {**OLD, "gen_ai.operation.name": "text_completion", "gen_ai.prompt": "Once", "gen_ai.completion": "upon"}
    )
    assert call.dialect == "openai.completions"
    assert json.loads(call.request) == {"model": "gpt-4", "prompt": "Once"}
    assert json.loads(call.response)["choices"][0]["text"] == "upon"


@pytest.mark.parametrize("operation", ["invoke_agent", "execute_tool", "create_agent", "retrieval", "invoke_workflow"])
def test_what_sums_up_or_calls_no_model_is_no_call(operation: str) -> None:
    attributes = {**TODAY, "gen_ai.operation.name": operation}
    assert otel.read(span(attributes)) is None


def test_a_span_of_something_else_is_no_call() -> None:
    assert otel.read(span({"http.request.method": "GET"})) is None


def test_failures() -> None:
    call = read({**OLD, "error.type": "429"}, status={"code": 2, "message": "secret"})
    assert (call.outcome, call.status, call.owner) == ("error", 429, "none")
    assert "secret" not in repr(call)
    call = read({**OLD, "error.type": "TimeoutError"}, status={"code": "STATUS_CODE_ERROR"})
    assert (call.outcome, call.status, call.tags["error_class"]) == ("error", 0, "TimeoutError")


def test_old_and_plain_forms_of_otlp() -> None:
    one = span({}, attributes={"gen_ai.system": "openai", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 3})
    old = {"resource_spans": [{"instrumentationLibrarySpans": [{"spans": [one]}]}]}
    assert otel.recognises(old)
    (found,) = otel.expand(old)
    call = otel.read(found)
    assert call is not None
    assert call.usage == Usage(3)
    (alone,) = otel.expand(one)
    assert otel.read(alone) == call


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"traceId": ""}, "traceId or spanId is missing"),
        ({"startTimeUnixNano": None}, "startTimeUnixNano is missing"),
        ({"startTimeUnixNano": "now"}, "startTimeUnixNano is no time"),
        (
            {"attributes": [{"key": "gen_ai.operation.name", "value": {"intValue": "x"}}]},
            "an intValue is no whole number",
        ),
    ],
)
def test_what_is_of_a_wrong_kind_is_rejected(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected, match=f"^{reason}$"):
        otel.read(span(OLD, **fields))
