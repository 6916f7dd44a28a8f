"""An answer of Anthropic's Messages."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.errors import UpstreamFailed
from freehold.vocabulary import Usage
from freehold.wire import bodies
from freehold.wire.anthropic._response import UsageBody
from freehold.wire.translation._hub import Answer, Call, Refusal, Stop, Text, Thinking

_encoder = msgspec.json.Encoder()

STOPS: dict[str | None, Stop] = {
    "end_turn": "end", "stop_sequence": "sequence", "max_tokens": "length", "model_context_window_exceeded": "context",
    "tool_use": "tools", "refusal": "refusal", "pause_turn": "pause",
}  # fmt: skip


class Block(msgspec.Struct):
    """A block of content, as far as it can be translated."""

    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: dict[str, Any] = {}

    def part(self) -> Text | Refusal | Call | Thinking:
        """The same in the common form.

        Raises:
            UpstreamFailed: it is the work of a tool of Anthropic's own, for which no other dialect has a form.
        """
        match self.type:
            case "text":
                return Text(self.text)
            case "thinking":
                return Thinking(self.thinking, self.signature)
            case "redacted_thinking":
                return Thinking(redacted=self.data)
            case "tool_use":
                return Call(self.id, self.name, _encoder.encode(self.input).decode())
            case _:
                raise UpstreamFailed("the answer holds a block that cannot be translated")


class StopDetails(msgspec.Struct):
    """Why an answer was refused."""

    explanation: str | None = None


class _Counts(msgspec.Struct, kw_only=True):
    usage: UsageBody | None = None


class _Message(_Counts, kw_only=True):
    content: list[Block]
    stop_reason: str | None
    id: str = ""
    model: str = ""
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


_decoder = msgspec.json.Decoder(_Message)
_counts_decoder = msgspec.json.Decoder(_Counts)


def read_answer(body: bytes) -> Answer:
    """Read it.

    Raises:
        UpstreamFailed: it is no message, or cannot be translated.
    """
    try:
        message = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UpstreamFailed("the provider's answer is no message that can be read") from None
    return Answer(
        id=message.id,
        model=message.model,
        parts=[block.part() for block in message.content],
        stop=stop_of(message.stop_reason),
        usage=message.usage.counts() if message.usage is not None else None,
        sequence=message.stop_sequence,
        explanation=explanation_of(message.stop_details),
    )


def read_usage(body: bytes) -> Usage | None:
    """The counts alone, whatever else the answer holds; None where there are none."""
    read = bodies.answer(_counts_decoder, body)
    return read.usage.counts() if read is not None and read.usage is not None else None


def stop_of(reason: str | None) -> Stop:
    """Why it ended.

    Raises:
        UpstreamFailed: the reason is not known here, so that no client could be told the truth.
    """
    stop = STOPS.get(reason)
    if stop is None:
        raise UpstreamFailed("the answer ended for a reason that is not known here")
    return stop


def explanation_of(details: StopDetails | None) -> str:
    """What Anthropic says of a refusal, or ""."""
    return (details.explanation or "") if details is not None else ""
