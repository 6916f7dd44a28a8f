"""One recorded call as questions look at it: its task, the rented models it asked, and its prompt in pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from freehold.errors import FreeholdError
from freehold.vocabulary import PARENT_TAG, SESSION_TAG, TRACE_TAG, Call, Leg, reasons
from freehold.wire.known import dialect
from freehold.wire.openai import ChatRequest, Message

NO_TASK = ""
"""The task of a call that recurs in none."""

_W3C = re.compile("[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-")
_encode = msgspec.json.Encoder(order="deterministic").encode


class Seen(NamedTuple):
    """A call, the name of its task, and the version of its prompt ("": near to the task's, or none).

    `chat` is None where the call came without a body or none that can be read.
    """

    call: Call
    task: str
    chat: ChatRequest | None
    template: str = ""

    @property
    def ended_us(self) -> int:
        """When its last byte came, in microseconds since the epoch."""
        return self.call.started_at_us + round(self.call.latency_ms * 1000)


def look(call: Call, task: str = NO_TASK, template: str = "") -> Seen:
    """A call as questions see it; never raises for a body that cannot be read."""
    if not call.request:
        return Seen(call, task, None, template)
    try:
        return Seen(call, task, dialect(call.dialect).decode(call.request).chat, template)
    except (FreeholdError, KeyError):
        return Seen(call, task, None, template)


def prompt_pieces(chat: ChatRequest) -> list[bytes]:
    """What a model is given, in the order that providers cache it: the tools first, then one piece a message.

    Images and audio stand as their part's type alone, so two of them look alike: a prefix is never shorter than here,
    and may be longer.
    """
    tools = _encode(chat.tools) if chat.tools else b""
    return [tools, *map(message_bytes, chat.messages)]


def message_bytes(message: Message) -> bytes:
    """One message as a model is given it: equal messages are equal bytes."""
    return _encode(message)


def rented_legs(call: Call) -> Iterator[Leg]:
    """The requests to rented models that a call took, audits included; of a call without attempts, the call itself.

    The same requests as those of the ledger's sums. Of what a cache answered there is none.
    """
    yield from (leg for leg in call.legs if leg.owner == "rented")
    if not call.legs and call.owner == "rented" and call.reason != reasons.CACHE_HIT:
        yield Leg(
            "serve",
            "rented",
            call.provider,
            call.model,
            call.outcome,
            call.status,
            latency_ms=call.latency_ms,
            ttft_ms=call.ttft_ms,
            usage=call.usage,
        )


def run_of(call: Call) -> tuple[str, str]:
    """What a call belongs to, as its client or its log says: `("trace", id)`, `("session", id)`, else two empty texts.

    Of a W3C trace context the trace's id counts, not the span's; another system's name of a trace counts whole.
    """
    trace = call.tags.get(TRACE_TAG, "")
    if trace:
        context = _W3C.match(trace)
        return "trace", context[1] if context else trace
    session = call.tags.get(SESSION_TAG, "")
    return ("session", session) if session else ("", "")


def parent_of(call: Call) -> str:
    """The span within which the call was made, "" where nothing says so."""
    return call.tags.get(PARENT_TAG, "")
