"""Small questions about answers: does one fit what was asked, do two agree, how long was the prompt."""

from __future__ import annotations

import msgspec

from freehold.errors import UsageError
from freehold.evidence.losses import loss
from freehold.vocabulary import Leg
from freehold.wire.openai import ChatRequest, estimate_tokens

_encoder = msgspec.json.Encoder()
_MESSAGE_BYTES = 24
"""What the frame of one message comes to."""
_PART_TOKENS = 1600
"""About what the providers count for an image of a million pixels."""


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


def most_prompt_tokens(request: ChatRequest) -> int:
    """An estimate from above: a token for three bytes of text, tools and schema, and an image's for every other part.

    Texts of emoji alone, and long audio or documents, take more.
    """
    size, parts = _MESSAGE_BYTES * len(request.messages), 0
    for one in (request.tools, request.response_format, request.functions):
        if one:
            size += len(_encoder.encode(one))
    for message in request.messages:
        content = message.content
        if isinstance(content, str):
            size += _utf8_bytes(content)
        elif content is not None:
            size += _utf8_bytes(message.text)
            parts += sum(1 for part in content if not isinstance(part, str) and part.text is None)
        if message.tool_calls:
            size += len(_encoder.encode(message.tool_calls))
    return size // 3 + parts * _PART_TOKENS


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def judged(leg: Leg, answer: str | None, wrong: bool | None) -> Leg:  # noqa: FBT001 -- a result, not a switch
    """The leg with its answer and whether owned and rented agreed."""
    return msgspec.structs.replace(leg, answer=answer, agrees=None if wrong is None else not wrong)
