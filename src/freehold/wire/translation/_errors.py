"""Errors: a provider's envelope read, the client's written."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.wire.anthropic import error_type as anthropic_type
from freehold.wire.openai import error_type as openai_type

from ._hub import Problem

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()
_STATUS = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "timeout_error": 504,
    "overloaded_error": 529, "insufficient_quota": 429, "rate_limit_exceeded": 429,
}  # fmt: skip
"""HTTP statuses of errors that arrive inside a stream, where the status line has said 200 already."""


def read_error(status: int, body: bytes) -> Problem:
    """A provider's error, of whichever dialect, in the words it used. Never raises."""
    try:
        value = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = None
    inner = value.get("error", value) if isinstance(value, dict) else None
    if isinstance(inner, str) and inner:
        return Problem(inner, status)
    if not isinstance(inner, dict):
        inner = {}
    message = inner.get("message") or inner.get("Message") or inner.get("detail")
    if not isinstance(message, str) or not message:
        message = f"the provider answered with status {status}"
    param = inner.get("param")
    return Problem(message, status, _kind(inner), param if isinstance(param, str) else None)


def streamed_error(error: object) -> Problem:
    """An error that arrived inside a stream, as the object that describes it."""
    fields = error if isinstance(error, dict) else {}
    kind = _kind(fields)
    message = fields.get("message")
    if not isinstance(message, str) or not message:
        message = "the provider broke its answer off"
    return Problem(message, _STATUS.get(kind, 500), kind)


def openai_error(problem: Problem) -> bytes:
    """`{"error": {"message", "type", "param", "code"}}`; the provider's own word for it is the code."""
    error = {
        "message": problem.message,
        "type": openai_type(problem.status),
        "param": problem.param,
        "code": problem.kind or None,
    }
    return _encoder.encode({"error": error})


def anthropic_error(problem: Problem) -> bytes:
    """`{"type": "error", "error": {"type", "message"}}`."""
    kind = "overloaded_error" if problem.status == 503 else anthropic_type(problem.status)
    return _encoder.encode({"type": "error", "error": {"type": kind, "message": problem.message}, "request_id": None})


def _kind(fields: dict[str, Any]) -> str:
    """OpenAI's `code`, Anthropic's `type`, Amazon's `__type`; the most telling that is there."""
    for name in ("code", "type", "__type"):
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value.rpartition("#")[2]
    return ""
