"""`POST /v1/feedback`: a person's answer or score for an earlier call."""

from __future__ import annotations

import msgspec

from freehold.errors import BadRequest, FreeholdError, LedgerUnavailable


class Feedback(msgspec.Struct, frozen=True):
    """What was said of a call. `gold` is the right answer, in canonical form."""

    call_id: str
    gold: str


_decoder = msgspec.json.Decoder(Feedback)


def decode_feedback(body: bytes) -> Feedback:
    """Read a feedback body: `{"call_id": "...", "gold": "..."}`.

    Raises:
        BadRequest: it is not one.
    """
    try:
        found = _decoder.decode(body)
    except msgspec.MsgspecError as error:
        detail = str(error) if isinstance(error, msgspec.ValidationError) else "not valid JSON"
        raise BadRequest(f"the body is no feedback: {detail}", hint='{"call_id": "call_...", "gold": "..."}') from None
    if not found.call_id:
        raise BadRequest("the body is no feedback: call_id is empty", hint='{"call_id": "call_...", "gold": "..."}')
    return found


def unreadable(error: Exception) -> FreeholdError:
    """The error to answer with where keeping failed."""
    if isinstance(error, FreeholdError):
        return error
    return LedgerUnavailable(f"the feedback could not be kept ({type(error).__name__})", hint="freehold doctor")
