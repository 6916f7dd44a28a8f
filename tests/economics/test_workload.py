"""From calls to a month: exact spend, honest scaling."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.workloads import AS_OF, DAY_US, START_US, a_call, a_workload

from freehold.economics.case import build_case
from freehold.economics.workload import MONTH_DAYS, WorkloadBuilder, build_workload
from freehold.market.tokens import PriceBook
from freehold.vocabulary import Call, Usage

_USAGES = st.builds(
    lambda fresh, read, output, share: Usage(fresh, read, 0, output, int(output * share)),
    st.integers(0, 400_000),
    st.integers(0, 100_000),
    st.integers(0, 20_000),
    st.floats(0, 1),
)
_CALLS = st.lists(
    st.tuples(
        _USAGES,
        st.integers(0, 30 * DAY_US),
        st.sampled_from([("openai", "gpt-4.1"), ("google", "gemini-2.5-pro"), ("anthropic", "claude-sonnet-4-5")]),
    ),
    min_size=1,
    max_size=30,
)


def _calls(drawn: list[tuple[Usage, int, tuple[str, str]]]) -> list[Call]:
    return [a_call(START_US + at, usage, provider=name[0], model=name[1]) for usage, at, name in drawn]


@given(_CALLS)
@settings(deadline=None, max_examples=100)
def test_spend_is_the_exact_sum_of_each_calls_own_price(drawn: list[tuple[Usage, int, tuple[str, str]]]) -> None:
    calls, book = _calls(drawn), PriceBook()
    one_by_one = [book.price_call(call).usd for call in calls]
    assert build_workload(calls, book).observed_usd == sum(usd for usd in one_by_one if usd is not None)


@given(_CALLS)
@settings(deadline=None, max_examples=50)
def test_order_does_not_matter(drawn: list[tuple[Usage, int, tuple[str, str]]]) -> None:
    calls = _calls(drawn)
    one, other = build_workload(calls), build_workload(calls[::-1])
    assert (one.days, one.arrivals, one.calls_per_month) == (other.days, other.arrivals, other.calls_per_month)


def test_a_month_is_the_window_scaled_to_the_mean_month() -> None:
    work = a_workload(1000, days=14, usage=Usage(input_tokens=1_000_000))
    case = build_case(work, PriceBook(), AS_OF)
    assert work.calls_per_month == pytest.approx(1000 * 30.44 / 14)
    assert case.rent_usd is not None
    assert abs(case.rent_usd - Decimal(1000 * 2) * MONTH_DAYS / 14) < Decimal("1e-20")
    assert case.bill_usd == case.rent_usd


def test_weight_and_volume_multiply() -> None:
    plain = a_workload(1000)
    times = a_workload(1000, weight=100, volume_factor=0.5)
    assert times.calls_per_month == pytest.approx(50 * plain.calls_per_month)
    bills = [build_case(work, PriceBook(), AS_OF).rent_usd for work in (plain, times)]
    assert bills[0] is not None
    assert bills[1] == 50 * bills[0]


def test_the_logs_window_counts_and_not_the_rare_tasks_own() -> None:
    calls = [a_call(START_US + i * 1_000_000, Usage(1)) for i in range(10)]
    alone = build_workload(calls)
    within = build_workload(calls, window_us=(START_US, START_US + 10 * DAY_US))
    assert within.days_observed == pytest.approx(10)
    assert alone.days_observed < 0.001
    assert within.calls_per_month < alone.calls_per_month / 1000


def test_calls_of_unknown_cost_count_at_the_mean_and_are_counted() -> None:
    usage = Usage(input_tokens=1000)
    known = [a_call(START_US + i, usage) for i in range(60)]
    silent = [a_call(START_US + 100 + i, None) for i in range(40)]
    window = (START_US, START_US + 10 * DAY_US)
    work = build_workload([*known, *silent], window_us=window)
    assert work.unpriced_calls == 40
    assert work.observed_usd == 60 * Decimal("0.002")
    every = build_case(build_workload(known, window_us=window), PriceBook(), AS_OF).rent_usd
    assert every is not None
    assert build_case(work, PriceBook(), AS_OF).rent_usd == every * 100 / 60


def test_a_bill_that_is_mostly_unknown_is_unknown() -> None:
    work = build_workload([a_call(START_US + i, Usage(10), model="mystery-model") for i in range(10)])
    assert work.unpriced_calls == 10
    assert build_case(work, PriceBook(), AS_OF).rent_usd is None


def test_a_failed_call_without_tokens_costs_nothing_and_still_arrives() -> None:
    failed = [a_call(START_US + i, None, outcome="error", status=500) for i in range(5)]
    fine = [a_call(START_US + 10 + i, Usage(1000)) for i in range(5)]
    work = build_workload([*failed, *fine])
    assert (work.calls, work.failed_calls, work.unpriced_calls) == (10, 5, 0)
    assert work.observed_usd == 5 * Decimal("0.002")
    assert sum(work.arrivals) == 10


def test_an_interrupted_stream_that_states_tokens_is_paid() -> None:
    work = build_workload([a_call(START_US, Usage(1000), outcome="incomplete")])
    assert work.observed_usd == Decimal("0.002")


def test_owned_calls_are_priced_as_if_rented() -> None:
    usage = Usage(input_tokens=1000)
    rented = [a_call(START_US + i, usage) for i in range(3)]
    owned = [a_call(START_US + 10 + i, usage, owner="owned", provider="owned", model="student-1") for i in range(7)]
    work = build_workload([*owned, *rented])
    assert work.model == ("openai", "gpt-4.1")
    assert work.observed_usd == 10 * Decimal("0.002")
    builder = WorkloadBuilder(rented_as=("openai", "gpt-4.1"))
    for call in owned:
        builder.add(call)
    assert builder.build().observed_usd == 7 * Decimal("0.002")


def test_arrivals_fall_into_ten_minute_windows() -> None:
    minutes = (0, 1, 9, 10, 25)
    work = build_workload([a_call(START_US + m * 60_000_000, Usage(1)) for m in minutes])
    assert work.arrivals == (3, 1, 1)


def test_the_peak_is_smoothed_over_half_an_hour() -> None:
    case = build_case(a_workload(4320, days=30), PriceBook(), AS_OF)
    assert case.peak_calls_per_window == pytest.approx(1)


def test_a_price_that_changed_since_is_used_at_the_new_value() -> None:
    """The list price of o3 fell from 10 to 2 USD per million prompt tokens on 2025-06-10."""
    at_us = int(datetime(2025, 6, 1, tzinfo=UTC).timestamp() * 1e6)
    work = build_workload([a_call(at_us, Usage(input_tokens=1_000_000), model="o3")])
    case = build_case(work, PriceBook(), AS_OF)
    assert work.observed_usd == 10
    assert case.bill_usd is not None
    assert case.rent_usd is not None
    assert float(case.rent_usd / case.bill_usd) == pytest.approx(0.2)


def test_cheap_hours_stay_cheap_whatever_the_hour_of_the_verdict() -> None:
    """deepseek-chat is listed at half price outside 00:30 to 16:30 UTC."""
    usage = Usage(input_tokens=1_000_000)
    dear, cheap = (START_US + hour * 3_600_000_000 for hour in (12, 20))
    calls = [a_call(at, usage, provider="deepseek", model="deepseek-chat") for at in (dear, cheap, cheap)]
    work = build_workload(calls, window_us=(START_US, START_US + 10 * DAY_US))
    assert work.observed_usd == Decimal("0.27") + 2 * Decimal("0.135")
    for hour in (3, 22):
        case = build_case(work, PriceBook(), AS_OF.replace(hour=hour))
        assert case.rent_usd == case.bill_usd


def test_no_calls_is_no_workload_and_no_crash() -> None:
    work = build_workload([])
    assert (work.calls, work.calls_per_month, work.model) == (0, 0.0, ("", ""))
    assert build_case(work, PriceBook(), AS_OF).rent_usd is None


def test_a_log_without_latencies_is_not_taken_for_a_fast_model() -> None:
    silent = [a_call(START_US + n, Usage(10), latency_ms=0.0) for n in range(9)]
    assert build_workload(silent, PriceBook()).latency_ms is None
    assert build_workload([*silent, a_call(START_US + 9, Usage(10), latency_ms=700.0)], PriceBook()).latency_ms == 700
