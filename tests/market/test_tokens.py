"""Token prices: exact, dated, and unknown rather than zero."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import genai_prices
import msgspec
from genai_prices.data_snapshot import get_snapshot
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.workloads import AS_OF, START_US, a_call

from freehold.market import tokens
from freehold.market.tokens import PriceBook
from freehold.settings import PriceSettings
from freehold.vocabulary import Leg, Usage

_PRICED = {
    "input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "output_reasoning_mtok",
    "input_audio_mtok", "input_image_mtok", "cache_audio_read_mtok", "cache_image_read_mtok", "output_audio_mtok",
    "output_image_mtok", "web_searches_kcount", "storage_searches_kcount", "requests_kcount",
}  # fmt: skip
_COUNT = st.integers(0, 400_000)


@cache
def _chat_models() -> list[tuple[str, str]]:
    """Every listed model whose price is one of tokens and searches."""
    found: list[tuple[str, str]] = []
    for provider in get_snapshot().providers:
        for model in provider.models:
            keys = {key for key, value in model.get_prices(AS_OF).__dict__.items() if value is not None}
            try:
                resolved = get_snapshot().find_provider_model(model.id, None, provider.id, None)[1]
            except LookupError:
                continue
            if resolved is model and {"input_mtok", "output_mtok"} <= keys <= _PRICED:
                found.append((provider.id, model.id))
    return found


@cache
def _variants() -> list[tuple[str, str, str, str, datetime]]:
    """Every price for another tier: provider, model, the catalogue's name of the terms, the tier, a day it holds on."""
    found: list[tuple[str, str, str, str, datetime]] = []
    for provider, model in _chat_models():
        info = get_snapshot().find_provider_model(model, None, provider, None)[1]
        for variant in info.price_variants or ():
            (key, word) = next(iter(variant.when.items()))
            start = getattr(variant.constraint, "start_date", AS_OF.date())
            if key in ("processing", "service_tier", "speed"):
                found.append((provider, model, key, word, datetime(start.year, start.month, start.day, 12, tzinfo=UTC)))
    return found


@st.composite
def _usages(draw: st.DrawFn) -> Usage:
    """Any usage whose parts fit into what they are parts of."""
    fresh, read, output = draw(_COUNT), draw(_COUNT), draw(_COUNT)

    def parts(whole: int) -> tuple[int, int, int]:
        first, second = sorted((draw(st.integers(0, whole)), draw(st.integers(0, whole))))
        return first, second - first, whole - second

    in_audio, in_image, _ = parts(fresh)
    read_audio, read_image, _ = parts(read)
    out_audio, out_image, rest = parts(output)
    return Usage(
        fresh,
        cache_read_tokens=read,
        cache_write_tokens=draw(_COUNT),
        cache_write_1h_tokens=draw(_COUNT),
        output_tokens=output,
        reasoning_tokens=draw(st.integers(0, rest)),
        input_audio_tokens=in_audio,
        input_image_tokens=in_image,
        cache_read_audio_tokens=read_audio,
        cache_read_image_tokens=read_image,
        output_audio_tokens=out_audio,
        output_image_tokens=out_image,
        web_searches=draw(st.integers(0, 50)),
    )


def _theirs(usage: Usage) -> genai_prices.Usage:
    """The same as the catalogue counts: totals, and the parts of them."""
    written = usage.cache_write_tokens + usage.cache_write_1h_tokens
    return genai_prices.Usage(
        input_tokens=usage.prompt_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=written,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        input_audio_tokens=usage.input_audio_tokens + usage.cache_read_audio_tokens,
        input_image_tokens=usage.input_image_tokens + usage.cache_read_image_tokens,
        cache_audio_read_tokens=usage.cache_read_audio_tokens,
        cache_image_read_tokens=usage.cache_read_image_tokens,
        output_tokens=usage.output_tokens,
        output_audio_tokens=usage.output_audio_tokens,
        output_image_tokens=usage.output_image_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
        web_searches=usage.web_searches,
    )


@given(model=st.sampled_from(_chat_models()), usage=_usages())
@example(model=("anthropic", "claude-2"), usage=Usage(cache_write_1h_tokens=1))  # a model without a cache
@settings(max_examples=400, deadline=None)
def test_price_equals_the_catalogues_own_calculation(model: tuple[str, str], usage: Usage) -> None:
    ours = tokens.price_usage(*model, usage, AS_OF)
    if ours.usd is None:
        assert "unknown" in ours.source.name
        return
    theirs = genai_prices.calc_price(_theirs(usage), model[1], provider_id=model[0], genai_request_timestamp=AS_OF)
    assert ours.usd == theirs.total_price


@given(variant=st.sampled_from(_variants()), usage=_usages())
@settings(max_examples=300, deadline=None)
def test_the_price_of_another_tier_equals_the_catalogues_own(
    variant: tuple[str, str, str, str, datetime], usage: Usage
) -> None:
    provider, model, key, word, day = variant
    tier = "" if word == "default" else word
    ours = tokens.price_usage(provider, model, msgspec.structs.replace(usage, service_tier=tier), day)
    if ours.usd is None:
        assert "unknown" in ours.source.name
        return
    info = get_snapshot().find_provider_model(model, None, provider, None)
    theirs = info[1].calc_price(_theirs(usage), info[0], genai_request_timestamp=day, price_context={key: word})
    assert ours.usd == theirs.total_price


@given(model=st.sampled_from(_chat_models()), usage=_usages())
@settings(max_examples=200, deadline=None)
def test_plain_text_always_has_the_price_that_the_catalogue_states(model: tuple[str, str], usage: Usage) -> None:
    plain = Usage(usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.output_tokens)
    priced = tokens.price_usage(*model, plain, AS_OF)
    assert priced.usd is not None, priced.source.name


def test_cached_tokens_are_not_charged_at_the_full_price() -> None:
    fresh = tokens.price_usage("openai", "gpt-4.1", Usage(input_tokens=1_000_000), AS_OF).usd
    cached = tokens.price_usage("openai", "gpt-4.1", Usage(cache_read_tokens=1_000_000), AS_OF).usd
    assert (fresh, cached) == (Decimal(2), Decimal("0.5"))


def test_reasoning_tokens_are_part_of_the_output_and_paid_once() -> None:
    plain = tokens.price_usage("openai", "o3", Usage(output_tokens=1000), AS_OF)
    thinking = tokens.price_usage("openai", "o3", Usage(output_tokens=1000, reasoning_tokens=900), AS_OF)
    assert plain.usd is not None
    assert thinking.usd == plain.usd > 0


def test_what_has_no_price_is_unknown_and_never_zero() -> None:
    for provider, model in (
        ("openai", "no-such-model"),
        ("my-own", "some-finetune"),
        ("openrouter", "meta-llama/llama-3.1-8b-instruct:free"),
    ):
        priced = tokens.price_usage(provider, model, Usage(input_tokens=10, output_tokens=10), AS_OF)
        assert priced.usd is None
        assert priced.source.name.startswith("unknown")


def test_output_without_a_price_of_output_is_unknown() -> None:
    priced = tokens.price_usage("openai", "text-embedding-3-small", Usage(input_tokens=10, output_tokens=1), AS_OF)
    assert priced.usd is None
    assert tokens.price_usage("openai", "text-embedding-3-small", Usage(input_tokens=10), AS_OF).usd


def test_a_call_without_token_counts_is_unknown() -> None:
    assert tokens.price_call(a_call(usage=None)).usd is None
    assert tokens.price_call(a_call(START_US, Usage(input_tokens=1_000_000))).usd == Decimal(2)


def test_the_price_is_that_of_the_day() -> None:
    usage = Usage(input_tokens=1_000_000)
    book, changed = PriceBook(), 0
    for provider, model in _chat_models():
        old = book.price_usage(provider, model, usage, datetime(2024, 1, 1, tzinfo=UTC)).usd
        changed += old != book.price_usage(provider, model, usage, AS_OF).usd
    assert changed > 5


def test_a_long_prompt_is_priced_whole_at_the_step_it_reaches() -> None:
    book = PriceBook()
    (step,) = book.bands("google", "gemini-2.5-pro", AS_OF)
    short = book.price_usage("google", "gemini-2.5-pro", Usage(input_tokens=step), AS_OF).usd
    long = book.price_usage("google", "gemini-2.5-pro", Usage(input_tokens=step + 1), AS_OF).usd
    assert short is not None
    assert long is not None
    assert long > short * Decimal("1.9")


def test_a_users_own_provider_name_is_priced_by_address_then_by_model_and_says_so() -> None:
    usage = Usage(input_tokens=1_000_000)
    by_address = PriceBook(base_urls={"acme": "https://api.openai.com/v1"}).price_usage("acme", "gpt-4.1", usage, AS_OF)
    by_model = PriceBook().price_usage("acme", "gpt-4.1-2025-04-14", usage, AS_OF)
    by_path = PriceBook().price_usage("acme", "openai/gpt-4.1", usage, AS_OF)
    assert by_address.usd == by_model.usd == by_path.usd == Decimal(2)
    assert not by_address.source.assumed
    assert by_model.source.assumed
    assert "gpt-4.1" in by_model.source.name


def test_a_contract_overrides_the_list_price_and_names_its_source() -> None:
    contract = PriceSettings(Decimal("1.5"), Decimal(6), source="frame contract 7", date="2026-01-01")
    book = PriceBook({"openai/GPT-4.1": contract, "some-finetune": contract})
    priced = book.price_usage("openai", "gpt-4.1", Usage(1000, 1000, 0, 1000), AS_OF)
    assert priced.usd == Decimal("0.009")
    assert (priced.source.name, priced.source.date) == ("frame contract 7", "2026-01-01")
    assert book.price_usage("anything", "some-finetune", Usage(input_tokens=1000), AS_OF).usd == Decimal("0.0015")


def test_importing_prices_does_not_load_the_catalogue() -> None:
    code = "import sys, freehold.market.tokens, freehold.market.models; print('genai_prices' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_an_attempt_is_priced_by_the_name_it_was_asked_by_and_else_by_the_answers_own() -> None:
    contract = PriceSettings(input_usd_per_mtok=Decimal(1), output_usd_per_mtok=Decimal(1))
    book = PriceBook({"mine/fast": contract, "other/fast-2026": contract})
    call = a_call(provider="mine", model="fast")

    def usd(provider: str, model: str) -> Decimal | None:
        return book.price_leg(call, Leg("serve", "rented", provider, model, "ok"), Usage(1_000_000)).usd

    assert usd("mine", "fast-2026") == 1
    assert usd("other", "fast-2026") == 1
    assert usd("other", "fast") is None


def test_a_discount_is_off_the_list_price_of_every_kind_and_tier() -> None:
    book = PriceBook({"openai/*": PriceSettings(discount=Decimal("0.1"), source="frame contract 9")})
    usage = Usage(1_000_000, 1_000_000, output_tokens=1_000_000, web_searches=1)
    listed = tokens.price_usage("openai", "gpt-5", usage, AS_OF).usd
    assert listed is not None
    priced = book.price_usage("openai", "gpt-5", usage, AS_OF)
    assert priced.usd == listed * Decimal("0.9")
    assert "frame contract 9" in priced.source.name
    late = datetime(2026, 11, 1, tzinfo=UTC)
    flex = msgspec.structs.replace(usage, service_tier="flex", web_searches=0)
    assert book.price_usage("openai", "gpt-5", flex, late).usd == Decimal("5.6875") * Decimal("0.9")
    assert book.price_usage("anthropic", "claude-opus-4-5", usage, AS_OF).source.name.startswith("genai-prices")


def test_a_contract_holds_between_its_days_and_the_list_price_before_and_after() -> None:
    own = PriceSettings(Decimal(1), Decimal(1), since=date(2026, 3, 1), until=date(2026, 4, 1))
    book, usage = PriceBook({"gpt-4.1": own}), Usage(1_000_000)

    def usd(month: int, day: int) -> Decimal | None:
        return book.price_usage("openai", "gpt-4.1", usage, datetime(2026, month, day, 23, tzinfo=UTC)).usd

    assert [usd(2, 28), usd(3, 1), usd(3, 31), usd(4, 1)] == [2, 1, 1, 2]


def test_a_contract_prices_no_tier_and_no_kind_that_it_does_not_state() -> None:
    own = PriceSettings(Decimal(1), Decimal(2), tier_factors={"batch": Decimal("0.4")})
    book = PriceBook({"openai/gpt-4.1": own})

    def priced(**counts: Any) -> tokens.Priced:
        return book.price_usage("openai", "gpt-4.1", Usage(1_000_000, **counts), AS_OF)

    assert priced(service_tier="batch").usd == Decimal("0.4")
    assert priced(service_tier="flex").source.name == "unknown: no price of openai/gpt-4.1 in the service tier flex"
    assert priced(cache_write_1h_tokens=1).source.name == (
        "unknown: no price of cache writes for an hour of openai/gpt-4.1"
    )
    assert priced(web_searches=1).usd is None


def test_a_factor_of_the_contract_comes_before_that_of_the_list() -> None:
    book = PriceBook({"openai/gpt-5": PriceSettings(tier_factors={"priority": Decimal("1.5")})})
    usage = Usage(1_000_000, service_tier="priority")
    assert book.price_usage("openai", "gpt-5", usage, AS_OF).usd == Decimal("1.875")
