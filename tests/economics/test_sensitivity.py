"""Sobol indices against a function whose indices are known."""

from __future__ import annotations

import numpy as np
import pytest

from freehold.economics.arrays import FloatArray
from freehold.economics.sensitivity import sobol


def _ishigami(uniform: FloatArray) -> FloatArray:
    x = np.pi * (2 * uniform - 1)
    return np.sin(x[0]) + 7 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0])


def test_the_ishigami_function_has_its_known_indices() -> None:
    found = sobol(_ishigami, 3, 4096, 0)
    assert found is not None
    assert found.first == pytest.approx([0.3139, 0.4424, 0.0], abs=0.04)
    assert found.total == pytest.approx([0.5576, 0.4424, 0.2437], abs=0.03)
    assert np.all(found.total_interval[0] <= found.total)
    assert np.all(found.total <= found.total_interval[1])


def test_a_sum_has_no_interactions_and_an_idle_input_no_share() -> None:
    found = sobol(lambda u: 2 * u[0] + u[1], 3, 1024, 1)
    assert found is not None
    assert found.first == pytest.approx([0.8, 0.2, 0.0], abs=0.06)
    assert found.total == pytest.approx([0.8, 0.2, 0.0], abs=0.06)


def test_quantiles_of_what_is_drawn_are_the_same_as_quantiles_in_the_model() -> None:
    inside = sobol(lambda u: np.exp(u[0]) + u[1] ** 2, 2, 256, 3)
    before = sobol(lambda z: z[0] + z[1], 2, 256, 3, quantiles=lambda u: np.stack([np.exp(u[0]), u[1] ** 2]))
    assert inside is not None
    assert before is not None
    assert all(np.array_equal(one, other) for one, other in zip(inside, before, strict=True))


def test_what_does_not_vary_has_no_indices() -> None:
    assert sobol(lambda u: np.ones(u.shape[1]), 2, 64, 0) is None
