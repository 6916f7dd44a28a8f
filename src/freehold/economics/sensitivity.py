"""What a quantity depends on: Sobol indices of a function of independent inputs.

First-order indices by Saltelli et al. (2010), total ones by Jansen (1999), over two Latin hypercubes and one mixed
matrix per input. Written here because SALib, which does the same, brings pandas and matplotlib, and this is forty
lines; they are tested against the Ishigami function, whose indices are known. Not meant for inputs that move together:
the shares of a variance are not unique there, so indices are taken over independent draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .arrays import FloatArray

_RESAMPLES = 200


class Indices(NamedTuple):
    """Per input: the estimate, and its 95 % interval by bootstrap over base points, low and high as rows."""

    first: FloatArray
    first_interval: FloatArray
    total: FloatArray
    total_interval: FloatArray


def _uniform(shares: FloatArray) -> FloatArray:
    return shares


def sobol(
    model: Callable[[FloatArray], FloatArray],
    inputs: int,
    n: int,
    seed: int,
    *,
    quantiles: Callable[[FloatArray], FloatArray] = _uniform,
) -> Indices | None:
    """Indices of `model`, which is called once with drawn values, input by column, and answers a value per column.

    Values are uniform, or what `quantiles` makes of uniform ones, each by itself: the `n * (inputs + 2)` columns are
    made of the same `2 * n` values of each input. None where the model does not vary.
    """
    generator = np.random.default_rng([seed, 2])
    a, b = (quantiles(_hypercube(generator, inputs, n)) for _ in range(2))
    mixed = np.repeat(a[None], inputs, axis=0)
    mixed[np.arange(inputs), np.arange(inputs)] = b
    values = model(np.concatenate([a, b, *mixed], axis=1)).reshape(inputs + 2, n)
    values = values - values[:2].mean()
    if float(values[:2].std()) <= 1e-9 * (1.0 + float(np.abs(values).max())):
        return None
    at = generator.integers(0, n, size=(_RESAMPLES, n))
    drawn = [_indices(values[:, row]) for row in at]
    first, total = _indices(values)
    spread = [np.percentile([pair[i] for pair in drawn], (2.5, 97.5), axis=0) for i in (0, 1)]
    return Indices(first, spread[0], total, spread[1])


def _hypercube(generator: np.random.Generator, inputs: int, n: int) -> FloatArray:
    return np.stack([(generator.permutation(n) + generator.random(n)) / n for _ in range(inputs)])


def _indices(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    one, other, mixed = values[0], values[1], values[2:]
    variance = max(float(values[:2].var()), 1e-300)
    first = np.mean(other * (mixed - one), axis=1) / variance
    total = np.mean((one - mixed) ** 2, axis=1) / (2 * variance)
    return np.asarray(first, dtype=np.float64), np.asarray(total, dtype=np.float64)
