"""Rows of LiteLLM's table of spend, as its versions write them."""

import json
from typing import Any

import pytest

from freehold.ledger.importing.foreign import litellm
from freehold.ledger.importing.protocol import Rejected
from freehold.vocabulary import Call, Usage

HASHED = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b"
CHAT_REQUEST = {"model": "small", "messages": [{"role": "user", "content": "Where is my parcel?"}], "temperature": 0}
CHAT_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "In Bern."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1200, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 1024}},
}


def row(**fields: Any) -> dict[str, Any]:
    """A row of a version of autumn 2025, its prompts stored."""
    return {
        "request_id": "chatcmpl-1",
        "call_type": "acompletion",
        "api_key": HASHED,
        "spend": 0.00020535,
        "total_tokens": 1207,
        "prompt_tokens": 1200,
        "completion_tokens": 7,
        "startTime": "2025-10-05T08:00:00.100000+00:00",
        "endTime": "2025-10-05T08:00:01.350000+00:00",
        "completionStartTime": "2025-10-05T08:00:00.500000+00:00",
        "model": "openai/gpt-4o-mini",
        "model_group": "small",
        "custom_llm_provider": "openai",
        "user": "default_user_id",
        "metadata": {
            "user_api_key_alias": "shop-backend",
            "user_api_key_team_alias": "shop",
            "status": "success",
            "usage_object": CHAT_ANSWER["usage"],
        },
        "cache_hit": "False",
        "request_tags": ["checkout", "eu"],
        "team_id": "team-7",
        "end_user": "customer-3",
        "session_id": "s-9",
        "status": "success",
        "messages": {},
        "response": CHAT_ANSWER,
        "proxy_server_request": CHAT_REQUEST,
        **fields,
    }


def as_cells(record: dict[str, Any]) -> dict[str, str]:
    """The same row as a CSV holds it: JSON in its cells, and nothing where a cell is empty."""
    cells = {k: v if isinstance(v, str) else json.dumps(v) for k, v in record.items() if v is not None}
    return {name: cell for name, cell in cells.items() if cell}


@pytest.mark.parametrize("form", [dict, as_cells])
def test_a_row_with_its_prompts_stored(form: Any) -> None:
    call = litellm.read(form(row()))
    assert call == Call(
        id="chatcmpl-1",
        started_at_us=1_759_651_200_100_000,
        latency_ms=1250.0,
        provider="openai",
        model="gpt-4o-mini",
        request=json.dumps(CHAT_REQUEST, separators=(",", ":")).encode(),
        response=json.dumps(CHAT_ANSWER, separators=(",", ":")).encode(),
        usage=Usage(input_tokens=176, cache_read_tokens=1024, output_tokens=7),
        ttft_ms=400.0,
        streamed=True,
        key="shop-backend",
        source="import",
        tags={
            "team": "shop",
            "end_user": "customer-3",
            "session": "s-9",
            "user": "default_user_id",
            "model_group": "small",
            "request_tags": "checkout,eu",
            "stated_cost_usd": "0.00020535",
        },
    )


def test_a_row_of_an_old_version_has_counts_and_nothing_else() -> None:
    old = {
        "request_id": "1",
        "call_type": "completion",
        "api_key": HASHED,
        "spend": 1e-05,
        "total_tokens": 12,
        "prompt_tokens": 10,
        "completion_tokens": 2,
        "startTime": "2024-02-03 04:05:06",
        "endTime": "2024-02-03 04:05:07",
        "model": "gpt-3.5-turbo",
        "user": "",
        "metadata": "{}",
        "cache_hit": "None",
        "messages": "{}",
        "response": "{}",
    }
    call = litellm.read(old)
    assert (call.request, call.response, call.usage) == (b"", b"", Usage(10, output_tokens=2))
    assert (call.started_at_us, call.latency_ms, call.ttft_ms) == (1_706_933_106_000_000, 1000.0, None)
    assert call.tags == {"stated_cost_usd": "0.00001"}
    assert (call.dialect, call.outcome) == ("openai.chat", "ok")


def test_a_hashed_key_leaves_a_short_label_that_is_always_the_same() -> None:
    one, other = (litellm.read(row(metadata={}, api_key=key)) for key in (HASHED, HASHED[::-1]))
    assert one.key.startswith("key-")
    assert len(one.key) == 12
    assert one.key != other.key
    assert one.key == litellm.read(row(metadata={}, request_id="2")).key
    assert HASHED[:8] not in repr(one)


def test_counts_of_anthropic_models_include_the_cache_in_the_columns_and_not_in_the_answer() -> None:
    parts = {"cache_read_input_tokens": 3000, "cache_creation_input_tokens": 500}
    columns = row(
        metadata={"additional_usage_values": parts},
        response={},
        prompt_tokens=4000,
        completion_tokens=30,
        custom_llm_provider="anthropic",
        model="anthropic/claude-sonnet-4-5",
    )
    expected = Usage(500, cache_read_tokens=3000, cache_write_tokens=500, output_tokens=30)
    assert litellm.read(columns).usage == expected
    answer = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "ja"}],
        "model": "c",
        "usage": {"input_tokens": 500, "output_tokens": 30, **parts},
    }
    request = {"model": "c", "max_tokens": 9, "system": "Be short.", "messages": [{"role": "user", "content": "?"}]}
    call = litellm.read(row(call_type="anthropic_messages", metadata={}, response=answer, proxy_server_request=request))
    assert (call.dialect, call.usage) == ("anthropic.messages", expected)
    assert json.loads(call.response) == answer
    assert "rebuilt" not in call.tags


def test_an_hour_of_cache_is_told_apart() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 1,
        "cache_creation_input_tokens": 60,
        "prompt_tokens_details": {
            "cached_tokens": 0,
            "cache_creation_token_details": {"ephemeral_1h_input_tokens": 40},
        },
    }
    call = litellm.read(row(metadata={"usage_object": usage}))
    assert call.usage == Usage(40, cache_write_tokens=20, cache_write_1h_tokens=40, output_tokens=1)


def test_an_answer_kept_in_another_form_than_it_was_given_in_is_turned_back() -> None:
    request = {"model": "c", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}
    call = litellm.read(row(call_type="anthropic_messages", proxy_server_request=request))
    answer = json.loads(call.response)
    assert (call.dialect, call.tags["rebuilt"]) == ("anthropic.messages", "response")
    assert (answer["content"], answer["stop_reason"]) == ([{"type": "text", "text": "In Bern."}], "end_turn")


def test_only_the_messages_are_stored() -> None:
    messages = [{"role": "user", "content": "Where?"}]
    call = litellm.read(row(proxy_server_request="{}", messages=messages))
    assert json.loads(call.request) == {"model": "gpt-4o-mini", "messages": messages}
    assert call.tags["rebuilt"] == "request"


def test_the_body_may_stand_within_what_was_sent() -> None:
    sent = {
        "url": "http://x/chat/completions",
        "method": "POST",
        "headers": {"authorization": "sk-1"},
        "body": CHAT_REQUEST,
    }
    assert json.loads(litellm.read(row(proxy_server_request=json.dumps(sent))).request) == CHAT_REQUEST


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Where is ... (litellm_truncated skipped 8000 chars) ... my parcel?", "cut"),
        ("redacted-by-litellm", "redacted"),
    ],
)
def test_bodies_that_are_not_what_was_said_are_left_out(text: str, why: str) -> None:
    request = {"model": "small", "messages": [{"role": "user", "content": text}]}
    call = litellm.read(row(proxy_server_request=request))
    assert (call.request, call.response, call.tags["no_body"]) == (b"", b"", why)
    assert call.usage is not None


def test_an_answer_out_of_the_proxys_cache_costs_nothing() -> None:
    call = litellm.read(row(cache_hit="True", spend=0.0))
    assert (call.reason, call.usage, call.tags["stated_cost_usd"]) == ("cache_hit", Usage(), "0")


def test_a_failure_is_an_error_and_says_its_class_alone() -> None:
    failure = {"error_code": "429", "error_class": "RateLimitError", "error_message": "You said: my secret"}
    call = litellm.read(
        row(
            status="failure", response={}, prompt_tokens=0, completion_tokens=0, metadata={"error_information": failure}
        )
    )
    assert (call.outcome, call.owner, call.status, call.usage) == ("error", "none", 429, None)
    assert call.tags["error_class"] == "RateLimitError"
    assert "secret" not in repr(call)


def test_a_row_of_the_table_of_errors() -> None:
    record = {
        "request_id": "e-1",
        "startTime": "2025-01-01T00:00:00Z",
        "endTime": "2025-01-01T00:00:01Z",
        "api_base": "http://x",
        "model_group": "small",
        "litellm_model_name": "openai/gpt-4o-mini",
        "model_id": "1",
        "request_kwargs": {},
        "exception_type": "Timeout",
        "exception_string": "secret",
        "status_code": "408",
    }
    call = litellm.read(record)
    assert litellm.recognises(record)
    assert (call.outcome, call.status, call.tags["error_class"]) == ("error", 408, "Timeout")
    assert "secret" not in repr(call)


@pytest.mark.parametrize(
    ("call_type", "request_body", "answer", "dialect"),
    [
        (
            "aembedding",
            {"model": "e", "input": ["a"]},
            {"object": "list", "data": [{"embedding": [0.5]}]},
            "openai.embeddings",
        ),
        ("aresponses", {"model": "r", "input": "a"}, {"object": "response", "output": []}, "openai.responses"),
        ("atext_completion", {"model": "t", "prompt": "a"}, {"choices": [{"text": "b"}]}, "openai.completions"),
        ("pass_through_endpoint", {"model": "t", "messages": []}, {"choices": [{"message": {}}]}, "openai.chat"),
        ("aimage_generation", {"model": "i"}, {"data": [{"url": "x"}]}, "litellm.aimage_generation"),
    ],
)
def test_the_dialect(call_type: str, request_body: Any, answer: Any, dialect: str) -> None:
    call = litellm.read(row(call_type=call_type, proxy_server_request=request_body, response=answer))
    assert call.dialect == dialect
    assert (json.loads(call.request), json.loads(call.response)) == (request_body, answer)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"request_id": None}, "request_id is missing"),
        ({"request_id": {"a": 1}}, "request_id is no text"),
        ({"request_id": "a\x00"}, "request_id holds a NUL character"),
        ({"session_id": "\ud83d"}, "session_id holds half a character"),
        ({"startTime": None}, "startTime is missing"),
        ({"startTime": "yesterday"}, "startTime is no time"),
        ({"startTime": "1960-01-01"}, "startTime is no time"),
        ({"prompt_tokens": "many", "metadata": {}, "response": {}}, "prompt_tokens is no number"),
        ({"prompt_tokens": -1, "metadata": {}, "response": {}}, "prompt_tokens is out of range"),
        ({"prompt_tokens": 1.5, "metadata": {}, "response": {}}, "prompt_tokens is no whole number"),
        ({"spend": "much"}, "spend is no amount of money"),
        ({"spend": "NaN "}, "spend is no amount of money"),
        ({"proxy_server_request": {"messages": ["\ud800"]}}, "a body cannot be written as JSON"),
    ],
)
def test_what_is_of_a_wrong_kind_is_rejected_without_its_content(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        litellm.read(row(**fields))
    assert str(caught.value) == reason
