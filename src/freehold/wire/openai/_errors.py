"""Errors in OpenAI's envelope.

Its SDKs choose the exception class by HTTP status and show `message`, `type` and `code`.
"""

from __future__ import annotations

import msgspec

from freehold.errors import FreeholdError

_encoder = msgspec.json.Encoder()
_AFTER_ALL = 2**31 - 1
_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    429: "rate_limit_error",
    504: "timeout_error",
}


def error_type(status: int) -> str:
    """OpenAI's word for an error of that HTTP status."""
    return _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")


def error_envelope(error: FreeholdError) -> bytes:
    """`{"error": {"message", "type", "param", "code"}}`. The status goes on the response line, not in the body."""
    return _encoder.encode({"error": _body(error)})


def error_event(error: FreeholdError) -> bytes:
    """The same as one event of a stream that has begun: what OpenAI's SDKs raise as `APIError` while streaming."""
    return b"data: " + error_envelope(error) + b"\n\n"


def response_error_event(error: FreeholdError) -> bytes:
    """The same as one event of a streamed response.

    The fields are those that the reference gives the event; `error` is what OpenAI sends besides, and what makes its
    SDKs raise. Nobody has counted the provider's events: the number is larger than any of theirs.
    """
    body = _body(error)
    document = {
        "type": "error",
        "code": body["code"],
        "message": body["message"],
        "param": None,
        "sequence_number": _AFTER_ALL,
        "error": body,
    }
    return b"event: error\ndata: " + _encoder.encode(document) + b"\n\n"


def _body(error: FreeholdError) -> dict[str, str | None]:
    return {
        "message": str(error),
        "type": error_type(error.status),
        "param": None,
        "code": error.error_code,
    }
