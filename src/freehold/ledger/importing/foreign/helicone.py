"""Helicone: a request as its export and its API give it.

Bodies are there where they were asked for at export; otherwise `{}`, a notice, or nothing stands in their place, and
`signed_body_url` says where they lie. Nothing is fetched from there, and the address is not kept: it is a key to them.
`prompt_tokens` is the provider's own count: with cached tokens from OpenAI, without them from Anthropic.
"""

from __future__ import annotations

from typing import Any, cast

from freehold.vocabulary import END_USER_TAG, FEATURE_TAG, PROMPT_TAG, SESSION_TAG, Call, Usage
from freehold.vocabulary.reasons import CACHE_HIT
from freehold.wire.known import CHAT, DIALECTS, PATHS, dialect

from . import _shapes
from ._fields import (
    NO_BODY_TAG,
    STATED_COST_TAG,
    Record,
    count,
    encoded,
    first,
    mapping,
    moment_us,
    money,
    needed,
    number,
    span_ms,
    started_us,
    storable,
    tagged,
    text,
)
from ._providers import provider
from ._usage import disjoint

NAME = "helicone"
_NOTICE = "helicone_message"
_NO_MODEL = frozenset({"unknown", "not-found", "unsupported"})
_NOBODY = "00000000-0000-0000-0000-000000000000"
_CANCELLED = -3
_SPECIAL = {"helicone-session-id": SESSION_TAG, "helicone-session-name": FEATURE_TAG, "helicone-prompt-id": PROMPT_TAG}
_MOST_PROPERTIES = 32


def recognises(record: Record) -> bool:
    """Whether a record's fields are those of Helicone."""
    return "request_id" in record and "request_created_at" in record


def read(record: Record) -> Call:
    """The call of a request.

    Raises:
        Rejected: the id or the start is missing, or a field is of a wrong kind.
    """
    start = started_us(record, "request_created_at")
    took = number(record, "delay_ms")
    ttft_ms = number(record, "time_to_first_token")
    call = Call(
        id=needed(record, "request_id"),
        started_at_us=start,
        latency_ms=took if took is not None and took >= 0 else _waited(record, start),
        provider=provider(text(record, "provider")),
        model=_model(record),
        request=b"",
        response=b"",
        ttft_ms=ttft_ms if ttft_ms is not None and ttft_ms > 0 else None,
        tags=_tags(record),
        source="import",
    )
    _bodies(call, record)
    stated = dialect(call.dialect).read(call.response) if call.response and call.dialect in DIALECTS else None
    call.usage = stated.usage if stated is not None and stated.usage is not None else _usage(record, call.provider)
    _outcome(call, record)
    return call


def _waited(record: Record, start_us: int) -> float:
    return span_ms(start_us, moment_us(record, "response_created_at")) or 0.0


def _model(record: Record) -> str:
    for name in ("model_override", "request_model", "model", "response_model"):
        found = text(record, name)
        if found and found.lower() not in _NO_MODEL:
            return found
    return ""


def _bodies(call: Call, record: Record) -> None:
    request, answer = _body(record, "request_body"), _body(record, "response_body")
    path = text(record, "request_path") or text(record, "target_url")
    call.dialect = _dialect(path, request, answer)
    call.request = b"" if request is None else encoded(request)
    call.response = b"" if answer is None else encoded(answer)
    call.streamed = request is not None and request.get("stream") is True
    if request is None and answer is None and text(record, "signed_body_url"):
        call.tags[NO_BODY_TAG] = "elsewhere"


def _body(record: Record, name: str) -> Record | None:
    found = _shapes.as_object(_shapes.body(first(record, name)))
    return None if found is None or set(found) == {_NOTICE} else found


def _dialect(path: str, request: Record | None, answer: Record | None) -> str:
    """By the path that was called, else by the bodies; bodies of other APIs keep a name that says so."""
    plain = path.partition("?")[0].rstrip("/")
    for name, known in PATHS.items():
        if plain.endswith(known.removeprefix("/v1")):
            return name
    found = (_shapes.answered_by(answer) if answer is not None else "") or (
        _shapes.asked_in(request) if request is not None else ""
    )
    return found or (CHAT.name if request is None and answer is None else f"{NAME}.other")


def _usage(record: Record, told_by: str) -> Usage | None:
    prompt, output = count(record, "prompt_tokens"), count(record, "completion_tokens")
    if prompt is None and output is None:
        return None
    read = count(record, "prompt_cache_read_tokens") or 0
    written = count(record, "prompt_cache_write_tokens") or 0
    stated = Usage(
        input_tokens=prompt or 0,
        cache_read_tokens=read,
        cache_write_tokens=written,
        output_tokens=output or 0,
        reasoning_tokens=count(record, "reasoning_tokens") or 0,
        input_audio_tokens=count(record, "prompt_audio_tokens") or 0,
        output_audio_tokens=count(record, "completion_audio_tokens") or 0,
    )
    whole = count(record, "total_tokens")
    apart = bool(read + written) and whole == (prompt or 0) + (output or 0) + read + written
    return disjoint(stated, inclusive=told_by != "anthropic" and not apart)


def _outcome(call: Call, record: Record) -> None:
    status = count(record, "response_status") if not text(record, "response_status").startswith("-") else None
    below = number(record, "response_status")
    answer = text(record, "cache_reference_id")
    if below == _CANCELLED:
        call.outcome, call.owner, call.status = "cancelled", "none", 499
    elif below is not None and not 200 <= below < 300:
        call.outcome, call.owner, call.error = "error", "none", "upstream_failed"
        call.status = status if status is not None and 100 <= status < 600 else 0
    elif answer and answer not in (_NOBODY, "DEFAULT", call.id):
        call.reason, call.usage = CACHE_HIT, Usage()  # nobody was asked: no tokens, no cost
    elif status is not None:
        call.status = status


def _tags(record: Record) -> dict[str, str]:
    tags: dict[str, str] = {}
    for name, value in _properties(record):
        tagged(tags, _SPECIAL.get(name.lower(), name), value)
    tagged(tags, END_USER_TAG, text(record, "request_user_id"))
    tagged(tags, PROMPT_TAG, text(record, "prompt_id"))
    tagged(tags, STATED_COST_TAG, money(record, "costUSD", "cost_usd", "cost"))
    return tags


def _properties(record: Record) -> list[tuple[str, str]]:
    """What the product itself wrote beside its calls; what is no short text is left out."""
    found: dict[str, Any] = {**mapping(record, "request_properties"), **mapping(record, "properties")}
    return [
        (name, value)
        for name, value in sorted(found.items())[:_MOST_PROPERTIES]
        if isinstance(value, str) and storable(value) and storable(name)
    ]


def feedback_of(record: Record) -> tuple[tuple[str, float], ...]:
    """Scores that people gave: name and number. A thumb is 1 or 0, under the name ""."""
    rating = first(record, "feedback_rating")
    found: list[tuple[str, float]] = []
    if isinstance(rating, bool) or rating in ("true", "false", 0, 1, "0", "1"):
        found.append(("", 1.0 if rating in (True, "true", 1, "1") else 0.0))
    for name, score in mapping(record, "scores").items():
        value = cast("Record", score).get("value") if isinstance(score, dict) else score
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:  # noqa: PLR0124
            found.append((name.removeprefix("helicone-score-"), float(value)))
    return tuple(found)
