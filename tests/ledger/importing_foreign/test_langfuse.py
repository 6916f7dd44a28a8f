"""Observations of Langfuse, in the names of v1, of v2, and of exports into a bucket."""

import json
from typing import Any

import pytest

from freehold.ledger.importing.foreign import langfuse
from freehold.ledger.importing.protocol import Rejected
from freehold.vocabulary import Call, Usage

MESSAGES = [{"role": "system", "content": "Sort the mail."}, {"role": "user", "content": "Invoice attached"}]
TRACE = "0af7651916cd43dd8448eb211c80319c"


def v2(**fields: Any) -> dict[str, Any]:
    return {
        "id": "b7ad6b7169203331",
        "traceId": TRACE,
        "startTime": "2025-06-01T12:00:00.000Z",
        "endTime": "2025-06-01T12:00:01.500Z",
        "completionStartTime": "2025-06-01T12:00:00.400Z",
        "projectId": "p",
        "parentObservationId": "00f067aa0ba902b7",
        "type": "GENERATION",
        "name": "sort-mail",
        "level": "DEFAULT",
        "environment": "production",
        "userId": "u-1",
        "sessionId": "s-1",
        "input": MESSAGES,
        "output": {"role": "assistant", "content": "billing"},
        "metadata": {"ls_provider": "openai", "secret": "x"},
        "providedModelName": "gpt-4o-mini",
        "modelParameters": {"temperature": 0, "max_tokens": 5},
        "usageDetails": {
            "input": 20,
            "input_cached_tokens": 80,
            "output": 2,
            "output_reasoning_tokens": 3,
            "total": 105,
        },
        "totalCost": 0.0000123,
        "promptName": "sorter",
        "promptVersion": 4,
        "traceName": "inbox",
        "tags": ["mail", "eu"],
        **fields,
    }


def snake(record: dict[str, Any]) -> dict[str, Any]:
    """As the bucket export writes it: snake case, times without an offset."""
    named = {"".join("_" + c.lower() if c.isupper() else c for c in name): value for name, value in record.items()}
    for name in ("start_time", "end_time", "completion_start_time"):
        named[name] = named[name].replace("T", " ").replace("Z", "000")
    return named


def as_cells(record: dict[str, Any]) -> dict[str, str]:
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in record.items() if v is not None}


@pytest.mark.parametrize("form", [dict, snake, as_cells, lambda r: as_cells(snake(r))])
def test_a_generation(form: Any) -> None:
    record = form(v2())
    assert langfuse.recognises(record)
    call = langfuse.read(record)
    assert call is not None
    request, response = json.loads(call.request), json.loads(call.response)
    assert request == {"model": "gpt-4o-mini", "messages": MESSAGES, "temperature": 0, "max_tokens": 5}
    assert response["choices"][0]["message"] == {"role": "assistant", "content": "billing"}
    call.request = call.response = b""
    assert call == Call(
        id="b7ad6b7169203331",
        started_at_us=1_748_779_200_000_000,
        latency_ms=1500.0,
        provider="openai",
        model="gpt-4o-mini",
        request=b"",
        response=b"",
        ttft_ms=400.0,
        streamed=True,
        source="import",
        usage=Usage(20, cache_read_tokens=80, output_tokens=5, reasoning_tokens=3),
        tags={
            "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
            "span": "b7ad6b7169203331",
            "parent": "00f067aa0ba902b7",
            "session": "s-1",
            "end_user": "u-1",
            "feature": "inbox",
            "prompt": "sorter:4",
            "name": "sort-mail",
            "environment": "production",
            "labels": "mail,eu",
            "stated_cost_usd": "0.0000123",
            "rebuilt": "request,response",
        },
    )


def test_a_generation_of_v1() -> None:
    record = {
        "id": "gen-1",
        "traceId": "order 17",
        "type": "GENERATION",
        "name": None,
        "startTime": "2024-01-01T00:00:00Z",
        "endTime": None,
        "model": "claude-2",
        "input": "Summarise: ...",
        "output": "Short.",
        "latency": 2.5,
        "usage": {"input": 10, "output": 4, "total": 14, "unit": "TOKENS", "totalCost": 0.1},
        "calculatedTotalCost": 0.25,
        "parentObservationId": None,
    }
    call = langfuse.read(record)
    assert call is not None
    assert (call.latency_ms, call.usage, call.model) == (2500.0, Usage(10, output_tokens=4), "claude-2")
    assert call.tags["stated_cost_usd"] == "0.25"
    assert "parent" not in call.tags
    assert json.loads(call.request)["messages"] == [{"role": "user", "content": "Summarise: ..."}]
    again = langfuse.read({**record, "id": "gen-2"})
    assert again is not None
    assert again.tags["traceparent"] == call.tags["traceparent"]


@pytest.mark.parametrize("kind", ["SPAN", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER", ""])
def test_other_observations_are_no_calls(kind: str) -> None:
    assert langfuse.read(v2(type=kind)) is None


def test_a_trace_gives_its_observations_and_says_whom_it_was_for() -> None:
    trace = {
        "id": "t-1",
        "name": "inbox",
        "userId": "u-9",
        "sessionId": "s-9",
        "tags": ["a"],
        "timestamp": "2025-01-01T00:00:00Z",
        "observations": [
            {"id": "1", "type": "SPAN", "startTime": "2025-01-01T00:00:00Z"},
            {
                "id": "2",
                "type": "GENERATION",
                "startTime": "2025-01-01T00:00:00Z",
                "parentObservationId": "1",
                "userId": None,
            },
        ],
    }
    assert langfuse.recognises(trace)
    span, generation = (langfuse.read(one) for one in langfuse.observations(trace))
    assert span is None
    assert generation is not None
    assert (generation.tags["end_user"], generation.tags["session"], generation.tags["parent"]) == ("u-9", "s-9", "1")
    assert generation.tags["feature"] == "inbox"
    together = {"trace": {"id": "t-1", "userId": "u-9"}, "observations": trace["observations"]}
    assert len(list(langfuse.observations(together))) == 2


@pytest.mark.parametrize(
    ("details", "usage"),
    [
        ({"input": 20, "output": 5, "total": 25}, Usage(20, output_tokens=5)),
        ({"input": 20, "output": 5}, Usage(20, output_tokens=5)),
        (
            {"input": 20, "cache_read_input_tokens": 70, "cache_creation_input_tokens": 10, "output": 5, "total": 105},
            Usage(20, cache_read_tokens=70, cache_write_tokens=10, output_tokens=5),
        ),
        (  # a tool that counts cached tokens into the input, which the total shows
            {"input": 100, "cache_read_input_tokens": 70, "output": 5, "reasoning": 2, "total": 105},
            Usage(30, cache_read_tokens=70, output_tokens=5, reasoning_tokens=2),
        ),
        (
            {"input": 10, "input_audio_tokens": 4, "output": 5, "output_audio_tokens": 6, "total": 25},
            Usage(14, input_audio_tokens=4, output_tokens=11, output_audio_tokens=6),
        ),
        (
            {"input": 1, "input_cache_creation_1h": 5, "input_cache_creation_5m": 6, "output": 1},
            Usage(1, cache_write_tokens=6, cache_write_1h_tokens=5, output_tokens=1),
        ),
        (
            {"prompt_tokens": 100, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 60}},
            Usage(40, cache_read_tokens=60, output_tokens=2),
        ),
        ({"input": 0, "output": 0, "total": 0}, None),
    ],
)
def test_counts(details: dict[str, Any], usage: Usage | None) -> None:
    call = langfuse.read(v2(usageDetails=details))
    assert call is not None
    assert call.usage == usage


def test_counts_of_something_else_than_tokens_are_none() -> None:
    record = v2(usageDetails=None, usage={"input": 900, "output": 20, "unit": "CHARACTERS"})
    call = langfuse.read(record)
    assert call is not None
    assert call.usage is None


TOOL_CALL = {"id": "c", "type": "function", "function": {"name": "find", "arguments": '{"n":1}'}}


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("done", {"role": "assistant", "content": "done"}),
        ({"label": "spam"}, {"role": "assistant", "content": '{"label":"spam"}'}),
        ([{"role": "assistant", "content": "a"}], {"role": "assistant", "content": "a"}),
        (
            {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
            {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
        ),
        (
            {"content": "", "tool_calls": [{"id": "c", "name": "find", "args": {"n": 1}}]},
            {"role": "assistant", "content": "", "tool_calls": [TOOL_CALL]},
        ),
        ({"type": "ai", "content": "a", "additional_kwargs": {}}, {"role": "assistant", "content": "a"}),
    ],
)
def test_answers_in_their_many_forms(output: Any, message: dict[str, Any]) -> None:
    call = langfuse.read(v2(output=output))
    assert call is not None
    assert json.loads(call.response)["choices"][0]["message"] == message


def test_whole_bodies_stay_as_they_are() -> None:
    request = {"model": "gpt-4o", "messages": MESSAGES, "tools": []}
    response = {"id": "x", "choices": [{"message": {"role": "assistant", "content": "a"}}], "extra": 1}
    call = langfuse.read(v2(input=request, output=response))
    assert call is not None
    assert "rebuilt" not in call.tags
    assert (json.loads(call.request), json.loads(call.response)) == (request, response)


def test_anthropics_bodies_stay_anthropics() -> None:
    asked = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "w", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "sun"}]},
    ]
    call = langfuse.read(v2(input={"system": "s", "messages": asked}, output="sunny"))
    assert call is not None
    assert call.dialect == "anthropic.messages"
    answer = json.loads(call.response)
    assert (answer["type"], answer["content"]) == ("message", [{"type": "text", "text": "sunny"}])
    assert json.loads(call.request)["messages"] == asked
    whole = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "a"}], "model": "c"}
    call = langfuse.read(v2(output=whole))
    assert call is not None
    assert (call.dialect, json.loads(call.response)) == ("anthropic.messages", whole)


@pytest.mark.parametrize("nothing", [None, "", {}, "{}", []])
def test_no_body_is_no_body(nothing: Any) -> None:
    call = langfuse.read(v2(input=nothing, output=nothing))
    assert call is not None
    assert (call.request, call.response) == (b"", b"")
    assert "rebuilt" not in call.tags


def test_an_error_is_an_error() -> None:
    call = langfuse.read(v2(level="ERROR", statusMessage="secret", output=None))
    assert call is not None
    assert (call.outcome, call.owner, call.error) == ("error", "none", "upstream_failed")
    assert "secret" not in repr(call)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": None}, "id is missing"),
        ({"startTime": None}, "startTime is missing"),
        ({"userId": ["a"]}, "userId is no text"),
        ({"usageDetails": {"input": "x"}}, "input is no number"),
        ({"totalCost": {}}, "totalCost is no amount of money"),
    ],
)
def test_what_is_of_a_wrong_kind_is_rejected(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected, match=f"^{reason}$"):
        langfuse.read(v2(**fields))
