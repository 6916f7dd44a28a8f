"""Small things that every writer of answers needs."""

from __future__ import annotations

from typing import Any

import msgspec

from ._hub import Stop

_encoder = msgspec.json.Encoder()

FINISH_REASONS: dict[Stop, str] = {
    "end": "stop", "sequence": "stop", "length": "length", "context": "length", "tools": "tool_calls",
    "refusal": "content_filter", "pause": "length",
}  # fmt: skip
"""Why an answer ended, in OpenAI's words. One that wants to go on later is told as cut, which it is."""


def data_event(value: Any) -> bytes:
    """One server-sent event of a `data` line."""
    return b"data: %b\n\n" % _encoder.encode(value)


def named_event(value: dict[str, Any]) -> bytes:
    """One server-sent event that is named by the `type` of what it holds."""
    return b"event: %b\ndata: %b\n\n" % (value["type"].encode(), _encoder.encode(value))
