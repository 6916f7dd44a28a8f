"""Reading bodies of requests and answers, in the same way for every dialect."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from freehold.errors import BadRequest

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What reading JSON from somebody else may raise."""

_T = TypeVar("_T")
_decoder = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder()


def request(decoder: msgspec.json.Decoder[_T], body: bytes, kind: str) -> _T:
    """Read a request's body.

    Some servers take `100.0` or `"100"` for 100, and some clients write it so: what they mean is read, and what they
    wrote goes on, for the provider to judge.

    Raises:
        BadRequest: it is no JSON, or a field that Freehold reads has a type no provider accepts. The message names the
            `kind` of request, with its article, and the place, never the content.
    """
    try:
        try:
            return decoder.decode(body)
        except msgspec.ValidationError:
            return msgspec.json.decode(body, type=decoder.type, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"the request body is not {kind} request: {error}") from None
    except UNREADABLE:
        raise BadRequest("the request body is not valid JSON") from None


def answer(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T | None:
    """Read an answer's body, or None where it is none of that kind (an error, HTML, a cut body)."""
    try:
        return decoder.decode(body)
    except UNREADABLE:
        return None


def without(body: bytes, *fields: str) -> bytes:
    """A JSON object without some of its fields; the rest keeps its order."""
    whole = _decoder.decode(body)
    return _encoder.encode({key: value for key, value in whole.items() if key not in fields})
