"""Wrong costs that users of other gateways reported, each as the answer that was priced wrongly there.

The numbers are those of BerriAI/litellm's issues. Each test reads the answer through the dialect, as a gateway or an
import does, and prices what was read.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from freehold.market import tokens
from freehold.market.tokens import PriceBook
from freehold.settings import PriceSettings
from freehold.vocabulary import Usage
from freehold.wire.known import CHAT, MESSAGES, RESPONSES
from freehold.wire.translation import translation

AT = datetime(2026, 11, 1, tzinfo=UTC)


def chat(model: str, usage: dict[str, Any], **fields: Any) -> Usage:
    """What a chat completion with such a usage states."""
    choices = [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}]
    read = CHAT.read(json.dumps({"model": model, "choices": choices, "usage": usage, **fields}).encode())
    assert read is not None
    assert read.usage is not None
    return read.usage


def chat_stream(*chunks: dict[str, Any]) -> Usage | None:
    assembler = CHAT.assembler()
    for chunk in chunks:
        assembler.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    assembler.feed(b"data: [DONE]\n\n")
    came = assembler.finish()
    assert came.fault == ""
    return came.usage


def message_stream(start: dict[str, Any], end: dict[str, Any]) -> Usage:
    events = [
        {"type": "message_start", "message": {"type": "message", "content": [], "model": "m", "usage": start}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "a"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": end},
        {"type": "message_stop"},
    ]
    assembler = MESSAGES.assembler()
    for event in events:
        assembler.feed(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
    came = assembler.finish()
    assert (came.fault, came.usage is None) == ("", False)
    assert came.usage is not None
    return came.usage


def usd(provider: str, model: str, usage: Usage, at: datetime = AT) -> Decimal | None:
    return tokens.price_usage(provider, model, usage, at).usd


def test_11364_cached_tokens_of_anthropic_are_not_charged_at_the_full_price() -> None:
    """98,805 prompt tokens, of which 66,360 were read from the cache and 32,435 written to it."""
    body = {
        "type": "message", "content": [], "model": "claude-opus-4-5", "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 66_360, "cache_creation_input_tokens": 32_435,
                  "output_tokens": 5_120},
    }  # fmt: skip
    read = MESSAGES.read(json.dumps(body).encode())
    assert read is not None
    assert read.usage is not None
    assert usd("anthropic", "claude-opus-4-5", read.usage) == Decimal("0.36394875")


def test_6215_cached_tokens_of_openai_are_taken_out_of_the_prompt() -> None:
    usage = chat("gpt-4o", {"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
                            "prompt_tokens_details": {"cached_tokens": 1920}})  # fmt: skip
    assert usd("openai", "gpt-4o", usage) == Decimal("0.005615")


def test_18599_reasoning_tokens_are_part_of_the_output_and_not_the_whole_of_it() -> None:
    usage = chat("gpt-5-nano", {"prompt_tokens": 17, "completion_tokens": 482, "total_tokens": 499,
                                "completion_tokens_details": {"reasoning_tokens": 448}})  # fmt: skip
    assert (usage.output_tokens, usage.reasoning_tokens) == (482, 448)
    assert usd("openai", "gpt-5-nano", usage) == Decimal("0.00019365")


@pytest.mark.parametrize("stated", [{"reasoning_tokens": 300}, {}, None])
def test_10567_thoughts_that_only_the_total_counts_are_paid_as_output(stated: dict[str, int] | None) -> None:
    """Google's and xAI's forms of chat completions leave thoughts out of `completion_tokens`."""
    body: dict[str, Any] = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 420}
    usage = chat("gemini-2.5-flash", body if stated is None else body | {"completion_tokens_details": stated})
    assert (usage.output_tokens, usage.reasoning_tokens) == (320, 300)
    assert usd("google", "gemini-2.5-flash", usage) == Decimal("0.00083")


def test_16341_and_14849_implicit_cache_hits_of_gemini_are_paid_once_and_at_their_price() -> None:
    usage = chat("gemini-2.5-pro", {
        "total_tokens": 264_704, "prompt_tokens": 262_960, "completion_tokens": 1_744,
        "prompt_tokens_details": {"text_tokens": 262_960, "cached_tokens": 257_955},
        "completion_tokens_details": {"reasoning_tokens": 0},
    })  # fmt: skip
    assert (usage.input_tokens, usage.cache_read_tokens) == (5_005, 257_955)
    # the prompt is above 200,000 tokens as a whole, so that each of its parts has the price of long prompts
    assert usd("google", "gemini-2.5-pro", usage) == Decimal("0.10316125")


def test_42663_cache_writes_beyond_a_stale_breakdown_are_paid() -> None:
    """With a server's own tools the last event's total covers every round, the breakdown of the first only one."""
    start = {
        "input_tokens": 123_201, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 31_490,
        "cache_creation": {"ephemeral_5m_input_tokens": 31_490, "ephemeral_1h_input_tokens": 0}, "output_tokens": 1,
    }  # fmt: skip
    end = {
        "cache_read_input_tokens": 426_653, "cache_creation_input_tokens": 184_457, "output_tokens": 1000,
        "server_tool_use": {"web_search_requests": 5},
    }  # fmt: skip
    usage = message_stream(start, end)
    assert (usage.cache_write_tokens, usage.cache_write_1h_tokens, usage.prompt_tokens) == (184_457, 0, 734_311)
    assert usage.web_searches == 5
    without = msgspec.structs.replace(usage, web_searches=0)
    searches = usd("anthropic", "claude-opus-4-8", usage)
    plain = usd("anthropic", "claude-opus-4-8", without)
    assert searches is not None
    assert plain is not None
    assert searches - plain == Decimal("0.05")


def test_36882_and_36168_cached_tokens_survive_a_stream_whose_last_chunk_has_a_choice() -> None:
    usage = {"completion_tokens": 2, "prompt_tokens": 16_111, "total_tokens": 16_113,
             "completion_tokens_details": {"reasoning_tokens": 0},
             "prompt_tokens_details": {"cached_tokens": 15_872}}  # fmt: skip
    head = {"id": "a", "object": "chat.completion.chunk", "created": 1, "model": "deepseek-v4-flash"}
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    streamed = chat_stream(
        head | {"choices": [{"index": 0, "delta": {"content": "a"}}]}, head | last | {"usage": usage}
    )
    assert streamed == chat("deepseek-v4-flash", usage)
    assert streamed is not None
    assert (streamed.input_tokens, streamed.cache_read_tokens) == (239, 15_872)


def test_10598_a_price_of_the_users_own_counts_and_is_never_zero() -> None:
    own = PriceSettings(input_usd_per_mtok=Decimal(6), output_usd_per_mtok=Decimal(30))
    book = PriceBook({"ollama/tinyllama": own})
    usage = Usage(1000, output_tokens=100)
    assert book.price_usage("ollama", "tinyllama", usage, AT).usd == Decimal("0.009")
    assert PriceBook().price_usage("ollama", "tinyllama-of-our-own", usage, AT).usd is None


def test_26807_a_contract_price_does_not_bill_cached_tokens_as_fresh_ones() -> None:
    own = PriceSettings(Decimal("2.5"), Decimal(15), cached_usd_per_mtok=Decimal("0.25"))
    usage = chat("gpt-5.4", {"prompt_tokens": 6074, "completion_tokens": 285, "total_tokens": 6359,
                             "prompt_tokens_details": {"cached_tokens": 3456, "audio_tokens": 0}})  # fmt: skip
    assert PriceBook({"openai/gpt-5.4": own}).price_usage("openai", "gpt-5.4", usage, AT).usd == Decimal("0.011684")


def test_33772_cache_writes_of_openai_have_their_own_price() -> None:
    details = {"cached_tokens": 155_000, "cache_write_tokens": 3_000}
    usage = chat("gpt-5.6-sol", {"prompt_tokens": 172_000, "completion_tokens": 0, "prompt_tokens_details": details})
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (14_000, 155_000, 3_000)
    assert usd("openai", "gpt-5.6-sol", usage) == Decimal("0.133")


def test_35127_cached_tokens_survive_the_way_from_responses_or_chat_to_messages() -> None:
    details = {"cached_tokens": 155_000, "cache_write_tokens": 3_000}
    answer = {
        "id": "a", "model": "m", "created": 1, "service_tier": "flex",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 172_000, "completion_tokens": 7, "prompt_tokens_details": details},
    }  # fmt: skip
    pair = translation("anthropic.messages", "openai.chat")
    assert pair is not None
    body, usage = pair.answer(json.dumps(answer).encode())
    seen = MESSAGES.read(body)
    assert usage == Usage(14_000, 155_000, 3_000, 7, service_tier="flex")
    assert seen is not None
    assert seen.usage == msgspec.structs.replace(usage, service_tier="")


def test_15338_and_30135_a_long_prompt_is_priced_whole_by_its_cached_part_too() -> None:
    """270,540 fresh tokens are below the step at 272,000; with 7,936 cached ones the prompt is above it."""
    usage = Usage(270_540, 7_936, output_tokens=630)
    assert usd("openai", "gpt-5.4", usage) == Decimal("1.370843")


def test_hour_long_cache_writes_are_not_priced_as_those_of_five_minutes() -> None:
    """Told by the breakdown alone; ccstats #86 and claude-usage #162 measured a half of the cost missing."""
    usage = message_stream(
        {"input_tokens": 0, "cache_creation_input_tokens": 3904, "output_tokens": 1,
         "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 3904}},
        {"output_tokens": 0},
    )  # fmt: skip
    assert usage == Usage(cache_write_1h_tokens=3904)
    assert usd("anthropic", "claude-opus-4-5", usage) == Decimal("0.03904")


@pytest.mark.parametrize(
    ("provider", "model", "tier", "day", "expected"),
    [
        ("openai", "gpt-5", "flex", AT, "5.625"),
        ("openai", "gpt-5", "priority", AT, "22.5"),
        ("openai", "gpt-5", "batch", datetime(2025, 9, 1, tzinfo=UTC), "5.625"),
        ("openai", "gpt-5", "priority", datetime(2025, 9, 1, tzinfo=UTC), None),
        ("openai", "gpt-5", "scale", AT, None),
        ("anthropic", "claude-opus-4-8", "us", AT, "33"),
        ("anthropic", "claude-opus-4-8", "batch+us", AT, "16.5"),
        ("anthropic", "claude-opus-4-8", "priority", AT, None),
        ("groq", "openai/gpt-oss-120b", "flex", AT, "0.75"),
        ("aws", "anthropic.claude-opus-4-5-20251101-v1:0", "flex", AT, None),
    ],
)
def test_another_tier_has_its_own_price_or_none_and_never_the_standard_one(
    provider: str, model: str, tier: str, day: datetime, expected: str | None
) -> None:
    usage = Usage(1_000_000, output_tokens=1_000_000, service_tier=tier)
    priced = tokens.price_usage(provider, model, usage, day)
    assert priced.usd == (None if expected is None else Decimal(expected)), priced.source
    if expected is None:
        assert f"in the service tier {tier}" in priced.source.name


@pytest.mark.parametrize(
    ("stated", "tier"), [("flex", "flex"), ("Priority", "priority"), ("default", ""), ("auto", "")]
)
def test_the_tier_that_an_answer_states_is_read_in_every_dialect(stated: str, tier: str) -> None:
    counts = {"prompt_tokens": 1, "completion_tokens": 1}
    assert chat("m", counts, service_tier=stated).service_tier == tier
    head = {"object": "chat.completion.chunk", "model": "m", "service_tier": stated}
    streamed = chat_stream(head | {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]},
                           head | {"choices": [], "usage": counts})  # fmt: skip
    assert streamed is not None
    assert streamed.service_tier == tier
    told = {"object": "response", "output": [], "usage": {"input_tokens": 1, "output_tokens": 1}}
    read = RESPONSES.read(json.dumps(told | {"service_tier": stated}).encode())
    assert read is not None
    assert read.usage is not None
    assert read.usage.service_tier == tier


def test_terms_of_anthropic_that_change_the_price_are_one_tier() -> None:
    start = {"input_tokens": 1, "output_tokens": 1, "service_tier": "batch", "inference_geo": "us", "speed": "fast"}
    assert message_stream(start, {"output_tokens": 1}).service_tier == "batch+fast+us"
    plain = {"input_tokens": 1, "output_tokens": 1, "service_tier": "standard", "inference_geo": "not_available"}
    assert message_stream(plain, {"output_tokens": 1}).service_tier == ""


def test_audio_is_told_apart_and_has_its_own_price() -> None:
    usage = chat("gpt-audio", {"prompt_tokens": 1000, "completion_tokens": 500,
                               "prompt_tokens_details": {"audio_tokens": 900, "text_tokens": 100},
                               "completion_tokens_details": {"audio_tokens": 400, "text_tokens": 100}})  # fmt: skip
    assert (usage.input_audio_tokens, usage.output_audio_tokens) == (900, 400)
    assert usd("openai", "gpt-audio", usage) == Decimal("0.05565")
    assert usd("openai", "gpt-4o-audio-preview", usage) is None  # its price of audio is not in the catalogue


def test_cached_audio_is_told_by_its_details_or_comes_after_the_text() -> None:
    details = {"cached_tokens": 600, "audio_tokens": 500, "cached_tokens_details": {"audio_tokens": 100}}
    told = chat("m", {"prompt_tokens": 1000, "completion_tokens": 0, "prompt_tokens_details": details})
    assert (told.input_audio_tokens, told.cache_read_audio_tokens) == (400, 100)
    del details["cached_tokens_details"]
    guessed = chat("m", {"prompt_tokens": 1000, "completion_tokens": 0, "prompt_tokens_details": details})
    assert (guessed.input_audio_tokens, guessed.cache_read_audio_tokens) == (400, 100)
