"""What a provider's error inside a stream, whose status line said 200, would have been as a status."""

from __future__ import annotations

from typing import Any

import msgspec

from ._errors import streamed_error


class _Told(msgspec.Struct):
    error: Any = None


_decoder = msgspec.json.Decoder(_Told)


def streamed_status(body: bytes) -> int:
    """The HTTP status of the error in what was assembled of a stream; 500 where it says nothing that is known."""
    try:
        error = _decoder.decode(body).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        error = None
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, int) and 400 <= code < 600:  # as OpenRouter says it
        return code
    return streamed_error(error).status
