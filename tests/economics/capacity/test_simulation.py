"""The simulation of all lanes at once, against the plain loop that it stands for."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.economics.capacity._lanes import simulate
from freehold.economics.capacity.replica import Replica
from freehold.economics.capacity.trace import Trace, of_requests
from freehold.vocabulary import Source


def a_replica(**changed: float) -> Replica:
    figures = {
        "step_s": 0.01,
        "step_s_per_sequence": 1e-4,
        "step_s_per_token": 2e-8,
        "step_s_per_experts": 0.0,
        "expert_share": 0.0,
        "prompt_s_per_token": 2e-5,
        "first_token_s": 0.0,
        "cache_tokens": 400_000.0,
    }
    return Replica("r", "H100-80GB", 1, **{**figures, **changed}, source=Source("test"), how="given", error=0.05)


def a_trace(requests: int, per_s: float, seed: int = 0, output: float = 100) -> Trace:
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.exponential(1 / per_s, requests))
    rows = zip(at, rng.integers(10, 2000, requests), 1 + rng.poisson(output, requests), strict=True)
    return of_requests("drawn", rows)


def plain(trace: Trace, replica: Replica, slots: int) -> tuple[np.ndarray, np.ndarray]:
    """One replica, one event after another, with a heap: the definition."""
    ttft, tpot = np.zeros(trace.requests), np.zeros(trace.requests)
    clock = tokens = context = 0.0
    heap: list[tuple[float, int]] = []
    began: dict[int, float] = {}
    at = 0
    while at < trace.requests or heap:
        step = float(replica.step(np.array(float(len(heap))), np.array(context)))
        leaves = clock + (heap[0][0] - tokens) * step if heap else np.inf
        enters = max(clock, trace.arrival_s[at]) if at < trace.requests and len(heap) < slots else np.inf
        if enters < leaves:
            tokens += (enters - clock) / step if heap else 0.0
            clock = enters + trace.prompt_tokens[at] * replica.prompt_s_per_token
            began[at] = clock
            ttft[at] = clock - trace.arrival_s[at] + replica.first_token_s
            heapq.heappush(heap, (tokens + trace.output_tokens[at] - 1, at))
            context += trace.prompt_tokens[at] + trace.output_tokens[at] / 2
            at += 1
        else:
            tokens, gone = heapq.heappop(heap)
            clock = leaves
            tpot[gone] = (clock - began[gone]) / max(trace.output_tokens[gone] - 1, 1)
            context -= trace.prompt_tokens[gone] + trace.output_tokens[gone] / 2
    return ttft, tpot


def slots_of(trace: Trace, replica: Replica) -> int:
    return replica.slots(float((trace.prompt_tokens + trace.output_tokens).mean()))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    per_s=st.floats(0.5, 40),
    cache=st.sampled_from([3000.0, 20_000.0, 400_000.0]),
    experts=st.sampled_from([0.0, 0.01]),
)
def test_one_lane_is_the_plain_loop(seed: int, per_s: float, cache: float, experts: float) -> None:
    trace = a_trace(120, per_s, seed, output=40)
    replica = a_replica(cache_tokens=cache, step_s_per_experts=experts, expert_share=0.05 if experts else 0.0)
    found = simulate(trace, replica, 1, 1e9, 0.0, 0.0)
    ttft, tpot = plain(trace, replica, slots_of(trace, replica))
    assert found.ttft_s == pytest.approx(ttft, rel=1e-6, abs=1e-9)
    assert found.tpot_s == pytest.approx(tpot, rel=1e-6, abs=1e-9)


def test_requests_in_turn_are_replicas_of_their_own() -> None:
    trace, replica = a_trace(900, 12, output=60), a_replica()
    found = simulate(trace, replica, 3, 1e9, 0.0, 0.0)
    for number in range(3):
        mine = np.arange(number, 900, 3)
        part = Trace("part", trace.arrival_s[mine], trace.prompt_tokens[mine], trace.output_tokens[mine])
        ttft, tpot = plain(part, replica, slots_of(trace, replica))
        assert found.ttft_s[mine] == pytest.approx(ttft, rel=1e-6)
        assert found.tpot_s[mine] == pytest.approx(tpot, rel=1e-6)


def test_cutting_a_trace_into_lanes_changes_next_to_nothing() -> None:
    """Unless more than the lead-in is queued, when a window counts as missed anyway."""
    trace, replica = a_trace(12_000, 7, output=80), a_replica()
    ttft, tpot = plain(trace, replica, slots_of(trace, replica))
    found = simulate(trace, replica, 1, 300.0, 150.0, 30.0)
    assert np.isfinite(found.ttft_s).all()
    assert np.isfinite(found.tpot_s).all()
    assert np.mean(np.abs(found.ttft_s - ttft) > 0.02 * ttft + 1e-4) < 0.01
    assert np.mean(np.abs(found.tpot_s - tpot) > 0.02 * tpot) < 0.01


def test_a_request_alone_takes_its_prompt_and_its_steps() -> None:
    trace = of_requests("one", [(0.0, 1000.0, 11.0)])
    found = simulate(trace, a_replica(first_token_s=0.1), 1, 300.0, 150.0, 30.0)
    assert found.ttft_s[0] == pytest.approx(0.1 + 0.02)
    assert found.tpot_s[0] == pytest.approx(0.01 + 1e-4 + 2e-8 * 1005.5)


def test_answers_of_one_token_need_no_step() -> None:
    trace = of_requests("ones", [(i * 0.001, 100.0, 1.0) for i in range(50)])
    found = simulate(trace, a_replica(), 1, 300.0, 150.0, 30.0)
    assert found.tpot_s == pytest.approx(np.zeros(50))
    assert found.ttft_s[0] == pytest.approx(0.002)
    assert found.ttft_s[-1] == pytest.approx(50 * 0.002 - 49 * 0.001)


def test_no_more_than_fit_are_at_work() -> None:
    """With room for one, answers come one after the other."""
    trace = of_requests("queue", [(0.0, 1.0, 101.0)] * 4)
    replica = a_replica(cache_tokens=150.0, step_s_per_sequence=0.0, step_s_per_token=0.0, prompt_s_per_token=0.0)
    assert replica.slots(102) == 1
    assert np.sort(simulate(trace, replica, 1, 300.0, 150.0, 30.0).ttft_s) == pytest.approx([0, 1, 2, 3])
