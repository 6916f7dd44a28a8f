"""An answer of Bedrock's Converse."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.errors import UpstreamFailed
from freehold.vocabulary import Usage
from freehold.wire import bodies
from freehold.wire.tiers import joined, service_tier
from freehold.wire.translation._hub import Answer, Call, Stop, Text, Thinking

_encoder = msgspec.json.Encoder()
_STOPS: dict[str, Stop] = {
    "end_turn": "end", "stop_sequence": "sequence", "max_tokens": "length", "model_context_window_exceeded": "context",
    "tool_use": "tools", "guardrail_intervened": "refusal", "content_filtered": "refusal",
}  # fmt: skip


class _CacheDetail(msgspec.Struct, rename="camel"):
    ttl: str = ""
    input_tokens: int = 0


class TokenUsage(msgspec.Struct, rename="camel"):
    """Token counts: `inputTokens` without cached ones."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    cache_details: list[_CacheDetail] = []

    def counts(self, terms: Terms) -> Usage:
        """The same in our words; `terms` is whatever states the service tier."""
        hour = sum(max(0, one.input_tokens) for one in self.cache_details if one.ttl == "1h")
        return Usage(
            input_tokens=max(0, self.input_tokens),
            cache_read_tokens=max(0, self.cache_read_input_tokens),
            cache_write_tokens=max(0, self.cache_write_input_tokens - hour),
            output_tokens=max(0, self.output_tokens),
            cache_write_1h_tokens=hour,
            service_tier=terms.tier,
        )


class _Tier(msgspec.Struct):
    type: str = ""


class _Performance(msgspec.Struct):
    latency: str = ""


class Terms(msgspec.Struct, rename="camel"):
    """What an answer says of the terms it was given on: its tier, and whether latency was paid for."""

    service_tier: _Tier | None = None
    performance_config: _Performance | None = None

    @property
    def tier(self) -> str:
        """The tier, as `Usage.service_tier` has it."""
        latency = self.performance_config.latency if self.performance_config is not None else ""
        tier = service_tier(self.service_tier.type) if self.service_tier is not None else ""
        return joined(tier, service_tier(latency))


class ToolUse(msgspec.Struct, rename="camel"):
    """A call, whole or (without its input) the beginning of one."""

    tool_use_id: str
    name: str
    input: Any = None


class _ReasoningText(msgspec.Struct):
    text: str = ""
    signature: str = ""


class _Reasoning(msgspec.Struct, rename="camel"):
    reasoning_text: _ReasoningText | None = None
    redacted_content: str = ""


class _Cited(msgspec.Struct):
    content: list[_ReasoningText] = []


class _Block(msgspec.Struct, rename="camel"):
    text: str | None = None
    tool_use: ToolUse | None = None
    reasoning_content: _Reasoning | None = None
    citations_content: _Cited | None = None

    def part(self) -> Text | Call | Thinking:
        if self.text is not None:
            return Text(self.text)
        if self.tool_use is not None:
            arguments = _encoder.encode(self.tool_use.input or {}).decode()
            return Call(self.tool_use.tool_use_id, self.tool_use.name, arguments)
        if self.citations_content is not None:
            return Text("".join(piece.text for piece in self.citations_content.content))
        if self.reasoning_content is not None:
            thought = self.reasoning_content.reasoning_text or _ReasoningText()
            return Thinking(thought.text, thought.signature, self.reasoning_content.redacted_content)
        raise UpstreamFailed("the answer holds a block that cannot be translated")


class _Message(msgspec.Struct):
    content: list[_Block]


class _Output(msgspec.Struct):
    message: _Message


class ModelFields(msgspec.Struct):
    """What was asked for besides: which stop sequence was met."""

    stop_sequence: str | None = None


class _Counts(Terms, rename="camel", kw_only=True):
    usage: TokenUsage | None = None


class _Answer(_Counts, rename="camel", kw_only=True):
    output: _Output
    stop_reason: str
    additional_model_response_fields: ModelFields | None = None


_decoder = msgspec.json.Decoder(_Answer)
_counts_decoder = msgspec.json.Decoder(_Counts)


def read_answer(body: bytes) -> Answer:
    """Read it. Bedrock states no id, no time and no model.

    Raises:
        UpstreamFailed: it is no answer of Converse, or cannot be translated.
    """
    try:
        read = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UpstreamFailed("the provider's answer is none of Converse that can be read") from None
    return Answer(
        id="",
        model="",
        parts=[block.part() for block in read.output.message.content],
        stop=stop_of(read.stop_reason),
        usage=read.usage.counts(read) if read.usage is not None else None,
        sequence=sequence_of(read.additional_model_response_fields),
    )


def read_usage(body: bytes) -> Usage | None:
    """The counts alone, whatever else the answer holds; None where there are none."""
    read = bodies.answer(_counts_decoder, body)
    return read.usage.counts(read) if read is not None and read.usage is not None else None


def stop_of(reason: str) -> Stop:
    """Why it ended.

    Raises:
        UpstreamFailed: the model's output was malformed, or the reason is not known here.
    """
    stop = _STOPS.get(reason)
    if stop is None:
        raise UpstreamFailed("the answer ended for a reason that is not known here, or malformed")
    return stop


def sequence_of(fields: ModelFields | None) -> str | None:
    """The stop sequence that was met, where it was asked for and told."""
    return fields.stop_sequence if fields is not None else None
