"""Whether what we author is what a dialect's publisher says it is: checked against the types of the official SDKs.

    check_authored("anthropic.messages", body)       # a whole answer
    check_events("anthropic.messages", events)       # a streamed one, from its first event to its end
    check_error("anthropic.messages", envelope)      # an error in a body
    check_error_event("anthropic.messages", event)   # an error in a stream

The types are strict here: no value is converted, no field is missing (also none that may be null: they are listed
below, because the SDKs' types would let them be absent), and none is unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import pydantic
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.shared import ErrorResponse
from openai.types import Completion, CompletionChoice, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseErrorEvent, ResponseStreamEvent

_EVENT = re.compile(rb"(?:event: (?P<name>[a-z_.]+)\n)?data: (?P<data>[^\n]*)\n\n")


class _Schema(NamedTuple):
    """What a dialect's answers, events and errors must be.

    `present` are paths of fields that may be null and must be there all the same; `named`: each event has its type as
    its name; `end` is what the last event is.
    """

    body: Any
    event: Any
    present: tuple[str, ...]
    named: bool
    ends: tuple[str, ...]


class _OpenAIError(pydantic.BaseModel, extra="forbid"):
    """What OpenAI's reference shows of an error; its SDK reads these fields and has no type for them."""

    message: str
    type: str
    param: str | None
    code: str | None


class _OpenAIEnvelope(pydantic.BaseModel, extra="forbid"):
    error: _OpenAIError


class _ChunkChoice(CompletionChoice):
    """A choice that goes on. The SDK has one type for both, and the reference says that this is null until the end."""

    finish_reason: Literal["stop", "length", "content_filter"] | None  # type: ignore[assignment]


class _CompletionChunk(Completion):
    choices: list[_ChunkChoice]  # type: ignore[assignment]


_SCHEMAS = {
    "openai.completions": _Schema(
        Completion,
        _CompletionChunk,
        ("choices.logprobs",),
        named=False,
        ends=("[DONE]",),
    ),
    "openai.embeddings": _Schema(CreateEmbeddingResponse, None, (), named=False, ends=()),
    "openai.chat": _Schema(
        ChatCompletion,
        ChatCompletionChunk,
        ("choices.logprobs", "choices.message.content", "choices.message.refusal"),
        named=False,
        ends=("[DONE]",),
    ),
    "openai.responses": _Schema(
        Response,
        ResponseStreamEvent,
        (
            *("error", "incomplete_details", "instructions", "metadata", "temperature", "top_p", "status", "usage"),
            *("output.id", "output.status", "text.format", "tools.parameters", "tools.strict"),
        ),
        named=True,
        ends=("response.completed", "response.incomplete", "response.failed"),
    ),
    "anthropic.messages": _Schema(
        Message,
        RawMessageStreamEvent,
        (
            *("container", "diagnostics", "stop_details", "stop_reason", "stop_sequence", "usage.cache_creation"),
            *("usage.cache_creation_input_tokens", "usage.cache_read_input_tokens", "usage.inference_geo"),
            *("usage.output_tokens_details", "usage.server_tool_use", "usage.service_tier"),
        ),
        named=True,
        ends=("message_stop",),
    ),
}


def streamable(body: bytes) -> Any:
    """An answer as its stream tells it: OpenAI's chat completions name an empty list of annotations only when whole."""
    whole = json.loads(body)
    for choice in whole.get("choices", ()):
        if choice.get("message", {}).get("annotations") == []:
            del choice["message"]["annotations"]
    return whole


def check_authored(dialect: str, body: bytes) -> Any:
    """A whole answer is valid; returns it as the SDK's type."""
    schema = _SCHEMAS[dialect]
    for path in schema.present:
        _present(json.loads(body), path.split("."), path)
    return _valid(schema.body, body)


def check_events(dialect: str, events: bytes | Sequence[bytes]) -> list[Any]:
    """Every event of a stream is valid, and so is their order; returns them as the SDK's types."""
    schema = _SCHEMAS[dialect]
    raw = events if isinstance(events, bytes) else b"".join(events)
    found = list(_EVENT.finditer(raw))
    assert b"".join(one[0] for one in found) == raw, "bytes between events"
    documents = [one["data"] for one in found]
    if schema.ends == ("[DONE]",):
        assert documents.pop() == b"[DONE]"
    else:
        kinds = [json.loads(document)["type"] for document in documents]
        assert [one["name"].decode() for one in found] == kinds, "an event's name is not its type"
        assert kinds[-1] in schema.ends
        assert not set(kinds[:-1]) & set(schema.ends)
    assert documents
    checked = [_valid(schema.event, document) for document in documents]
    _ORDERS.get(dialect, lambda _: None)([json.loads(document) for document in documents])
    return checked


def check_error(dialect: str, envelope: bytes) -> dict[str, Any]:
    """An error in a body is valid; returns it."""
    value: dict[str, Any] = json.loads(envelope)
    if dialect.startswith("anthropic."):
        # Not in the types, and documented: that code stands here, and what a body that is too large is answered.
        error = dict(value["error"])
        details = error.pop("details")
        assert set(details) == {"error_code"}
        assert isinstance(details["error_code"], str)
        assert "request_id" in value
        if error["type"] == "request_too_large":
            error["type"] = "invalid_request_error"
        _valid(ErrorResponse, json.dumps(value | {"error": error}).encode())
    else:
        _valid(_OpenAIEnvelope, envelope)
    return value


def check_error_event(dialect: str, event: bytes) -> dict[str, Any]:
    """An error in a stream is one valid event; returns it."""
    found = _EVENT.fullmatch(event)
    assert found is not None
    if _SCHEMAS[dialect].named:
        assert found["name"] == b"error"
    if dialect != "openai.responses":
        return check_error(dialect, found["data"])
    # Not in the types, and sent by OpenAI all the same: without it no SDK raises.
    value: dict[str, Any] = json.loads(found["data"])
    envelope = check_error(dialect, json.dumps({"error": value.pop("error")}).encode())
    _valid(ResponseErrorEvent, json.dumps(value).encode())
    assert (value["code"], value["message"]) == (envelope["error"]["code"], envelope["error"]["message"])
    return envelope


def _valid(kind: Any, document: bytes) -> Any:
    value = _adapter(kind).validate_json(document, strict=True)
    unknown = list(_unknown(value, ""))
    assert not unknown, f"fields that the schema does not know: {unknown}"
    return value


@cache
def _adapter(kind: Any) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(kind)


def _unknown(value: Any, path: str) -> list[str]:
    """Paths of the fields that no type claims."""
    found: list[str] = []
    if isinstance(value, pydantic.BaseModel):
        found += [f"{path}.{name}" for name in value.model_extra or ()]
        for name in type(value).model_fields:
            found += _unknown(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for one in value:
            found += _unknown(one, f"{path}[]")
    return found


def _present(value: Any, path: Sequence[str], whole: str) -> None:
    for one in value if isinstance(value, list) else [value]:
        assert path[0] in one, f"{whole} is missing"
        if len(path) > 1 and one[path[0]] is not None:
            _present(one[path[0]], path[1:], whole)


def _messages_order(events: list[dict[str, Any]]) -> None:
    """A message begins, its blocks begin, grow and end one after the other, the message changes and ends."""
    kinds = [event["type"] for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2] == "message_delta"
    at, is_open = -1, False
    for event in events[1:-2]:
        if event["type"] == "content_block_start":
            assert not is_open
            at, is_open = at + 1, True
        else:
            assert is_open
            assert event["type"] in {"content_block_delta", "content_block_stop"}
            is_open = event["type"] == "content_block_delta"
        assert event["index"] == at
    assert not is_open


def _responses_order(events: list[dict[str, Any]]) -> None:
    """Numbers go up by one; a response begins, its items begin and end one after the other, it ends."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    done: list[dict[str, Any]] = []
    grown: dict[str, str] = {}
    for event in events[2:-1]:
        assert event["output_index"] == len(done)
        if event["type"] == "response.output_item.added":
            grown = {}
        elif event["type"] == "response.output_item.done":
            done.append(event["item"])
        elif event["type"].endswith(".delta"):
            kind = event["type"].removesuffix(".delta")
            grown[kind] = grown.get(kind, "") + event["delta"]
        elif event["type"].removesuffix(".done") in grown:
            kind = event["type"].removesuffix(".done")
            assert grown.pop(kind) == event["arguments" if "arguments" in event else "text"]
    assert events[-1]["response"]["output"] == done


_ORDERS: dict[str, Callable[[list[dict[str, Any]]], None]] = {
    "anthropic.messages": _messages_order,
    "openai.responses": _responses_order,
}
