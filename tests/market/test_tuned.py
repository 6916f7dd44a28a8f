"""What a provider tunes: priced by the task's own tokens, and gone when its end has come."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.workloads import AS_OF

from freehold.market.tokens import PriceBook
from freehold.market.tuned import tuned_offers
from freehold.settings import PriceSettings
from freehold.vocabulary import Usage

MIX = Usage(input_tokens=300_000, cache_read_tokens=100_000, output_tokens=50_000)


def models(provider: str, model: str, at: datetime = AS_OF) -> list[str]:
    return [one.model for one in tuned_offers(PriceBook(), provider, model, MIX, 100, at)]


def test_offers_are_those_that_cost_less_than_today_the_cheapest_first() -> None:
    found = tuned_offers(PriceBook(), "openai", "gpt-4.1", MIX, 100, AS_OF)
    assert [one.ratio for one in found] == sorted(one.ratio for one in found)
    assert all(0 < one.ratio < 1 and one.source.name and one.source.date for one in found)
    assert "gpt-4.1-mini" in [one.model for one in found]
    assert models("openai", "gpt-4.1-nano") == []  # a tuned model costs more than the plain one


def test_the_cost_is_that_of_the_tasks_own_tokens() -> None:
    (mini,) = (
        one for one in tuned_offers(PriceBook(), "openai", "gpt-4.1", MIX, 100, AS_OF) if one.model == "gpt-4.1-mini"
    )
    tuned = Decimal("0.8") * 300_000 + Decimal("0.2") * 100_000 + Decimal("3.2") * 50_000
    today = Decimal(2) * 300_000 + Decimal("0.5") * 100_000 + Decimal(8) * 50_000
    assert mini.ratio == tuned / today
    assert mini.prompt_share == (tuned - Decimal("3.2") * 50_000) / tuned


def test_a_model_whose_end_has_come_is_no_offer() -> None:
    assert "gpt-4.1-mini" in models("openai", "gpt-4.1", datetime(2027, 1, 13, tzinfo=UTC))
    assert models("openai", "gpt-4.1", datetime(2027, 1, 14, tzinfo=UTC)) == []


def test_a_contract_comes_before_the_list() -> None:
    contract = PriceSettings(input_usd_per_mtok=Decimal("0.01"), output_usd_per_mtok=Decimal("0.01"))
    book = PriceBook({"openai/ft:gpt-4.1": contract})
    first = tuned_offers(book, "openai", "gpt-4.1", MIX, 100, AS_OF)[0]
    assert first.model == "gpt-4.1"
    assert "contract" in first.source.name or first.source.name


def test_nothing_is_offered_where_today_has_no_price_or_nobody_tunes() -> None:
    assert models("openai", "no-such-model") == []
    assert models("anthropic", "claude-sonnet-4-5") == []


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 10**7), st.integers(0, 10**6), st.integers(0, 10**6))
def test_parts_are_shares_of_a_cost_below_todays(prompt: int, cached: int, output: int) -> None:
    usage = Usage(input_tokens=prompt, cache_read_tokens=cached, output_tokens=output)
    for one in tuned_offers(PriceBook(), "openai", "gpt-4.1", usage, 100, AS_OF):
        assert 0 < one.ratio < 1
        assert 0 <= one.prompt_share <= 1
