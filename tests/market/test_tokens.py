"""Token prices: exact, dated, and unknown rather than zero."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

import genai_prices
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.workloads import AS_OF, START_US, a_call

from freehold.market import tokens
from freehold.market.tokens import PriceBook
from freehold.settings import PriceSettings
from freehold.vocabulary import Leg, Usage

_CHAT_KEYS = {"input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok"}


@cache
def _chat_models() -> list[tuple[str, str]]:
    """Every listed model whose price is one of prompt, cache and output tokens alone."""
    found: list[tuple[str, str]] = []
    for provider in get_snapshot().providers:
        for model in provider.models:
            keys = {key for key, value in model.get_prices(AS_OF).__dict__.items() if value is not None}
            try:
                resolved = get_snapshot().find_provider_model(model.id, None, provider.id, None)[1]
            except LookupError:
                continue
            if resolved is model and {"input_mtok", "output_mtok"} <= keys <= _CHAT_KEYS:
                found.append((provider.id, model.id))
    return found


@given(
    model=st.sampled_from(_chat_models()),
    fresh=st.integers(0, 400_000),
    read=st.integers(0, 400_000),
    written=st.integers(0, 50_000),
    output=st.integers(0, 50_000),
    reasoning=st.floats(0, 1),
)
@settings(max_examples=300, deadline=None)
def test_price_equals_the_catalogues_own_calculation(
    model: tuple[str, str], fresh: int, read: int, written: int, output: int, reasoning: float
) -> None:
    ours = tokens.price_usage(*model, Usage(fresh, read, written, output, int(output * reasoning)), AS_OF)
    theirs = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=fresh + read + written,
            cache_read_tokens=read,
            cache_write_tokens=written,
            output_tokens=output,
        ),
        model[1],
        provider_id=model[0],
        genai_request_timestamp=AS_OF,
    )
    assert ours.usd == theirs.total_price


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
