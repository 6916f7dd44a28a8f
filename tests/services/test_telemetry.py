"""Calls as spans: the names of the conventions, the client's trace, and no content unless it was asked for."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.services.telemetry import SCHEMA_URL, Place, places, spans, trace_of
from freehold.settings import ProviderSettings, Settings
from freehold.vocabulary import Call, Leg, Usage

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
KNOWN = {"main": Place("openai", "api.openai.com", 443)}
REQUEST = {
    "model": "gpt-x",
    "messages": [
        {"role": "system", "content": "Sort."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "private words"}, {"type": "image_url", "image_url": {}}],
        },
        {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "find", "arguments": '{"a":1}'}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
    ],
}
RESPONSE = {
    "id": "r1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-x-2026",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "secret answer"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 60, "completion_tokens": 7, "total_tokens": 67},
}
COMPLETION = {"choices": [{"text": "y", "finish_reason": "length"}]}
ASKED_OF_CLAUDE = {"model": "claude", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
CLAUDES = {
    "type": "message",
    "role": "assistant",
    "model": "claude-1",
    "content": [{"type": "text", "text": "y"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 2},
}


def call(**changes: object) -> Call:
    usage = Usage(10, 20, 30, 7, 3)
    leg = Leg("serve", "rented", "main", "gpt-x-2026", "ok", 200, 1.5, 40.0, 12.0, usage)
    made = Call(
        id="call_1",
        started_at_us=1_790_000_000_000_001,
        latency_ms=42.25,
        provider="main",
        model="gpt-x",
        request=json.dumps(REQUEST).encode(),
        response=json.dumps(RESPONSE).encode(),
        usage=usage,
        ttft_ms=13.5,
        streamed=True,
        legs=(leg,),
        reason="no_task",
        key="team-search",
        tags={"traceparent": TRACE},
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_a_call_and_its_legs_under_the_names_of_the_conventions() -> None:
    own, leg = spans(call(), KNOWN)
    assert (own.name, own.kind, own.error) == ("chat gpt-x", "server", None)
    assert (own.start_ns, own.end_ns - own.start_ns) == (1_790_000_000_000_001_000, 42_250_000)
    assert f"{own.trace_id:032x}" == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert f"{own.parent_id:016x}" == "00f067aa0ba902b7"
    tokens = {
        "gen_ai.usage.input_tokens": 60,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 20,
        "gen_ai.usage.cache_creation.input_tokens": 30,
        "gen_ai.usage.reasoning.output_tokens": 3,
    }
    assert own.attributes == tokens | {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-x",
        "gen_ai.response.model": "gpt-x-2026",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 0.0135,
        "http.response.status_code": 200,
        "freehold.call.id": "call_1",
        "freehold.owner": "rented",
        "freehold.reason": "no_task",
        "freehold.outcome": "ok",
        "freehold.key.name": "team-search",
    }
    assert (leg.name, leg.kind, leg.trace_id, leg.parent_id) == (
        "chat gpt-x-2026",
        "client",
        own.trace_id,
        own.span_id,
    )
    assert leg.start_ns - own.start_ns == 1_500_000
    assert leg.attributes == tokens | {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-x-2026",
        "gen_ai.response.time_to_first_chunk": 0.012,
        "server.address": "api.openai.com",
        "server.port": 443,
        "http.response.status_code": 200,
        "freehold.leg.purpose": "serve",
        "freehold.leg.owner": "rented",
        "freehold.outcome": "ok",
    }
    assert SCHEMA_URL.endswith("/1.41.0")


def test_nothing_of_what_was_said_is_in_a_span_unless_it_is_asked_for() -> None:
    shadow = Leg("shadow", "owned", "owned", "st_1", "ok", answer="secret answer", agrees=False, confidence=0.0)
    for words in ("private words", "secret answer", "Sort.", "found"):
        assert words not in repr(spans(call(legs=(shadow,)), KNOWN))
    own, leg = spans(call(legs=(shadow,)), KNOWN, content=True)
    assert json.loads(own.attributes["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "Sort."}]},
        {"role": "user", "parts": [{"type": "text", "content": "private words"}, {"type": "image_url"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "find", "arguments": {"a": 1}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "found"}]},
    ]
    assert json.loads(own.attributes["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "secret answer"}], "finish_reason": "stop"}
    ]
    assert leg.kind == "internal"
    assert leg.attributes["gen_ai.provider.name"] == "freehold"
    assert leg.attributes["freehold.leg.agrees"] is False
    assert leg.attributes["freehold.leg.confidence"] == 0.0
    assert "secret answer" not in repr(leg), "what a shadow said is nobody's answer"


@pytest.mark.parametrize(
    ("outcome", "status", "reason", "kind", "fault"),
    [
        ("error", 429, "no_task", "429", "status 429"),
        ("incomplete", 200, "no_task", "incomplete", "the stream was cut"),
        ("refused", 403, "restricted", "restricted", "this task is restricted"),
        ("cancelled", 499, "no_task", "cancelled", None),
    ],
)
def test_how_a_call_ended_is_one_of_few_words(
    outcome: str, status: int, reason: str, kind: str, fault: str | None
) -> None:
    failed = call(outcome=outcome, status=status, reason=reason, error=fault or "the client left", usage=None)
    own = spans(failed, KNOWN)[0]
    assert own.attributes["error.type"] == kind
    assert own.error == fault
    assert "gen_ai.usage.input_tokens" not in own.attributes


@given(st.text(max_size=60) | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", fullmatch=True))
def test_any_trace_context_is_continued_or_none_is(text: str) -> None:
    trace = trace_of(call(tags={"traceparent": text}))
    assert 0 < trace.trace_id < 2**128
    if trace.parent_id is not None:
        assert text[:2] == "00"
        assert text == f"00-{trace.trace_id:032x}-{trace.parent_id:016x}-{text[-2:]}"
        assert trace.sampled == bool(int(text[-2:], 16) & 1)
    else:
        assert trace == trace_of(call(tags={}))


def test_a_client_that_does_not_record_its_trace_gets_no_spans_in_it() -> None:
    assert spans(call(tags={"traceparent": TRACE[:-2] + "00"}), KNOWN) == []


def test_ids_follow_from_the_call_so_that_telling_twice_is_telling_once() -> None:
    once, again, other = spans(call(), KNOWN), spans(call(), {}), spans(call(id="call_2"), KNOWN)
    assert [one.span_id for one in once] == [one.span_id for one in again]
    assert not {one.span_id for one in once} & {one.span_id for one in other}


@pytest.mark.parametrize(
    ("kind", "url", "place"),
    [
        ("openai", "", Place("openai", "api.openai.com", 443)),
        ("google", "https://gemini.example/x", Place("gcp.gemini", "gemini.example", 443)),
        ("azure", "https://me:secret@x.openai.azure.com", Place("azure.ai.openai", "x.openai.azure.com", 443)),
        ("compatible", "http://127.0.0.1:8000/v1", Place("mine", "127.0.0.1", 8000)),
        ("compatible", "http://gpu-box/v1", Place("mine", "gpu-box", 80)),
        ("recorded", "", Place("mine")),
    ],
)  # fmt: skip
def test_providers_have_the_names_of_the_conventions_where_those_have_one(kind: str, url: str, place: Place) -> None:
    settings = Settings(providers={"mine": ProviderSettings(kind=kind, base_url=url)})
    assert places(settings) == {"mine": place}


@pytest.mark.parametrize(
    ("dialect", "request_body", "response", "operation", "reason"),
    [
        ("openai.embeddings", {"model": "e", "input": "x"}, {"object": "list", "data": []}, "embeddings", None),
        ("openai.completions", {"model": "c", "prompt": "x"}, COMPLETION, "text_completion", "length"),
        ("anthropic.messages", ASKED_OF_CLAUDE, CLAUDES, "chat", "stop"),
    ],
)  # fmt: skip
def test_every_dialect_has_its_operation(
    dialect: str, request_body: object, response: object, operation: str, reason: str | None
) -> None:
    made = call(dialect=dialect, request=json.dumps(request_body).encode(), response=json.dumps(response).encode())
    own = spans(made, KNOWN, content=True)[0]
    assert own.attributes["gen_ai.operation.name"] == operation
    assert own.attributes.get("gen_ai.response.finish_reasons") == ([reason] if reason else None)
    assert re.fullmatch(r"(chat|embeddings|text_completion) gpt-x", own.name)


def test_bodies_that_cannot_be_read_stop_nothing() -> None:
    own = spans(call(request=b"\xff", response=b"{", dialect="strange"), KNOWN, content=True)[0]
    assert "gen_ai.input.messages" not in own.attributes
    assert own.attributes["gen_ai.request.model"] == "gpt-x"
