"""Which inputs move together, and draws that say so: a Gaussian copula over a Latin hypercube.

Each input keeps its own distribution exactly; the copula only decides which of its values meet in one scenario. Method:
Iman and Conover, "A distribution-free approach to inducing rank correlation among input variables" (1982): normal
scores, freed of the correlation that chance gave them, are mixed by the Cholesky factor of the wanted matrix, and their
ranks are kept. Not known here: tails that move together more than the middle does.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .arrays import FloatArray, normal_quantiles

OFFER = "offer_quantile"
"""Not an assumption but a draw: which seller of open weights a scenario meets, from cheap to dear."""
MODEL_PATH, SIBLING_PATH, GPU_PATH = "model_price_path", "sibling_price_path", "gpu_price_path"
"""Draws, too: which path the prices of the rented model, of another one, and of GPUs take, from cheap to dear."""
DRAWS = frozenset({OFFER, MODEL_PATH, SIBLING_PATH, GPU_PATH})

CORRELATIONS: dict[tuple[str, str], float] = {
    # Token prices and machines share a driver: what an accelerator's hour costs.
    ("gpu_usd_per_hour", "price_decline_per_year"): -0.5,
    ("gpu_usd_per_hour", OFFER): 0.5,
    ("price_decline_per_year", OFFER): -0.3,
    ("gpu_usd_per_hour", "cpu_usd_per_hour"): 0.3,
    (MODEL_PATH, GPU_PATH): 0.5,
    (SIBLING_PATH, GPU_PATH): 0.5,
    (MODEL_PATH, SIBLING_PATH): 0.5,
    (GPU_PATH, "price_decline_per_year"): -0.3,
    # What grows has more to come, and its peaks stand higher over its mean.
    ("monthly_growth", "volume_ratio"): 0.5,
    ("monthly_growth", "burst_ratio"): 0.3,
    # One labour market.
    ("engineer_usd_per_year", "gold_label_usd"): 0.4,
    # A task that is hard for a student is hard throughout: fewer calls kept, more work, more often.
    ("student_coverage", "student_setup_hours"): -0.3,
    ("student_coverage", "student_upkeep_hours_per_month"): -0.3,
    ("student_coverage", "student_refreshes_per_year"): -0.3,
    ("student_setup_hours", "student_upkeep_hours_per_month"): 0.5,
    ("student_setup_hours", "student_refresh_hours"): 0.5,
    ("student_upkeep_hours_per_month", "student_refresh_hours"): 0.5,
    # People who are quick at the first are quick at the second.
    ("hosting_setup_hours", "hosting_engineer_share"): 0.5,
    ("migration_hours", "other_model_hours_per_month"): 0.5,
}
"""Correlations of normal scores, by judgement: signs are argued, sizes are round. Every other pair is independent."""

_ORDER: tuple[str, ...] = tuple(dict.fromkeys(name for pair in CORRELATIONS for name in pair))


def matrix() -> FloatArray:
    """`CORRELATIONS` as a matrix over its inputs in their order of mention; positive definite."""
    found = np.eye(len(_ORDER))
    for (one, other), size in CORRELATIONS.items():
        i, j = _ORDER.index(one), _ORDER.index(other)
        found[i, j] = found[j, i] = size
    return found


def names() -> tuple[str, ...]:
    """The inputs that move with another one, in the matrix's order."""
    return _ORDER


def ranks(name: str, n: int, seed: int) -> FloatArray:
    """The input's rank in each of `n` scenarios, 0 to n - 1, each once.

    An input that moves with no other one is a permutation of its own. What it is drawn with depends on its name, `n`
    and `seed`, and never on which other inputs are drawn beside it.
    """
    if name in _ORDER:
        return _together(n, seed)[_ORDER.index(name)]
    return _alone(name, n, seed)


def scores(rank: FloatArray) -> FloatArray:
    """Normal scores of the ranks of a Latin hypercube: the middle of each stratum."""
    return _strata(len(rank))[rank.astype(np.intp)]


@lru_cache(maxsize=8)
def _strata(n: int) -> FloatArray:
    found = normal_quantiles((np.arange(n) + 0.5) / n)
    found.flags.writeable = False
    return found


def _alone(name: str, n: int, seed: int) -> FloatArray:
    generator = np.random.default_rng([seed, *name.encode()])
    return generator.permutation(n).astype(np.float64)


@lru_cache(maxsize=8)
def _together(n: int, seed: int) -> FloatArray:
    """Ranks of every input that moves with another, input by scenario."""
    drawn = np.stack([_alone(name, n, seed) for name in _ORDER])
    if n <= 2 * len(_ORDER):
        return drawn  # too few scenarios to tell chance from correlation
    mixed = np.linalg.cholesky(matrix()) @ _white(np.stack([scores(row) for row in drawn]))
    found = np.argsort(np.argsort(mixed, axis=1, kind="stable"), axis=1, kind="stable").astype(np.float64)
    found.flags.writeable = False
    return found


def _white(z: FloatArray) -> FloatArray:
    """The same scores without the correlation that chance gave them; the first row stays as it is."""
    factor = np.linalg.cholesky(np.corrcoef(z))
    return np.asarray(np.linalg.solve(factor, z), dtype=np.float64)
