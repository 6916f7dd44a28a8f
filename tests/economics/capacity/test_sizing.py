"""Fleets as a function of volume: they agree with the whole simulation, and never fall where they must not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.economics.bursts import Bursts, bursts_of
from freehold.economics.capacity import Replica, Targets, Trace, from_rates, load, of_requests, replica_for, size_fleet
from freehold.economics.capacity.sizing import FLEETS, Arrivals, arrivals_of, sizes
from freehold.market.gpus import hardware
from freehold.market.serving import served_model

SHARED = Path(__file__).parents[4] / "shared" / "data" / "economics"
LLAMA = replica_for(served_model("Llama-3.1-8B"), hardware("H100"))
SLOW = LLAMA.faster(0.1)
LOOSE = Targets(ttft_s=10, tpot_s=0.5)
LENGTHS = tuple((100 + 7 * i, 20 + i % 300) for i in range(400))
DAY = 1 + 0.8 * np.sin(np.arange(288) * 2 * np.pi / 144)


def _flat(per_s: float, bursts: Bursts | None = None) -> Arrivals:
    return Arrivals((per_s,), bursts or Bursts(), LENGTHS)


def _of_trace(trace: Trace) -> Arrivals:
    at = trace.arrival_s
    windows = Counter((at // 600).astype(int).tolist())
    rows = np.linspace(0, trace.requests - 1, 400).astype(int)
    lengths = zip(
        trace.prompt_tokens[rows].astype(int).tolist(), trace.output_tokens[rows].astype(int).tolist(), strict=True
    )
    counts = [windows[i] for i in range(max(windows) + 1)]
    return arrivals_of(counts, 600, bursts_of(Counter((at // 10).astype(int).tolist())), tuple(lengths))


def _fleet(trace: Trace, replica: Replica, targets: Targets, volume: float = 1.0) -> tuple[int, int]:
    """By the table, and by simulating the whole trace, so many times over."""
    table = sizes(_of_trace(trace), replica, targets).replicas(np.array([volume]))
    whole = trace if volume == 1 else trace.times(volume)
    return int(table[0]), size_fleet(whole, replica, targets, span=False).replicas


@pytest.mark.parametrize(("per_s", "cv"), [(0.5, 1.0), (3.0, 1.0), (6.0, 1.0), (3.0, 4.0)])
def test_the_table_agrees_with_simulating_the_whole_trace(per_s: float, cv: float) -> None:
    lengths = of_requests("lengths", ((float(i), *pair) for i, pair in enumerate(LENGTHS)))
    curve = per_s * np.array([0.6, 0.8, 1.0, 1.4, 1.2, 1.0])
    table, whole = _fleet(from_rates(curve, 600, lengths, gap_cv=cv), SLOW, LOOSE)
    assert abs(table - whole) <= max(1, 0.2 * whole)


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/economics is absent")
@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_public_traces_take_the_fleets_that_they_take_whole(factor: float) -> None:
    """Chat to the replica; code completion, whose hour shows twelve windows, never fewer than its hour took."""
    chat, code = (load(SHARED / f"trace_azure_2023_{name}.csv.gz") for name in ("conv", "code"))
    table, whole = _fleet(chat, LLAMA.faster(0.3), Targets(4, 0.15), factor)
    assert abs(table - whole) <= 1
    table, whole = _fleet(code, LLAMA.faster(0.3), Targets(4, 0.15), factor)
    assert whole <= table <= 2 * whole


@given(st.floats(-3, 4), st.floats(1, 50))
@settings(deadline=None, max_examples=60)
def test_more_volume_takes_as_much_more_at_most_and_never_fewer(log_volume: float, more: float) -> None:
    found = sizes(_flat(1.0), SLOW, LOOSE)
    one, other = found.replicas(10.0**log_volume * np.array([1.0, more]))
    assert one >= 1
    assert one <= other <= more * one + 1


def test_carried_is_never_less_each_where_there_are_more() -> None:
    for bursts in (Bursts(), Bursts(swell=0.2), Bursts(minutes=20, seconds=20)):
        carried = np.asarray(sizes(_flat(1.0, bursts), SLOW, LOOSE).carried)
        assert len(carried) == FLEETS[-1]
        assert np.all(np.diff(carried / np.arange(1, len(carried) + 1)) >= -1e-12)


def test_tighter_targets_slower_machines_and_bursts_carry_less() -> None:
    usual = np.asarray(sizes(_flat(1.0), SLOW, LOOSE).carried)
    for tighter in (Targets(5, 0.5), Targets(10, 0.2), Targets(10, 0.5, share=0.99)):
        assert np.all(np.asarray(sizes(_flat(1.0), SLOW, tighter).carried) <= usual * (1 + 1e-9))
    assert np.all(np.asarray(sizes(_flat(1.0), SLOW.faster(0.5), LOOSE).carried) < usual)
    for bursts in (Bursts(swell=0.3), Bursts(minutes=50), Bursts(seconds=50)):
        assert sizes(_flat(1.0, bursts), SLOW, LOOSE).carried[0] < usual[0]


def test_the_busy_windows_decide_and_not_the_mean() -> None:
    flat, daily = (Arrivals(tuple(rates), Bursts(), LENGTHS) for rates in (np.ones(288), np.sort(DAY)))
    one, other = (sizes(each, SLOW, LOOSE).carried[0] for each in (flat, daily))
    assert other == pytest.approx(one / 1.8, rel=0.15)  # one window in a hundred may fail


def test_targets_that_nothing_meets_are_relaxed_and_said_so() -> None:
    found = sizes(_flat(1.0), LLAMA, Targets(ttft_s=0.001, tpot_s=0.0001))
    assert "0.1 ms" in found.relaxed
    assert "first token within 0.001 s" in found.relaxed
    assert found.targets.ttft_s > 0.001
    assert 0 < found.full_per_s < np.inf
    assert not sizes(_flat(1.0), LLAMA, Targets()).relaxed


def test_a_task_without_calls_takes_one_replica() -> None:
    assert sizes(Arrivals((), Bursts(), LENGTHS), LLAMA, Targets()).replicas(np.array([0.0, 1e9])).tolist() == [1, 1]


def test_few_recorded_calls_that_stand_for_many_are_no_burst() -> None:
    """Chance in a thin log is not a thousand times a peak."""
    rng = np.random.default_rng(1)
    tens = Counter((rng.uniform(0, 14 * 86_400, 5000) // 10).astype(int).tolist())
    windows = Counter[int]()
    for ten, calls in tens.items():
        windows[ten // 60] += calls
    found = bursts_of(tens)
    assert found.swell < 0.2
    assert found.minutes + found.seconds < 0.1
    arrivals = arrivals_of([windows[i] for i in range(2016)], 600, found, LENGTHS, weight=1000)
    rates = np.asarray(arrivals.rates_per_s)
    assert rates.max() < 3 * rates.mean()


def test_bursts_that_were_put_in_are_found() -> None:
    rng = np.random.default_rng(2)
    swell = Counter[int]()
    for minute in range(6000):
        factor = 1 + 0.5 * np.sin(minute / 4)
        for ten, calls in enumerate(rng.poisson(20 * factor, 6).tolist()):
            swell[6 * minute + ten] += calls
    found = bursts_of(swell)
    assert 0.05 < found.swell < 0.2  # half of 0.25, less what is common to ten minutes
    assert found.seconds + found.minutes < 0.4 * found.swell * 120
    clumps = Counter[int]()
    for ten in rng.integers(0, 36_000, 6000).tolist():
        clumps[ten] += 20
    found = bursts_of(clumps)
    assert found.seconds == pytest.approx(20, rel=0.15)
    assert found.minutes < 5


def test_a_sample_shows_that_much_less_of_the_bursts() -> None:
    bursts = Bursts(swell=0.1, minutes=2, seconds=3)
    one, ten = (arrivals_of([10, 20, 30], 600, bursts, LENGTHS, weight=weight) for weight in (1, 10))
    assert (ten.bursts.minutes, ten.bursts.seconds, ten.bursts.swell) == (20, 30, 0.1)
    assert ten.rates_per_s == pytest.approx([10 * rate for rate in one.rates_per_s])
    more = arrivals_of([10, 20, 30], 600, bursts, LENGTHS, volume=10)
    assert more == msgspec.structs.replace(ten, bursts=bursts)
