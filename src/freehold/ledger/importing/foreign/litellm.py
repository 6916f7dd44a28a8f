"""LiteLLM: a row of `LiteLLM_SpendLogs`, or of `LiteLLM_ErrorLogs`, the proxy's tables.

Names are a mixture of camel and snake case, and columns have come over the years: all are optional but the id and the
start. `prompt_tokens` includes cached tokens, also for Anthropic's models; how many these were stands in `metadata`.
`messages`, `response` and `proxy_server_request` are `{}` unless the proxy was told to store them, long texts in them
may be cut, and redacted ones are not what was said: such bodies are left out, and the call keeps its counts.
"""

from __future__ import annotations

from freehold.ledger.importing.bodies import REBUILT_TAG
from freehold.vocabulary import END_USER_TAG, FEATURE_TAG, SESSION_TAG, TEAM_TAG, Call, Usage
from freehold.vocabulary.reasons import CACHE_HIT
from freehold.wire.known import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES

from . import _shapes
from ._fields import (
    NO_BODY_TAG,
    STATED_COST_TAG,
    Record,
    boolean,
    count,
    encoded,
    first,
    key_label,
    mapping,
    moment_us,
    money,
    needed,
    number,
    span_ms,
    started_us,
    tagged,
    text,
    words,
)
from ._providers import bare, provider
from ._rebuilt import as_anthropic
from ._usage import usage_of

NAME = "litellm"
_ANTHROPIC = "anthropic_messages"
_DIALECTS = {
    "completion": CHAT.name,
    "text_completion": COMPLETIONS.name,
    "responses": RESPONSES.name,
    "embedding": EMBEDDINGS.name,
    "embeddings": EMBEDDINGS.name,
    _ANTHROPIC: MESSAGES.name,
}
_CUT = b"litellm_truncated"
_REDACTED = (b"redacted-by-litellm", b"REDACTED_BY_LITELM")
_TAGS = (("user", "user"), ("organization", "organization_id"), ("model_group", "model_group"))


def recognises(record: Record) -> bool:
    """Whether a record's fields are those of this table."""
    if "request_id" not in record or "startTime" not in record:
        return False
    return "call_type" in record or "exception_type" in record or {"spend", "api_key"} <= set(record)


def read(record: Record) -> Call:
    """The call of a row.

    Raises:
        Rejected: the id or the start is missing, or a field is of a wrong kind.
    """
    metadata = mapping(record, "metadata")
    start, end = started_us(record, "startTime", "start_time"), moment_us(record, "endTime", "end_time")
    took = number(record, "request_duration_ms")
    told_by = text(record, "custom_llm_provider")
    model = text(record, "model", "litellm_model_name") or text(record, "model_group")
    call = Call(
        id=needed(record, "request_id"),
        started_at_us=start,
        latency_ms=took if took is not None and took >= 0 else span_ms(start, end) or 0.0,
        provider=provider(told_by),
        model=bare(model, told_by),
        request=b"",
        response=b"",
        key=text(metadata, "user_api_key_alias") or key_label(text(record, "api_key")),
        tags=_tags(record, metadata),
        source="import",
    )
    _bodies(call, record, text(record, "call_type"))
    first_us = moment_us(record, "completionStartTime", "completion_start_time")
    if first_us is not None and end is not None and start < first_us < end:
        call.ttft_ms, call.streamed = span_ms(start, first_us), True
    call.usage = _usage(record, metadata)
    _outcome(call, record, metadata)
    return call


def _outcome(call: Call, record: Record, metadata: Record) -> None:
    status = text(record, "status") or text(metadata, "status")
    failure = mapping(metadata, "error_information")
    if status.lower() in ("failure", "failed", "error") or text(record, "exception_type"):
        code = text(failure, "error_code") or text(record, "status_code")
        call.outcome, call.owner, call.error = "error", "none", "upstream_failed"
        call.status = int(code) if code.isdecimal() and 100 <= int(code) < 600 else 0
        if call.usage is not None and not call.usage.prompt_tokens and not call.usage.output_tokens:
            call.usage = None
        # The class of an exception says what failed; its text may quote what was asked.
        tagged(call.tags, "error_class", text(failure, "error_class") or text(record, "exception_type"))
    elif boolean(record, "cache_hit"):
        call.reason, call.usage = CACHE_HIT, Usage()  # nobody was asked: no tokens, no cost


def _usage(record: Record, metadata: Record) -> Usage | None:
    """Counts from wherever this version of the proxy puts their parts; the totals are the columns of the row."""
    for stated in (mapping(metadata, "usage_object"), mapping(mapping(record, "response"), "usage")):
        found = usage_of(stated)
        if found is not None:
            return found
    prompt, output = count(record, "prompt_tokens"), count(record, "completion_tokens")
    if prompt is None and output is None:
        return None
    parts = {**mapping(metadata, "additional_usage_values"), "prompt_tokens": prompt, "completion_tokens": output}
    return usage_of(parts)


def _bodies(call: Call, record: Record, call_type: str) -> None:
    kind = call_type.removeprefix("a") if call_type.removeprefix("a") in _DIALECTS else call_type
    answer = _shapes.as_object(_shapes.body(first(record, "response")))
    request, rebuilt = _request(record, call.model)
    call.dialect = _DIALECTS.get(kind, "")
    if not call.dialect and answer is not None:
        call.dialect = _shapes.answered_by(answer)
    if not call.dialect and request is not None:
        call.dialect = _shapes.asked_in(request)
    if not call.dialect:
        call.dialect = f"{NAME}.{call_type}" if call_type else CHAT.name
    if answer is not None and kind in _DIALECTS and (found := _shapes.answered_by(answer)) != call.dialect:
        # The proxy keeps some answers in another form than the one it gave; a pair of two forms teaches nobody.
        if found == CHAT.name and call.dialect == MESSAGES.name:
            answer = as_anthropic(answer)
            rebuilt = ",".join(filter(None, (rebuilt, "response" if answer else "")))
        elif found:
            answer = None
    call.request = b"" if request is None else encoded(request)
    call.response = b"" if answer is None else encoded(answer)
    call.streamed = request is not None and request.get("stream") is True
    why = _spoiled(call.request) or _spoiled(call.response)
    if why:
        call.request, call.response, rebuilt = b"", b"", ""
        call.tags[NO_BODY_TAG] = why
    tagged(call.tags, REBUILT_TAG, rebuilt)


def _request(record: Record, model: str) -> tuple[Record | None, str]:
    """The body that the proxy was sent; where only its messages are kept, a body made of them."""
    sent = _shapes.as_object(_shapes.body(first(record, "proxy_server_request")))
    if sent is not None and ("url" in sent or "method" in sent) and "body" in sent:
        sent = _shapes.as_object(_shapes.body(sent["body"]))
    if sent:
        return sent, ""
    messages = _shapes.body(first(record, "messages", "request_kwargs"))
    if isinstance(messages, list):
        return {"model": model, "messages": messages}, "request"
    if isinstance(messages, str):
        return {"model": model, "input": messages}, "request"
    return _shapes.as_object(messages), ""


def _spoiled(body: bytes) -> str:
    if _CUT in body:
        return "cut"
    return "redacted" if any(mark in body for mark in _REDACTED) else ""


def _tags(record: Record, metadata: Record) -> dict[str, str]:
    tags: dict[str, str] = {}
    tagged(tags, TEAM_TAG, text(metadata, "user_api_key_team_alias") or text(record, "team_id"))
    tagged(tags, END_USER_TAG, text(record, "end_user"))
    tagged(tags, SESSION_TAG, text(record, "session_id"))
    tagged(tags, FEATURE_TAG, text(record, "agent_id"))
    for name, column in _TAGS:
        tagged(tags, name, text(record, column))
    tagged(tags, "request_tags", words(first(record, "request_tags")))
    tagged(tags, STATED_COST_TAG, money(record, "spend"))
    return tags
