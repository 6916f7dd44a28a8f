"""Anytime-valid tests: false alarms by simulation, detection, and states that survive a restart."""

import random
import subprocess
import sys
from statistics import median

import msgspec
import pytest

from freehold.errors import UsageError
from freehold.evidence.sequential import (
    AuditState,
    AuditTest,
    Claim,
    PairedState,
    PairedTest,
    delays_after_change,
    detectable,
)


def monte_carlo_bound(rate: float, runs: int) -> float:
    return rate + 2 * (rate * (1 - rate) / runs) ** 0.5


@pytest.mark.parametrize(("alpha", "delta"), [(0.05, 0.05), (0.05, 0.2), (0.2, 0.1), (0.01, 0.05)])
def test_a_promise_that_just_holds_is_rarely_called_broken(alpha: float, delta: float) -> None:
    runs = 150
    delays = delays_after_change(alpha, delta, 0.0, alpha, good_audits=0, streams=runs, horizon=2000, seed=1)
    assert sum(delay is not None for delay in delays) / runs <= monte_carlo_bound(delta, runs)


def test_the_stake_is_fair_in_expectation_even_across_restarts() -> None:
    """Under the null the mean stake stays at one or below; a mistake in the shares would show here at once."""
    rng = random.Random(5)
    stakes: list[float] = []
    for _ in range(400):
        test = AuditTest(0.3, 1e-9)
        for _ in range(450):
            test.update(rng.random() < 0.3)
        stakes.append(min(test.e_value, 100.0))
    assert 0.3 < sum(stakes) / len(stakes) <= 1.6


@pytest.mark.parametrize(("bad", "most"), [(0.1, 900), (0.2, 150), (0.5, 30)])
def test_a_broken_promise_is_seen_soon_after_a_long_good_past(bad: float, most: int) -> None:
    delays = delays_after_change(0.05, 0.05, 0.02, bad, good_audits=2000, streams=40, horizon=3000)
    assert median(3001 if delay is None else delay for delay in delays) <= most


def test_a_rejection_is_final() -> None:
    test = AuditTest(0.05, 0.05)
    assert [test.update(wrong=True) for _ in range(5)][-1]
    at = test.rejected_at
    assert 1 < at <= 5
    assert all(test.update(wrong=False) for _ in range(1000))
    assert (test.rejected, test.rejected_at, test.n, test.errors) == (True, at, 1005, 5)
    assert test.e_value < 1 / 0.05


def test_a_right_answer_never_raises_the_stake() -> None:
    test = AuditTest(0.05, 0.01)
    rng = random.Random(2)
    for _ in range(5000):
        before = test.e_value
        wrong = rng.random() < 0.04
        test.update(wrong)
        assert (test.e_value >= before) if wrong else (test.e_value <= before * (1 + 1e-12))


def test_a_test_continues_where_its_state_was_taken() -> None:
    rng = random.Random(3)
    stream = [rng.random() < 0.09 for _ in range(4000)]
    whole, first = AuditTest(0.08, 0.01), AuditTest(0.08, 0.01)
    for wrong in stream:
        whole.update(wrong)
    for wrong in stream[:1777]:
        first.update(wrong)
    wire = msgspec.json.encode(first.state())
    second = AuditTest.from_state(msgspec.json.decode(wire, type=AuditState))
    for wrong in stream[1777:]:
        second.update(wrong)
    assert second.state() == whole.state()
    assert second.e_value == whole.e_value
    assert len(wire) < 400


def test_the_state_stays_small_and_extremes_do_not_overflow() -> None:
    for alpha, wrong in ((0.999, True), (0.001, True), (0.001, False), (0.5, False)):
        test = AuditTest(alpha, 0.01)
        for _ in range(20_000):
            test.update(wrong)
        assert len(test.state().processes) <= 12
        assert 0 <= test.e_value < float("inf")


@pytest.mark.parametrize(
    "state", [AuditState(0.05, 0.05, 1, 2), AuditState(0.05, 0.05, processes=()), AuditState(2.0, 0.05)]
)
def test_a_damaged_state_is_refused(state: AuditState) -> None:
    with pytest.raises(UsageError):
        AuditTest.from_state(state)


@pytest.mark.parametrize(("alpha", "delta"), [(0.0, 0.5), (1.0, 0.5), (0.5, 0.0), (0.5, 1.0), (float("nan"), 0.5)])
def test_impossible_levels_are_refused(alpha: float, delta: float) -> None:
    with pytest.raises(UsageError):
        AuditTest(alpha, delta)


def paired_run(seed: int, claim: Claim, candidate: float, rival: float, calls: int) -> int:
    rng = random.Random(seed)
    test = PairedTest(0.02, 0.05, claim)
    for _ in range(calls):
        if test.update(rng.random() < candidate, rng.random() < rival):
            return test.shown_at
    return 0


@pytest.mark.parametrize("claim", ["worse", "not_worse"])
def test_a_paired_claim_at_its_border_is_rarely_shown(claim: Claim) -> None:
    """At a difference of exactly the margin both claims are false."""
    runs = 150
    shown = sum(paired_run(seed, claim, 0.07, 0.05, 1000) > 0 for seed in range(runs))
    assert shown / runs <= monte_carlo_bound(0.05, runs)


def test_paired_claims_that_are_true_are_shown() -> None:
    worse = [paired_run(seed, "worse", 0.2, 0.05, 1500) for seed in range(30)]
    not_worse = [paired_run(seed, "not_worse", 0.01, 0.03, 4000) for seed in range(30)]
    assert sum(at > 0 for at in worse) == 30
    assert median(worse) < 150
    assert sum(at > 0 for at in not_worse) >= 28


def test_a_paired_test_continues_where_its_state_was_taken() -> None:
    test = PairedTest(0.02, 0.05, "worse")
    for candidate, rival in [(True, False), (False, False), (False, True), (True, True)] * 5:
        test.update(candidate, rival)
    state = msgspec.json.decode(msgspec.json.encode(test.state()), type=PairedState)
    assert (state.n_worse, state.n_same, state.n_better) == (5, 10, 5)
    again = PairedTest.from_state(state)
    assert (again.e_value, again.n, again.shown) == (test.e_value, 20, False)
    with pytest.raises(UsageError):
        PairedTest(1.0, 0.05, "worse")


def test_what_an_audit_can_detect_is_stated_in_calls_and_days() -> None:
    found = detectable(0.05, 0.3, 0.02, 5000)
    assert found.share_detected == 1.0
    assert found.audits_p50 is not None
    assert found.calls_p50 == found.audits_p50 / 0.02
    assert found.days_p50 == found.audits_p50 / 0.02 / 5000
    assert found.audits_p50 < 40
    hidden = detectable(0.05, 0.04, 0.02, 5000)
    assert hidden.audits_p50 is None
    assert hidden.share_detected <= 0.05
    with pytest.raises(UsageError):
        detectable(0.05, 0.3, 0.0, 5000)


def test_the_gateway_side_loads_nothing_heavy() -> None:
    code = "import sys, freehold.evidence.losses, freehold.evidence.sequential as s; assert s; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "scipy"} & set(done.stdout.split())
