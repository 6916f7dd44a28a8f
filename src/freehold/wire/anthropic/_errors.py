"""Errors in Anthropic's envelope.

Its SDKs choose the exception class by HTTP status and show `message`, `type` and `details.error_code`.
"""

from __future__ import annotations

import msgspec

from freehold.errors import FreeholdError, Overloaded

_encoder = msgspec.json.Encoder()
_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_type(status: int) -> str:
    """Anthropic's word for an error of that HTTP status."""
    return _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")


def error_envelope(error: FreeholdError) -> bytes:
    """`{"type": "error", "error": {"type", "message", "details"}, "request_id"}`; the status goes on the response line.

    Our code stands in `details.error_code`, where the SDKs show it as `error_code`.
    """
    kind = "overloaded_error" if isinstance(error, Overloaded) else error_type(error.status)
    return _encoder.encode(
        {
            "type": "error",
            "error": {
                "type": kind,
                "message": str(error),
                "details": {"error_code": error.error_code},
            },
            "request_id": None,
        }
    )


def error_event(error: FreeholdError) -> bytes:
    """The same as one event of a stream that has begun."""
    return b"event: error\ndata: " + error_envelope(error) + b"\n\n"
