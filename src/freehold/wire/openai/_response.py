"""An answer, decoded as far as Freehold needs it: its usage, its canonical text, why it ended."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.vocabulary import Usage
from freehold.wire import bodies, canonical
from freehold.wire.tiers import service_tier


class _CachedDetails(msgspec.Struct):
    audio_tokens: int | None = None
    image_tokens: int | None = None


class PromptDetails(msgspec.Struct):
    """What the prompt's tokens were: parts of the whole, cached ones included in those of each kind."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None
    cached_tokens_details: _CachedDetails | None = None


class OutputDetails(msgspec.Struct):
    """What the output's tokens were."""

    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class UsageBody(msgspec.Struct):
    """`usage` as it stands on the wire: `prompt_tokens` includes cached ones.

    `prompt_cache_hit_tokens` is DeepSeek's word for cached ones, `cached_tokens` Moonshot's.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None

    def counts(self, tier: str | None = None) -> Usage:
        """The same as disjoint counts; `tier` is what the answer calls its service tier."""
        cached = self.prompt_cache_hit_tokens or self.cached_tokens or 0
        return counts(
            self.prompt_tokens or 0,
            self.completion_tokens or 0,
            self.total_tokens or 0,
            self.prompt_tokens_details,
            self.completion_tokens_details,
            cached=cached,
            tier=tier,
        )


def counts(
    prompt: int,
    output: int,
    total: int,
    inside: PromptDetails | None,
    out: OutputDetails | None,
    *,
    cached: int = 0,
    tier: str | None = None,
) -> Usage:
    """Disjoint counts of OpenAI's totals and the parts that they state.

    Thoughts are billed as output, but some servers of this format (Google's, xAI's) leave them out of
    `completion_tokens` and count them in the total alone: what the total has above prompt and completion is theirs.
    Of audio and images it is not always said which part was cached. Where it is not, text is taken to have been cached
    first, as instructions stand before what a user sends.
    """
    reasoning = heard = seen = 0
    if out is not None:
        reasoning, heard, seen = out.reasoning_tokens or 0, out.audio_tokens or 0, out.image_tokens or 0
    read, written, audio, image = cached, 0, 0, 0
    if inside is not None:
        read, written = inside.cached_tokens or cached, inside.cache_write_tokens or 0
        audio, image = inside.audio_tokens or 0, inside.image_tokens or 0
    if prompt < 0 or output < 0 or min(reasoning, heard, seen, read, written, audio, image) < 0:
        prompt, output, reasoning, heard, seen, read, written, audio, image = (
            max(0, count) for count in (prompt, output, reasoning, heard, seen, read, written, audio, image)
        )
    beyond = total - prompt - output
    if beyond > 0 and (not reasoning or reasoning == beyond):
        output, reasoning = output + beyond, beyond
    fresh = max(0, prompt - read - written)
    tier = service_tier(tier)
    if not (audio or image or heard or seen):
        return Usage(fresh, read, written, output, reasoning, service_tier=tier)
    told = inside.cached_tokens_details if inside is not None else None
    parts = _parts(audio, image, fresh, read, told)
    return Usage(fresh, read, written, output, reasoning, False, 0, *parts, heard, seen, 0, tier)


def _parts(audio: int, image: int, fresh: int, read: int, told: _CachedDetails | None) -> tuple[int, int, int, int]:
    """Audio and images of what was not cached, and of what was read from the cache."""
    if told is not None and (told.audio_tokens is not None or told.image_tokens is not None):
        old_audio, old_image = min(audio, told.audio_tokens or 0), min(image, told.image_tokens or 0)
    else:
        old_image = min(read, max(0, image - fresh))
        old_audio = min(read - old_image, max(0, audio - (fresh - (image - old_image))))
    return audio - old_audio, image - old_image, old_audio, old_image


class _Function(msgspec.Struct):
    name: str = ""
    arguments: str | dict[str, Any] | None = None


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _Message(msgspec.Struct):
    content: str | list[Any] | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    finish_reason: str | None = None


class ChatResponse(msgspec.Struct):
    """Body of a chat completion, read partly."""

    choices: list[_Choice]
    model: str = ""
    usage: UsageBody | None = None
    service_tier: str | None = None

    def counts(self) -> Usage | None:
        """Token counts that the provider stated, or None where it stated none."""
        return self.usage.counts(self.service_tier) if self.usage is not None else None


class _UsageOnly(msgspec.Struct):
    usage: UsageBody | None = None
    service_tier: str | None = None


_decoder = msgspec.json.Decoder(ChatResponse)
_usage_decoder = msgspec.json.Decoder(_UsageOnly)


def decode_response(body: bytes) -> ChatResponse | None:
    """Read an answer, or None where the body is no chat completion (an error, HTML, a cut body)."""
    return bodies.answer(_decoder, body)


def usage_of(body: bytes) -> Usage | None:
    """Token counts that the provider stated, or None where it stated none. Never guesses."""
    found = bodies.answer(_usage_decoder, body)
    return found.usage.counts(found.service_tier) if found is not None and found.usage is not None else None


def answer_text(body: bytes) -> str | None:
    """The canonical answer (`freehold.wire.canonical`): the first choice's content, or its tool calls.

    None where there is no answer: an error, a refusal, an unreadable body.
    """
    response = decode_response(body)
    if response is None or not response.choices or response.choices[0].message is None:
        return None
    message = response.choices[0].message
    calls = [call.function for call in message.tool_calls or () if call.function is not None]
    if message.function_call is not None:
        calls.append(message.function_call)
    if calls:
        return canonical.calls_text(canonical.Called(call.name, _arguments(call.arguments)) for call in calls)
    if message.refusal:
        return None
    if isinstance(message.content, list):
        return "\n".join(str(part.get("text") or "") for part in message.content if isinstance(part, dict))
    return message.content


def finish_reason(body: bytes) -> str | None:
    """Why the first choice ended, in the provider's word, or None where the body is no answer."""
    response = decode_response(body)
    return response.choices[0].finish_reason if response is not None and response.choices else None


def _arguments(arguments: str | dict[str, Any] | None) -> object:
    return canonical.parsed(arguments or "") if not isinstance(arguments, dict) else arguments
