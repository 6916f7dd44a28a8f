"""Quantiles of the standard normal against scipy's, which take much longer to load than to compute."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from freehold.economics.arrays import P90_SCORE, normal_quantiles


def test_normal_quantiles_are_scipys_in_the_middle_and_far_out() -> None:
    shares = np.concatenate(
        ((np.arange(1001) + 0.5) / 1001, np.geomspace(1e-12, 0.5, 501), 1 - np.geomspace(1e-9, 0.5, 501))
    )
    assert np.allclose(normal_quantiles(shares), ndtri(shares), rtol=4e-15, atol=0)
    assert abs(P90_SCORE - ndtri(0.9)) < 1e-15


def test_they_keep_the_shape_of_what_they_are_asked_for() -> None:
    table = np.full((3, 4), 0.5)
    assert normal_quantiles(table).shape == (3, 4)
    assert normal_quantiles(0.5) == 0.0
