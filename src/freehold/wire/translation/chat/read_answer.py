"""An answer of a server of chat completions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from freehold.errors import UpstreamFailed
from freehold.wire.openai._response import UsageBody
from freehold.wire.translation._hub import Answer, Call, Refusal, Stop, Text, Thinking

_encoder = msgspec.json.Encoder()

_STOPS: dict[str | None, Stop] = {
    "stop": "end", "eos": "end", "eos_token": "end", "stop_sequence": "sequence", "length": "length",
    "model_length": "context", "tool_calls": "tools", "function_call": "tools", "content_filter": "refusal",
}  # fmt: skip
"""OpenAI's words, and those of servers that have others (TGI, Mistral)."""


class Function(msgspec.Struct):
    """What a call names and passes. Some servers give the arguments as an object."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The arguments as JSON text."""
        if isinstance(self.arguments, dict):
            return _encoder.encode(self.arguments).decode()
        return self.arguments or ""


class ToolCall(msgspec.Struct):
    """A call, or in a stream a piece of one."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Chunk(msgspec.Struct):
    """A piece of a content that is a list, as Mistral's reasoning models give it."""

    type: str = ""
    text: str = ""
    thinking: list[Chunk] | str = ""


class Message(msgspec.Struct):
    """A message, or in a stream a piece of one. What was thought has two names among the servers."""

    content: str | list[Chunk] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None

    def said(self) -> Iterator[Text | Thinking | Refusal]:
        """What was thought and said, in order; nothing that is empty."""
        thought = self.reasoning_content or self.reasoning
        if thought:
            yield Thinking(thought)
        if isinstance(self.content, str):
            yield from [Text(self.content)] if self.content else []
        for chunk in self.content if isinstance(self.content, list) else ():
            inner = chunk.thinking
            thought = inner if isinstance(inner, str) else "".join(part.text for part in inner)
            if thought or chunk.text:
                yield Thinking(thought) if thought else Text(chunk.text)
        if self.refusal:
            yield Refusal(self.refusal)


class Choice(msgspec.Struct):
    """One choice. `stop_reason` is vLLM's: the stop sequence that ended it, or a token's number."""

    index: int = 0
    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None

    @property
    def sequence(self) -> str | None:
        """The stop sequence that ended it, where the server says so."""
        return self.stop_reason if isinstance(self.stop_reason, str) and self.finish_reason == "stop" else None


class Completion(msgspec.Struct):
    """A completion, or in a stream a piece of one."""

    choices: list[Choice] | None = None
    id: str = ""
    model: str = ""
    created: int | None = None
    usage: UsageBody | None = None
    service_tier: str | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(Completion)


def read_answer(body: bytes) -> Answer:
    """Read it.

    Raises:
        UpstreamFailed: it is no chat completion, or cannot be translated.
    """
    try:
        read = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UpstreamFailed("the provider's answer is no chat completion that can be read") from None
    choice = read.choices[0] if read.choices else None
    if choice is None or choice.message is None:
        raise UpstreamFailed("the provider's answer is no chat completion that can be read")
    sequence = choice.sequence
    return Answer(
        id=read.id,
        model=read.model,
        parts=_parts(choice.message),
        stop="sequence" if sequence else stop_of(choice.finish_reason),
        usage=read.usage.counts(read.service_tier) if read.usage is not None else None,
        created_s=read.created,
        sequence=sequence,
    )


def stop_of(reason: str | None) -> Stop:
    """Why it ended.

    Raises:
        UpstreamFailed: the reason is not known here, so that no client could be told the truth.
    """
    stop = _STOPS.get(reason)
    if stop is None:
        raise UpstreamFailed("the answer ended for a reason that is not known here")
    return stop


def _parts(message: Message) -> list[Text | Refusal | Call | Thinking]:
    parts: list[Text | Refusal | Call | Thinking] = list(message.said())
    for number, call in enumerate(message.tool_calls or ()):
        function = call.function or Function()
        parts.append(Call(call.id or f"call_{number}", function.name or "", function.text or "{}"))
    return parts
