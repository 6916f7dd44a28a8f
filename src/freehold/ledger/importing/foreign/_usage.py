"""Token counts of other tools' logs as disjoint counts.

Two ways of counting are in use. OpenAI's: the prompt includes what was read from a cache and written to one.
Anthropic's: it excludes both. Who normalises to the first and who passes on the second is known by tool.
"""

from __future__ import annotations

import msgspec

from freehold.vocabulary import Usage
from freehold.wire.tiers import service_tier

from ._fields import Record, count, mapping, text

_CACHES = frozenset({"cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation"})


def usage_of(stated: Record) -> Usage | None:
    """The counts of an object of usage as providers and gateways write it; None where it states none.

    Its names tell which way it counts: `input_tokens` beside counts of Anthropic's cache excludes what these count.

    Raises:
        Rejected: a count is of a wrong kind.
    """
    prompt = count(stated, "prompt_tokens", "input_tokens", "promptTokens", "inputTokens")
    output = count(stated, "completion_tokens", "output_tokens", "completionTokens", "outputTokens")
    if prompt is None and output is None:
        return None
    asked = mapping(stated, "prompt_tokens_details", "input_tokens_details")
    said = mapping(stated, "completion_tokens_details", "output_tokens_details")
    kept = mapping(stated, "cache_creation") or mapping(asked, "cache_creation_token_details")
    written_1h = count(kept, "ephemeral_1h_input_tokens") or 0
    written = count(stated, "cache_creation_input_tokens")
    if written is None:
        written = count(asked, "cache_creation_tokens", "cache_write_tokens")
    if written is None:
        written = (count(kept, "ephemeral_5m_input_tokens") or 0) + written_1h
    read = count(stated, "cache_read_input_tokens")
    if not read:  # some write a zero here, and the truth in the details
        read = count(asked, "cached_tokens") or read or 0
    return disjoint(
        Usage(
            input_tokens=prompt or 0,
            cache_read_tokens=read,
            cache_write_tokens=max(0, written - written_1h),
            cache_write_1h_tokens=written_1h,
            output_tokens=output or 0,
            reasoning_tokens=count(said, "reasoning_tokens", "thinking_tokens") or 0,
            input_audio_tokens=count(asked, "audio_tokens") or 0,
            input_image_tokens=count(asked, "image_tokens") or 0,
            output_audio_tokens=count(said, "audio_tokens") or 0,
            output_image_tokens=count(said, "image_tokens") or 0,
            service_tier=service_tier(text(stated, "service_tier")),
        ),
        inclusive=not ("prompt_tokens" not in stated and not asked and _CACHES & set(stated)),
    )


def disjoint(stated: Usage, *, inclusive: bool) -> Usage:
    """Counts as a log states them, made disjoint: `input_tokens` of the result is uncached input only.

    `inclusive`: the stated one, and its audio and images, include cached tokens; where it is smaller than these, it
    does not. Parts (reasoning, audio, images) never come to more than the whole that they are part of.
    """
    cached = stated.cache_read_tokens + stated.cache_write_tokens + stated.cache_write_1h_tokens
    if not cached and stated.is_plain and stated.reasoning_tokens <= stated.output_tokens:
        return stated
    uncached, audio, image = stated.input_tokens, stated.input_audio_tokens, stated.input_image_tokens
    if inclusive and uncached >= cached:
        uncached -= cached
        audio = max(0, audio - stated.cache_read_audio_tokens)
        image = max(0, image - stated.cache_read_image_tokens)
    audio = min(audio, uncached)
    read_audio = min(stated.cache_read_audio_tokens, stated.cache_read_tokens)
    said_audio = min(stated.output_audio_tokens, stated.output_tokens)
    return msgspec.structs.replace(
        stated,
        input_tokens=uncached,
        reasoning_tokens=min(stated.reasoning_tokens, stated.output_tokens),
        input_audio_tokens=audio,
        input_image_tokens=min(image, uncached - audio),
        cache_read_audio_tokens=read_audio,
        cache_read_image_tokens=min(stated.cache_read_image_tokens, stated.cache_read_tokens - read_audio),
        output_audio_tokens=said_audio,
        output_image_tokens=min(stated.output_image_tokens, stated.output_tokens - said_audio),
    )
