"""Workload figures on logs whose right figures are known."""

from __future__ import annotations

import pytest
from tests.support.mixes import START_US, call, user

from freehold.tasks.statistics import workload
from freehold.vocabulary import Call, Usage

DAY_S = 86_400


def log(times_s: list[float], answers: list[str]) -> list[Call]:
    calls = [
        call("x", [user(f"text {i % 5}")], a, at_s=t) for i, (t, a) in enumerate(zip(times_s, answers, strict=True))
    ]
    for i, one in enumerate(calls):
        one.id, one.usage = str(i), Usage(input_tokens=90, cache_read_tokens=10, output_tokens=5)
    return calls


def test_a_steady_log() -> None:
    n = 30 * 24
    found = workload(log([i * 3600.0 for i in range(n)], ["a", "b"] * (n // 2)))
    assert found.calls_per_month.value == pytest.approx(24 * 365.25 / 12, rel=0.01)
    assert found.growth_per_month.value == pytest.approx(1.0, abs=0.01)
    assert found.peak_to_mean_60_min.value == pytest.approx(1.0)
    assert found.peak_to_mean_1_min.value == pytest.approx(60, rel=0.01)
    assert found.answer_entropy_bits.value == pytest.approx(1.0)
    assert found.stability.value == pytest.approx(1.0)
    assert found.exact_repeat_share.value == pytest.approx((n - 5) / n)
    assert (found.input_tokens.value, found.cached_tokens.value, found.input_tokens.n) == (100, 10, n)


def test_growth_and_drift_are_seen() -> None:
    times = [day * DAY_S + i * 60.0 for day in range(20) for i in range(10 * (day + 1))]
    found = workload(log(times, ["a"] * (len(times) // 2) + ["b"] * (len(times) - len(times) // 2)))
    assert found.growth_per_month.value is not None
    assert found.growth_per_month.value > 2
    assert found.stability.value == pytest.approx(0.0)


def test_too_little_is_said_as_none() -> None:
    assert workload([]).calls_per_month.value is None
    one = workload(log([0.0], ["a"]))
    assert one.peak_to_mean_1_min.value is None
    assert one.growth_per_month.value is None
    assert one.error_share.value == 0.0
    failed = log([0.0, 5.0], ["a", "b"])
    failed[0].outcome = "error"
    assert workload(failed).error_share.value == 0.5
    assert START_US > 0
