"""Small questions about answers: does one fit what was asked, do two agree, how long was the prompt."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.errors import UsageError
from freehold.evidence.losses import loss
from freehold.vocabulary import Leg
from freehold.wire.openai import ChatRequest, estimate_tokens

_decoder = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder()


def differs(loss_name: str, owned: str, rented: str) -> bool:
    """Whether two answers differ under a task's loss; an unknown loss compares letter by letter."""
    try:
        return loss(loss_name)(owned, rented)
    except UsageError:
        return owned != rented


def fits(request: ChatRequest, answer: str) -> bool:
    """Whether an answer is surely within the length that the request allows."""
    limit = request.max_completion_tokens or request.max_tokens
    return limit is None or estimate_tokens(answer) <= limit


def prompt_tokens(request: ChatRequest) -> int:
    """An estimate of the tokens of a request's messages."""
    return sum(estimate_tokens(message.text) for message in request.messages)


def judged(leg: Leg, answer: str | None, wrong: bool | None) -> Leg:  # noqa: FBT001 -- a result, not a switch
    """The leg with its answer and whether owned and rented agreed."""
    return msgspec.structs.replace(leg, answer=answer, agrees=None if wrong is None else not wrong)


def unstreamed(body: bytes, request: ChatRequest) -> bytes:
    """The same request, asking for the answer whole."""
    if not request.stream:
        return body
    fields = _decoder.decode(body)
    fields.pop("stream", None)
    fields.pop("stream_options", None)
    return _encoder.encode(fields)
