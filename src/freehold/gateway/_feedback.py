"""`POST /v1/feedback`: what a person, or the product, says of an earlier call."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from freehold.errors import BadRequest, FreeholdError, LedgerUnavailable
from freehold.vocabulary import Feedback as Statement
from freehold.vocabulary.feedback import statements

_HINT = '{"call_id": "call_...", "score": 1, "name": "helpful"}; or "gold", "correction", "comment" instead of "score"'
_NAME_CHARS = 64
_TEXT_CHARS = 1_000_000

_Answer = str | dict[str, Any] | list[Any]


class Feedback(msgspec.Struct, frozen=True):
    """What was said of a call, at once; `Statement` says what each means."""

    call_id: str
    said: tuple[Statement, ...]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    call_id: str
    gold: _Answer | None = None
    correction: _Answer | None = None
    score: float | bool | None = None
    name: str = ""
    comment: str | None = None


_decoder = msgspec.json.Decoder(_Body)
_encode = msgspec.json.Encoder().encode


def decode_feedback(body: bytes, *, given_by: str = "") -> Feedback:
    """Read a feedback body: a call's id, and a score, a gold answer, a correction or a comment, or several of them.

    An answer is text, or a JSON object or list where that is what the call answers with; a score is a number, or true
    and false for 1 and 0. `given_by` is the name of the caller's virtual key.

    Raises:
        BadRequest: it is not one. The message names the field, never its content.
    """
    try:
        found = _decoder.decode(body)
    except msgspec.MsgspecError as error:
        detail = str(error) if isinstance(error, msgspec.ValidationError) else "not valid JSON"
        raise _no_feedback(detail) from None
    except RecursionError:
        raise _no_feedback("nested too deeply") from None
    score = None if found.score is None else float(found.score)
    answers = {"gold": _text(found.gold), "correction": _text(found.correction), "comment": found.comment}
    if not found.call_id:
        raise _no_feedback("call_id is empty")
    if score is None and not any(answers.values()):
        raise _no_feedback("it says nothing")
    if score is not None and not math.isfinite(score):
        raise _no_feedback("score is no number")
    if found.name and score is None:
        raise _no_feedback("name is the name of a score, and there is none")
    if len(found.name) > _NAME_CHARS:
        raise _no_feedback(f"name is longer than {_NAME_CHARS} characters")
    for field, text in answers.items():
        if text is not None and not text.strip():
            raise _no_feedback(f"{field} is empty")
        if text is not None and len(text) > _TEXT_CHARS:
            raise _no_feedback(f"{field} is longer than {_TEXT_CHARS} characters")
    said = statements(found.call_id, score=score, name=found.name, given_by=given_by, via="gateway", **answers)
    return Feedback(found.call_id, said)


def unreadable(error: Exception) -> FreeholdError:
    """The error to answer with where keeping failed."""
    if isinstance(error, FreeholdError):
        return error
    return LedgerUnavailable(f"the feedback could not be kept ({type(error).__name__})", hint="freehold doctor")


def _text(answer: _Answer | None) -> str | None:
    """An answer in canonical form: text as it is, JSON without needless space."""
    return answer if answer is None or isinstance(answer, str) else _encode(answer).decode()


def _no_feedback(detail: str) -> BadRequest:
    return BadRequest(f"the body is no feedback: {detail}", hint=_HINT)
