"""Scenarios in which inputs move together: the wanted rank correlations, untouched margins, the same every time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from tests.support.workloads import a_workload

from freehold.economics.assumptions import assumptions, draw
from freehold.economics.dependence import CORRELATIONS, DRAWS, matrix, names, ranks
from freehold.economics.quality import QualityFacts
from freehold.settings import EconomicsSettings

N = 1001


def _spearman(normal: float) -> float:
    """Rank correlation of a Gaussian copula, from that of its scores."""
    return 6 / math.pi * math.asin(normal / 2)


def test_the_matrix_is_symmetric_positive_definite_and_not_near_singular() -> None:
    wanted = matrix()
    assert np.array_equal(wanted, wanted.T)
    assert np.linalg.eigvalsh(wanted).min() > 0.1


def test_every_correlated_name_is_an_input() -> None:
    known = set(assumptions(a_workload(100), QualityFacts(), EconomicsSettings())) | DRAWS
    assert set(names()) <= known


@given(st.integers(0, 10**6), st.sampled_from([501, 1001, 2001]))
@settings(deadline=None, max_examples=25)
def test_realised_rank_correlations_are_the_wanted_ones(seed: int, n: int) -> None:
    drawn = np.stack([ranks(name, n, seed) for name in names()])
    realised, wanted = np.corrcoef(drawn), matrix()
    for i in range(len(wanted)):
        for j in range(i):
            assert realised[i, j] == pytest.approx(_spearman(wanted[i, j]), abs=0.06), (names()[i], names()[j])


def test_correlations_are_those_of_the_values_drawn() -> None:
    """Signs survive the way from ranks to values, for inputs nobody gave."""
    inputs = draw(assumptions(a_workload(20_000), QualityFacts(), EconomicsSettings()), N, 0)
    for (one, other), size in CORRELATIONS.items():
        if not DRAWS & {one, other}:
            assert float(spearmanr(inputs[one], inputs[other]).statistic) == pytest.approx(_spearman(size), abs=0.08)


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=25)
def test_each_input_meets_every_stratum_once(seed: int) -> None:
    for name in (*names(), "throughput_ratio"):
        assert np.array_equal(np.sort(ranks(name, N, seed)), np.arange(N))


def test_an_input_that_moves_alone_is_bit_for_bit_its_own_permutation() -> None:
    for name in ("throughput_ratio", "token_ratio"):
        generator = np.random.default_rng([7, *name.encode()])
        assert np.array_equal(ranks(name, N, 7), generator.permutation(N))


def test_the_first_input_keeps_its_own_draw_and_the_others_follow_it() -> None:
    first = names()[0]
    generator = np.random.default_rng([7, *first.encode()])
    assert np.array_equal(ranks(first, N, 7), generator.permutation(N))


def test_a_given_input_leaves_its_partners_as_they_were() -> None:
    free = draw(assumptions(a_workload(100), QualityFacts(), EconomicsSettings()), N, 3)
    told = draw(assumptions(a_workload(100), QualityFacts(), EconomicsSettings(gpu_usd_per_hour=2)), N, 3)
    assert set(told["gpu_usd_per_hour"]) == {2.0}
    assert np.array_equal(free["price_decline_per_year"], told["price_decline_per_year"])
