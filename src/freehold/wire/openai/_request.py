"""A chat request, decoded as far as Freehold needs it. Unknown fields are skipped here and forwarded as they came."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.wire import bodies


class ContentPart(msgspec.Struct, omit_defaults=True, gc=False):
    """One part of a message's content. Parts other than text keep only their `type` here."""

    type: str = ""
    text: str | None = None


def parts_of_tokens(count: int) -> list[ContentPart | str]:
    """So many tokens, of which nobody knows the text: one part without text for every thousand begun."""
    return [ContentPart("tokens") for _ in range(count // 1000 + 1)]


class Message(msgspec.Struct, omit_defaults=True, gc=False):
    """One message. `content` is text, a list of parts, or nothing (an assistant's tool calls)."""

    role: str = ""
    content: str | list[ContentPart | str] | None = None
    name: str | None = None
    tool_calls: list[Any] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """The text of all text parts, in order, one per line. What is no text is left out: see `text_only`."""
        if isinstance(self.content, str):
            return self.content
        if self.content is None:
            return ""
        return "\n".join(part if isinstance(part, str) else part.text or "" for part in self.content)

    @property
    def text_only(self) -> bool:
        """Whether the content holds nothing but text (no image, audio or file)."""
        if self.content is None or isinstance(self.content, str):
            return True
        return all(isinstance(part, str) or part.text is not None for part in self.content)


class StreamOptions(msgspec.Struct, omit_defaults=True, gc=False):
    """Options of a streamed answer."""

    include_usage: bool | None = None


_OBSTACLES = ("logprobs", "top_logprobs", "logit_bias", "stop", "audio", "functions", "store")


class ChatRequest(msgspec.Struct, omit_defaults=True, gc=False):
    """Body of `POST /v1/chat/completions`, as far as recognising, routing and recording need it.

    Fields that only ask for a form of answer no owned model can give (`logprobs`, `n`, `audio`, …) are kept loosely
    typed: see `owned_obstacle`. What it does not promise: that a provider would accept the request.
    """

    messages: list[Message]
    model: str = ""
    tools: list[Any] | None = None
    tool_choice: Any = None
    response_format: dict[str, Any] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    logprobs: bool | int | None = None
    top_logprobs: int | None = None
    stop: str | list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    logit_bias: dict[str, Any] | None = None
    modalities: list[str] | None = None
    audio: Any = None
    functions: Any = None
    web_search_options: Any = None
    store: bool | None = None
    metadata: dict[str, Any] | None = None
    user: Any = None
    safety_identifier: Any = None
    conversation: Any = None

    @property
    def include_usage(self) -> bool:
        """Whether a streamed answer ends with a chunk that holds the usage."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    def owned_obstacle(self) -> str:
        """Name the field that asks for what an owned model cannot give, or "" where none does."""
        if (self.n or 1) != 1:
            return "n"
        asked = (
            self.logprobs, self.top_logprobs, self.logit_bias, self.stop, self.audio, self.functions, self.store
        )  # fmt: skip
        if any(asked):
            return next(name for name, value in zip(_OBSTACLES, asked, strict=True) if value)
        if self.web_search_options is not None:  # empty it asks for a search all the same
            return "web_search_options"
        if self.modalities and self.modalities != ["text"]:
            return "modalities"
        return "tool_choice" if self.tool_choice not in (None, "auto") else ""


_decoder = msgspec.json.Decoder(ChatRequest)


def decode_request(body: bytes) -> ChatRequest:
    """Read a request body.

    Raises:
        BadRequest: the body is no JSON, or a field that Freehold reads has a type no provider accepts. The message
            names the place, never the content.
    """
    return bodies.request(_decoder, body, "a chat completion")
