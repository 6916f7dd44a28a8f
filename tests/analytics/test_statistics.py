"""Workload statistics on logs whose right figures are known."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.mixes import call, user

from freehold.analytics.statistics import Collector, Statistic
from freehold.analytics.statistics._arrivals import bursts, volume
from freehold.analytics.statistics._content import Sampled, narrowness, overlap, personal, stability
from freehold.analytics.statistics._forecast import forecast, judged, predictability
from freehold.analytics.statistics._runs import Repeats
from freehold.tasks.sampling import Sample, digest
from freehold.vocabulary import SESSION_TAG, Call, Match, Usage

DAY_S = 86_400
MINUTES = 1440


def by_name(found: list[Statistic] | tuple[Statistic, ...]) -> dict[str, Statistic]:
    return {one.name: one for one in found}


def log(times_s: list[float], answers: list[str]) -> list[Call]:
    calls = [
        call("x", [user(f"text {i % 5}")], a, at_s=t) for i, (t, a) in enumerate(zip(times_s, answers, strict=True))
    ]
    for i, one in enumerate(calls):
        one.id, one.usage = f"call-{i}", Usage(input_tokens=90, cache_read_tokens=10, output_tokens=5)
    return calls


def measured(calls: list[Call]) -> dict[str, Statistic]:
    collector = Collector("x")
    for i, one in enumerate(calls):
        collector.add(one, Match("x", "t", (f"text {i % 5}",), "template"))
    return by_name(collector.statistics().statistics)


def daily(counts: list[int]) -> Counter[int]:
    """Calls by minute, spread over each day; a partial day before and after."""
    minutes = Counter({0: 1})
    for day, count in enumerate(counts, start=1):
        for i in range(count):
            minutes[day * MINUTES + i * MINUTES // max(count, 1)] += 1
    minutes[(len(counts) + 1) * MINUTES] += 1
    return minutes


def test_a_steady_log() -> None:
    n = 30 * 24
    found = measured(log([i * 3600.0 for i in range(n)], ["a", "b"] * (n // 2)))
    assert (found["calls"].value, found["calls_per_day"].value) == (n, 24)
    assert found["growth_per_month"].value == pytest.approx(1.0, abs=0.01)
    assert found["peak_to_mean_60_min"].value == pytest.approx(1.0)
    assert found["peak_to_mean_1_min"].value == pytest.approx(60, rel=0.01)
    assert found["answer_entropy"].value == pytest.approx(1.0, abs=0.01)
    assert found["exact_repeat_share"].value == pytest.approx((n - 5) / n)
    assert (found["prompt_tokens"].value, found["output_tokens"].value, found["prompt_tokens"].n) == (100, 5, n)
    assert "no change seen" in found["output_drift"].note
    assert all(one.interval is not None or one.why for one in found.values())


def test_growth_and_drift_are_seen() -> None:
    times = [day * DAY_S + i * 60.0 for day in range(20) for i in range(10 * (day + 1))]
    found = measured(log(times, ["a"] * (len(times) // 2) + ["b"] * (len(times) - len(times) // 2)))
    growth = found["growth_per_month"]
    assert growth.value is not None
    assert growth.value > 2
    assert growth.interval is not None
    assert growth.interval.low > 1
    assert found["output_drift"].note.startswith("changed")


def test_too_little_is_said_and_not_made_up() -> None:
    nothing = Collector("x").statistics()
    assert (nothing.calls, nothing.since) == (0, "")
    assert all(one.value in (None, 0.0) and one.why for one in nothing.statistics)
    one = measured(log([0.0], ["a"]))
    assert one["peak_to_mean_1_min"].value is None
    assert one["growth_per_month"].why == "it takes 7 whole days, there are 0"
    assert "96 whole hours" in one["forecast_error"].why
    failed = log([0.0, 5.0], ["a", "b"])
    failed[0].outcome = "error"
    assert measured(failed)["failed_share"].value == 0.5


def test_calls_without_bodies_tell_when_they_came_and_nothing_of_what_they_held() -> None:
    calls = log([i * 60.0 for i in range(500)], ["a"] * 500)
    for one in calls:
        one.request = one.response = b""
    found = measured(calls)
    assert (found["calls"].value, found["latency_ms_p50"].n) == (500, 500)
    for name in ("answer_entropy", "exact_repeat_share", "near_repeat_share", "personal_data_share", "cacheable_share"):
        assert found[name].value is None, name


def test_bursts_are_told_from_chance() -> None:
    rng = np.random.default_rng(4)
    for bursty in (False, True):
        outside = 0
        for _ in range(20):
            counts = rng.poisson(2.0, size=2000)
            if bursty:
                counts[rng.integers(0, 2000, 5)] += 40
            minutes = {i: int(count) for i, count in enumerate(counts) if count}
            one = by_name(bursts(minutes))["peak_to_mean_1_min"]
            low, high = (float(x) for x in one.note.rsplit(": ", 1)[1].split(" to "))
            assert one.value is not None
            outside += not low * 0.99 <= one.value <= high * 1.01
        assert outside >= 19 if bursty else outside <= 4


def test_the_interval_of_growth_and_volume_holds_the_truth_nearly_as_often_as_it_says() -> None:
    rng = np.random.default_rng(6)
    held = Counter[str]()
    for _ in range(60):
        counts = rng.poisson([40 * (1.3 if day % 7 < 5 else 0.25) for day in range(56)])
        found = by_name(volume(daily(counts.tolist()), 0, 58 * DAY_S * 1_000_000))
        for name, truth in (("growth_per_month", 1.0), ("calls_per_day", 40.0)):
            interval = found[name].interval
            assert interval is not None
            held[name] += interval.low <= truth <= interval.high
    assert min(held.values()) >= 48, "Newey and West are somewhat short with few days: 80 % of 95"


def test_a_weekly_rhythm_with_growth_is_forecast_better_than_by_the_week_before() -> None:
    counts = [round((100 + 3 * day) * (1.4 if day % 7 < 5 else 0.3)) for day in range(56)]
    series = np.array(counts, dtype=float)
    found = judged(series, 7)
    assert len(found.actual) == 14
    assert found.errors.sum() < found.naive.sum()
    lines = by_name(predictability(daily(counts)))
    assert (lines["forecast_error"].n, lines["expected_next"].unit) == (14, "calls a week")
    assert lines["forecast_gain"].value is not None
    assert lines["forecast_gain"].value > 0
    flat = np.tile([10.0, 20, 30, 40, 50, 6, 7], 5)
    assert forecast(flat, 7, 7) == pytest.approx(flat[:7], rel=0.02)
    assert judged(flat, 7).naive.sum() == 0
    assert forecast(np.zeros(28), 7, 7) == pytest.approx(np.zeros(7))


def test_a_forecast_never_sees_what_it_is_judged_on() -> None:
    series = np.array([20.0 + day % 7 for day in range(42)])
    before = forecast(series[:35], 7, 7)
    series[35:] *= 50
    assert judged(series, 7).errors[-7:] == pytest.approx(np.abs(series[35:] - before))


def test_what_follows_in_a_run_is_seen_through_other_tasks() -> None:
    collector = Collector("x")
    match = Match("x", "t", ("text",), "template")
    for i in range(40):
        own, other = log([100.0 * i, 100.0 * i + (5 if i % 4 else 90)], ["a", "b"])
        for one in (own, other):
            one.id, one.tags = f"{one.id}-{i}", {SESSION_TAG: f"s{i}"}
        collector.add(own, match)
        collector.pass_by(other)
    found = by_name(collector.statistics().statistics)["followed_share"]
    assert (found.value, found.n) == (0.75, 40)


def test_words_that_change_are_told_and_words_that_do_not_are_not() -> None:
    words = [f"word{i}" for i in range(60)]
    held = 0
    for seed in range(20):
        rng = random.Random(seed)
        alike = [Sampled(" ".join(rng.choices(words, k=8)), "a") for _ in range(200)]
        moved = [*alike[:100], *(Sampled(f"{one.text} new", "a") for one in alike[100:])]
        same, changed = (by_name(stability(texts, 200))["input_drift_words"] for texts in (alike, moved))
        assert same.interval is not None
        assert changed.interval is not None
        held += same.interval.low < 0.5 < same.interval.high
        assert changed.interval.low > 0.55
    assert held >= 16, "95 % of 20, less what chance may take"


def test_near_repeats_and_narrow_answers() -> None:
    texts = [f"where is my parcel number {i % 100:03d}, it was to come on monday already" for i in range(200)]
    found = by_name(overlap([Sampled(t, "a") for t in texts], (100, 200), 200))
    assert (found["near_repeat_share"].n, found["exact_repeat_share"].value) == (200, 0.5)
    assert found["near_repeat_share"].value is not None
    assert found["near_repeat_share"].value >= 0.5
    rng = random.Random(2)
    labels = by_name(
        narrowness(
            [Sampled("t", rng.choice(["a bill", "a parcel", "a return", "a thank you"])) for _ in range(400)], 4000
        )
    )
    entropy = labels["answer_entropy"]
    assert entropy.interval is not None
    assert entropy.interval.low <= 2.0 <= entropy.interval.high + 0.02
    assert (labels["distinct_answers"].n, labels["distinct_answers"].of) == (400, 4000)
    open_ended = by_name(narrowness([Sampled("t", rng.randbytes(12).hex()) for _ in range(400)], 400))
    assert open_ended["answer_entropy"].interval is None
    assert open_ended["output_compressed"].value > labels["output_compressed"].value


def test_personal_data_is_counted_by_call() -> None:
    sampled = [Sampled("write to ann@example.org or call +49 30 901820", None), Sampled("nothing", "order 4711")] * 50
    found = by_name(personal(sampled, 100))
    assert (found["personal_data_share"].value, found["personal_data_email"].value) == (0.5, 0.5)
    assert found["personal_data_phone"].interval is not None


@given(st.lists(st.integers(0, 400), max_size=600), st.integers(1, 50))
def test_classes_that_are_kept_are_kept_whole(requests: list[int], most: int) -> None:
    repeats = Repeats(most)
    digests = [digest(str(request)) for request in requests]
    for one in digests:
        repeats.add(one)
    kept = repeats.counts()
    counts = Counter(digests)
    assert len(counts) > most or kept == (len(digests) - len(counts), len(digests))
    assert kept[0] <= kept[1] <= len(digests)
    whole = {one: counts[one] for one in repeats._counts}
    assert whole == repeats._counts


@given(st.permutations(range(40)), st.integers(1, 40))
def test_a_sample_is_the_same_in_whatever_order_calls_come(order: list[int], most: int) -> None:
    first, other = Sample[int](most), Sample[int](most)
    for i in range(40):
        first.add(f"call-{i}", i, i)
    for i in order:
        assert other.wants(f"call-{i}") or digest(f"call-{i}") > 0
        other.add(f"call-{i}", i, i)
    assert first.values() == other.values()
    assert len(first.values()) == most


def test_names_are_counted_apart_where_somebody_asks_for_them() -> None:
    sampled = [Sampled("Ann wrote", "ok"), Sampled("from ann@example.org", None)] * 10
    found = by_name(personal(sampled, 20, lambda texts: {"person"} if any("Ann" in text for text in texts) else set()))
    assert (found["personal_data_share"].value, found["named_person"].value, found["named_place"].value) == (
        0.5,
        0.5,
        0,
    )
