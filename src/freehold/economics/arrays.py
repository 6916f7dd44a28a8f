"""Arrays of scenarios, and how they become money that is shown."""

from __future__ import annotations

from decimal import Decimal
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from freehold.vocabulary import Range

FloatArray: TypeAlias = npt.NDArray[np.float64]
Inputs: TypeAlias = dict[str, FloatArray]
"""Every input of a cost by name: one column per scenario."""

_NORMAL = NormalDist()


def normal_quantiles(shares: npt.ArrayLike) -> FloatArray:
    """The standard normal's quantile at each share between 0 and 1, neither included; exact to some 1e-15 of it.

    Python's own, a value at a time: some tens of thousands of them take milliseconds, and loading scipy for them takes
    longer than a whole verdict.
    """
    p = np.asarray(shares, dtype=np.float64)
    return np.fromiter(map(_NORMAL.inv_cdf, p.ravel().tolist()), np.float64, p.size).reshape(p.shape)


P90_SCORE = float(normal_quantiles(0.9))


def money(usd: float) -> Decimal:
    """A computed amount, to a hundredth of a cent: estimates carry no more, and exact bills do not come from here."""
    return Decimal(f"{usd:.4f}")


def money_range(usd: FloatArray) -> Range:
    """P10, P50 and P90 over scenarios."""
    low, mid, high = (float(value) for value in np.percentile(usd, (10, 50, 90)))
    return Range(money(low), money(mid), money(high))
