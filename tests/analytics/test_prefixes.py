"""What a provider's prompt cache could have served: known prompts, known answers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.talk import prices, said

from freehold.analytics.prefixes import LEAST_TOKENS, TTL_S, PrefixMeter
from freehold.vocabulary import Usage

LONG = " ".join(f"Rule {n}: never do what rule {n + 1} forbids." for n in range(200))
"""Some 2,000 tokens of instructions."""


def measured(*calls, **changed):
    meter = PrefixMeter(prices(**changed))
    for call in calls:
        meter.add(call)
    (row,) = meter.rows()
    return row


def system(text, user):
    return [{"role": "system", "content": text}, {"role": "user", "content": user}]


def test_the_second_prompt_could_be_read_but_for_its_end():
    row = measured(*[said(system(LONG, f"question {n}"), at_s=n) for n in range(11)])
    assert (row.calls, row.eligible) == (11, 11)
    share = row.cacheable_tokens / row.prompt_tokens
    assert 0.85 < share < 10 / 11
    # Ten reads at a tenth of the price, one write at a quarter more.
    tokens = row.cacheable_tokens
    assert float(row.saved_usd) == pytest.approx((tokens * 9 - tokens / 10 * 2.5) / 1e6, rel=0.01)


def test_what_varies_first_spoils_the_cache_and_could_come_last():
    lines = "\n".join(LONG.split(". "))
    row = measured(*[said(system(f"Today is day {n}.\n{lines}", "x"), at_s=n) for n in range(10)])
    assert row.cacheable_tokens == 0
    assert row.saved_usd == 0
    assert row.reordered_tokens > 0.7 * row.prompt_tokens


def test_a_cache_forgets_after_minutes():
    row = measured(said(system(LONG, "a")), said(system(LONG, "b"), at_s=TTL_S + 1))
    assert row.cacheable_tokens == 0


def test_short_prompts_are_cached_by_nobody():
    row = measured(*[said("Say yes.", at_s=n) for n in range(5)])
    assert (row.eligible, row.cacheable_tokens, row.saved_usd) == (0, 0, 0)


def test_models_share_no_cache():
    meter = PrefixMeter(prices())
    meter.add(said(system(LONG, "a")))
    meter.add(said(system(LONG, "a"), at_s=1, model="other"))
    assert [row.cacheable_tokens for row in meter.rows()] == [0, 0]


def test_what_the_provider_read_is_not_saved_again():
    calls = [said(system(LONG, f"question {n}"), at_s=n) for n in range(5)]
    for seen in calls[1:]:
        tokens = seen.call.usage.input_tokens
        seen.call.usage = Usage(input_tokens=10, cache_read_tokens=tokens - 10, output_tokens=1)
    row = measured(*calls)
    assert row.cached_tokens > 0
    assert row.saved_usd == 0


def test_an_unknown_price_is_no_saving_of_zero():
    meter = PrefixMeter(prices())
    meter.add(said(system(LONG, "a"), provider="nobody", model="unheard-of"))
    assert meter.rows()[0].saved_usd is None


def test_calls_without_counts_are_estimated_and_say_so():
    row = measured(said(system(LONG, "a"), usage=None), said(system(LONG, "b"), at_s=1, usage=None))
    assert row.estimated == 2
    assert row.cacheable_tokens >= LEAST_TOKENS


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), min_size=1, max_size=12))
def test_no_more_is_read_than_was_asked(asked):
    at_s, calls = 0, []
    for which, pause in asked:
        at_s += pause
        calls.append(said(system(LONG + str(which) * 500, "x"), at_s=at_s))
    row = measured(*calls)
    assert 0 <= row.cacheable_tokens <= row.reordered_tokens <= row.prompt_tokens
    assert 0 <= row.saved_usd <= row.prompt_usd
