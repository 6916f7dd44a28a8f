"""Certificates keep their promise, by simulation, and say something sensible about odd data."""

from typing import Any

import msgspec
import numpy as np
import pytest
from benchmarks.certificates import CURVES, allowed_share, measure
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.errors import UsageError
from freehold.evidence import _walk, intervals
from freehold.evidence.certificates import Numbers, certify, certify_slices, realised

DRAWS = 500


def drawn(n: int, curve: str = "good", seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    place = rng.random(n)
    return 1 - place, rng.random(n) < CURVES[curve](place)


@pytest.mark.parametrize("n", [20, 60, 150, 500, 1000])
@pytest.mark.parametrize("curve", ["good", "weak", "even, just above", "dip", "misleading", "all right", "all wrong"])
def test_the_promise_is_broken_in_at_most_delta_of_the_draws(curve: str, n: int) -> None:
    cell = measure(curve, n, DRAWS)
    assert cell.broken["certificate"] <= allowed_share(DRAWS)
    if cell.feasible:
        assert cell.coverage["certificate"] >= 0.7 * cell.oracle


@pytest.mark.parametrize("levels", [1, 2, 5, 9])
def test_ties_break_no_promise(levels: int) -> None:
    for curve in ("fair", "even, just above"):
        for n in (60, 300):
            assert measure(curve, n, 150, levels=levels).broken["certificate"] <= allowed_share(150)


def test_the_naive_threshold_breaks_it_in_half_of_the_draws() -> None:
    """The simulation can tell a kept promise from a broken one."""
    cell = measure("good", 500, 200)
    assert cell.broken["naive"] > 0.35
    assert cell.coverage["fixed"] < cell.coverage["certificate"] < cell.coverage["naive"]


@pytest.mark.parametrize("curve", ["strong", "good", "sure but wrong"])
def test_coverage_is_near_the_oracle_at_a_thousand_rows(curve: str) -> None:
    cell = measure(curve, 1000, 100)
    assert cell.feasible
    assert cell.coverage["certificate"] >= 0.8 * cell.oracle


def test_the_joint_boundary_is_exact() -> None:
    """Against a simulated walk, and no looser than one threshold alone would be."""
    kept = tuple(range(60, 401, 20))
    allowed, level = _walk.boundary(kept, 0.05, 0.05)
    rng = np.random.default_rng(3)
    walks = np.cumsum(rng.random((20_000, 400)) < 0.05, axis=1)[:, np.array(kept) - 1]
    simulated = float((walks <= allowed).any(axis=1).mean())
    computed = _walk.crossing(np.array(kept), allowed, 0.05)
    assert computed <= 0.05
    assert simulated == pytest.approx(computed, abs=4 * (0.05 * 0.95 / 20_000) ** 0.5)
    assert 0.05 / len(kept) <= level < 0.05
    alone, alone_level = _walk.boundary((300,), 0.05, 0.05)
    assert alone_level == 0.05
    assert intervals.upper(int(alone[0]), 300, 0.05) <= 0.05 < intervals.upper(int(alone[0]) + 1, 300, 0.05)


def test_the_fewest_clean_answers_that_certify() -> None:
    assert certify([0.9] * 59, [0] * 59, alpha=0.05, delta=0.05).certified
    refused = certify([0.9] * 58, [0] * 58, alpha=0.05, delta=0.05)
    assert not refused.certified
    assert "even without an error it takes 59" in refused.reason
    assert refused.best_risk_upper == pytest.approx(intervals.upper(0, 58, 0.05))


def test_the_figures_agree_with_the_rows() -> None:
    confidence, wrong = drawn(1000)
    in_scope = np.random.default_rng(9).random(1000) < 0.9
    found = certify(confidence, wrong, in_scope, alpha=0.05, delta=0.05)
    assert found.certified
    assert found.threshold is not None
    kept = (confidence >= found.threshold) & in_scope
    assert (found.n, found.n_in_scope, found.n_kept, found.n_errors) == (
        1000,
        in_scope.sum(),
        kept.sum(),
        (kept & wrong).sum(),
    )
    assert found.coverage == found.n_kept / 1000
    assert found.coverage_interval == intervals.two_sided(found.n_kept, 1000)
    assert found.risk == found.n_errors / found.n_kept
    assert found.risk < found.risk_upper <= 0.05
    assert found.labels_needed == 0
    assert msgspec.json.decode(msgspec.json.encode(found), type=Numbers) == found


def test_tied_answers_are_kept_or_refused_together() -> None:
    found = certify([0.9] * 100 + [0.8] * 100, [0] * 100 + [1] * 100, alpha=0.05, delta=0.05)
    assert found.threshold == pytest.approx(0.85)
    assert (found.n_kept, found.n_errors) == (100, 0)
    assert not certify([0.9] * 200, [0] * 100 + [1] * 100, alpha=0.05, delta=0.05).certified
    neighbours = certify([np.nextafter(0.5, 1)] * 100 + [0.5] * 100, [0] * 100 + [1] * 100, alpha=0.05, delta=0.05)
    assert neighbours.threshold == np.nextafter(0.5, 1)


def test_keeping_all_also_keeps_what_is_nearly_as_sure() -> None:
    found = certify([0.8] * 100, [False] * 100, alpha=0.05, delta=0.05)
    assert (found.coverage, found.threshold) == (1.0, 0.4)
    assert certify([0.0] * 100, [0] * 100, alpha=0.05, delta=0.05).threshold == 0.0


def test_rows_without_confidence_are_never_kept_and_missing_judgements_are_wrong() -> None:
    found = certify([0.9] * 100 + [np.nan] * 50, [0] * 150, alpha=0.05, delta=0.05)
    assert (found.n, found.n_in_scope, found.n_kept) == (150, 100, 100)
    assert found.coverage == pytest.approx(2 / 3)
    assert certify([0.9] * 100, [np.nan] * 100, alpha=0.05, delta=0.05).base_risk == 1.0


@pytest.mark.parametrize("n", [0, 1, 5, 19, 58, 59, 300])
def test_a_refusal_promises_nothing(n: int) -> None:
    found = certify([0.5] * n, [1] * n, alpha=0.05, delta=0.05)
    assert (found.certified, found.threshold, found.coverage, found.risk_upper) == (False, None, 0.0, 1.0)
    assert found.best_risk_upper > 0.05
    assert found.reason
    assert (found.labels_needed is None) == (n > 0)


def test_the_share_that_any_rule_must_defer_is_stated() -> None:
    found = certify([0.5] * 200, [1, 0] * 100, alpha=0.05, delta=0.05)
    assert found.must_defer == pytest.approx((0.5 - 0.05) / 0.95)
    assert "47.4%" in found.reason
    assert certify([0.5] * 200, [0] * 200, alpha=0.05, delta=0.05).must_defer == 0.0


@pytest.mark.parametrize("curve", ["good", "fair", "weak"])
def test_the_labels_that_were_asked_for_mostly_suffice(curve: str) -> None:
    """The estimate is the right order of size: with that many more labels most tasks are certified."""
    suffices: list[bool] = []
    for seed in range(50):
        found = certify(*drawn(80, curve, seed), alpha=0.05, delta=0.05)
        if found.labels_needed:
            again = certify(*drawn(80 + found.labels_needed, curve, 1000 + seed), alpha=0.05, delta=0.05)
            suffices.append(again.certified)
    assert len(suffices) >= 20
    assert np.mean(suffices) >= 0.6


def test_hopeless_students_are_told_so() -> None:
    found = certify(*drawn(2000, "misleading"), alpha=0.01, delta=0.05)
    assert found.labels_needed is None
    assert "more labels" in found.reason


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.one_of(st.floats(), st.sampled_from([0.0, 0.5, 1.0])), st.booleans(), st.booleans()),
        max_size=90,
    ),
    alpha=st.floats(1e-6, 1 - 1e-6),
    delta=st.floats(1e-9, 1 - 1e-6),
)
def test_no_data_raises_and_every_certificate_is_consistent(
    rows: list[tuple[float, bool, bool]], alpha: float, delta: float
) -> None:
    confidence, wrong, scope = [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
    found = certify(confidence, wrong, scope, alpha=alpha, delta=delta)
    assert found.certified == (found.threshold is not None)
    if found.certified and np.abs(np.nan_to_num(confidence, posinf=0, neginf=0)).max(initial=0) < 1e300:
        assert found.risk_upper <= alpha * (1 + 1e-9)
        assert found.n_kept > 0
        kept = [s and np.isfinite(c) and c >= found.threshold for c, s in zip(confidence, scope, strict=True)]
        assert sum(kept) == found.n_kept
    msgspec.json.encode(found)


def test_slices_share_delta() -> None:
    confidence, wrong = drawn(1500)
    names = ["a" if i % 3 else "b" for i in range(1500)]
    found = certify_slices(confidence, wrong, names, alpha=0.05, delta=0.05)
    assert list(found) == ["a", "b"]
    assert [numbers.delta for numbers in found.values()] == [0.025, 0.025]
    assert [numbers.n for numbers in found.values()] == [1000, 500]
    assert certify_slices([], [], [], alpha=0.05, delta=0.05) == {}


def test_realised_risk_carries_its_interval() -> None:
    found = realised([1, 1, 1, 0], [0, 1, 0, 1])
    assert (found.n, found.n_kept, found.n_errors, found.coverage, found.risk) == (4, 3, 1, 0.75, 1 / 3)
    assert found.risk_interval == intervals.two_sided(1, 3)
    empty = realised([], [])
    assert (empty.risk, empty.risk_interval.low, empty.risk_interval.high) == (None, 0.0, 1.0)


@pytest.mark.parametrize(("alpha", "delta"), [(0.0, 0.05), (1.0, 0.05), (0.05, 0.0), (0.05, 1.0), (float("nan"), 0.05)])
def test_impossible_levels_are_refused(alpha: float, delta: float) -> None:
    with pytest.raises(UsageError):
        certify([0.5], [0], alpha=alpha, delta=delta)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(UsageError):
        certify([0.5], [0, 1], alpha=0.05, delta=0.05)
    with pytest.raises(UsageError):
        certify_slices([0.5], [0], [], alpha=0.05, delta=0.05)
    with pytest.raises(UsageError):
        realised([1], [])
