"""Requests as Helicone's export and API give them."""

import json
from typing import Any

import pytest

from freehold.ledger.importing.foreign import helicone
from freehold.ledger.importing.protocol import Rejected
from freehold.vocabulary import Call, Usage

REQUEST = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
ANSWER = {
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 50, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 40}},
}
NOTICE = {"helicone_message": "fetching body from signed_url... contact engineering@helicone.ai for more information"}


def request(**fields: Any) -> dict[str, Any]:
    return {
        "request_id": "6f3b",
        "request_created_at": "2025-03-01T10:00:00.000Z",
        "request_body": REQUEST,
        "request_path": "https://oai.helicone.ai/v1/chat/completions",
        "request_user_id": "u-1",
        "request_properties": {"Helicone-Session-Id": "s-1", "Feature": "search", "Helicone-Prompt-Id": "p-1"},
        "request_model": "gpt-4o",
        "model_override": None,
        "model": "gpt-4o-2024-08-06",
        "response_id": "r-1",
        "response_created_at": "2025-03-01T10:00:02.500Z",
        "response_body": ANSWER,
        "response_status": 200,
        "response_model": "gpt-4o-2024-08-06",
        "provider": "OPENAI",
        "delay_ms": 2400,
        "time_to_first_token": 310,
        "total_tokens": 53,
        "prompt_tokens": 50,
        "prompt_cache_write_tokens": 0,
        "prompt_cache_read_tokens": 40,
        "completion_tokens": 3,
        "costUSD": 0.000155,
        "cache_reference_id": "00000000-0000-0000-0000-000000000000",
        "signed_body_url": "https://bucket.example/body?signature=SECRET",
        **fields,
    }


def as_cells(record: dict[str, Any]) -> dict[str, str]:
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in record.items() if v is not None}


@pytest.mark.parametrize("form", [dict, as_cells])
def test_a_request_with_its_bodies(form: Any) -> None:
    call = helicone.read(form(request()))
    assert call == Call(
        id="6f3b",
        started_at_us=1_740_823_200_000_000,
        latency_ms=2400.0,
        provider="openai",
        model="gpt-4o",
        request=json.dumps(REQUEST, separators=(",", ":")).encode(),
        response=json.dumps(ANSWER, separators=(",", ":")).encode(),
        usage=Usage(10, cache_read_tokens=40, output_tokens=3),
        ttft_ms=310.0,
        streamed=True,
        source="import",
        tags={"Feature": "search", "prompt": "p-1", "session": "s-1", "end_user": "u-1", "stated_cost_usd": "0.000155"},
    )


@pytest.mark.parametrize("body", [{}, NOTICE, None, json.dumps(NOTICE)])
def test_bodies_that_lie_elsewhere_are_said_to_and_their_address_is_not_kept(body: Any) -> None:
    call = helicone.read(request(request_body=body, response_body=body))
    assert (call.request, call.response, call.dialect) == (b"", b"", "openai.chat")
    assert call.tags["no_body"] == "elsewhere"
    assert call.usage == Usage(10, cache_read_tokens=40, output_tokens=3)
    assert "SECRET" not in repr(call)


def test_anthropic_counts_the_prompt_without_the_cache() -> None:
    fields = request(
        provider="ANTHROPIC",
        request_path="/v1/messages",
        request_body={},
        response_body={},
        prompt_tokens=10,
        prompt_cache_read_tokens=40,
        prompt_cache_write_tokens=5,
        completion_tokens=3,
        total_tokens=13,
    )
    call = helicone.read(fields)
    assert call.usage == Usage(10, cache_read_tokens=40, cache_write_tokens=5, output_tokens=3)
    assert (call.dialect, call.provider) == ("anthropic.messages", "anthropic")


def test_a_total_that_adds_the_cache_says_that_the_prompt_is_without_it() -> None:
    call = helicone.read(request(request_body={}, response_body={}, total_tokens=93))
    assert call.usage == Usage(50, cache_read_tokens=40, output_tokens=3)


@pytest.mark.parametrize(
    ("path", "body", "answer", "dialect"),
    [
        (
            "https://anthropic.helicone.ai/v1/messages?beta=true",
            {"model": "c", "messages": []},
            {"type": "message", "content": []},
            "anthropic.messages",
        ),
        ("/openai/deployments/d/chat/completions?api-version=1", REQUEST, ANSWER, "openai.chat"),
        ("/v1/completions", {"prompt": "a"}, {"choices": [{"text": "b"}]}, "openai.completions"),
        ("", {"model": "c", "system": "s", "messages": []}, {"type": "message", "content": []}, "anthropic.messages"),
        ("/v1beta/models/gemini-2.0-flash:generateContent", {"contents": []}, {"candidates": []}, "helicone.other"),
    ],
)
def test_the_dialect(path: str, body: Any, answer: Any, dialect: str) -> None:
    call = helicone.read(request(request_path=path, target_url="", request_body=body, response_body=answer))
    assert call.dialect == dialect


@pytest.mark.parametrize(
    ("status", "outcome", "kept"),
    [
        (200, "ok", 200),
        (429, "error", 429),
        (500, "error", 500),
        (-1, "error", 0),
        (-3, "cancelled", 499),
        ("-3", "cancelled", 499),
    ],
)
def test_how_it_ended(status: Any, outcome: str, kept: int) -> None:
    call = helicone.read(request(response_status=status))
    assert (call.outcome, call.status, call.owner) == (outcome, kept, "rented" if outcome == "ok" else "none")


def test_an_answer_out_of_helicones_cache_costs_nothing() -> None:
    call = helicone.read(request(cache_reference_id="another"))
    assert (call.reason, call.usage) == ("cache_hit", Usage())


def test_what_people_said() -> None:
    record = request(
        feedback_rating=True, scores={"helicone-score-tone": {"value": 7, "valueType": "number"}, "x": "y"}
    )
    assert helicone.feedback_of(record) == (("", 1.0), ("tone", 7.0))
    assert helicone.feedback_of(request(feedback_rating="false")) == (("", 0.0),)
    assert helicone.feedback_of(request()) == ()


def test_properties_that_no_store_takes_are_left_out() -> None:
    call = helicone.read(request(request_properties={"role": "\ud800", "half\udc00": "x", "nul": "\x00", "é": "ü"}))
    assert {name: call.tags[name] for name in ("é",)} == {"é": "ü"}
    assert not {"role", "half\udc00", "nul"} & set(call.tags)


def test_a_model_that_is_not_known_is_looked_for_elsewhere() -> None:
    call = helicone.read(request(request_model="unknown", model="not-found"))
    assert call.model == "gpt-4o-2024-08-06"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"request_id": ""}, "request_id is missing"),
        ({"request_created_at": None}, "request_created_at is missing"),
        ({"delay_ms": "long"}, "delay_ms is no number"),
        ({"prompt_tokens": [], "response_body": {}}, "prompt_tokens is no number"),
        ({"provider": ["x"]}, "provider is no text"),
    ],
)
def test_what_is_of_a_wrong_kind_is_rejected(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected, match=f"^{reason}$"):
        helicone.read(request(**fields))
