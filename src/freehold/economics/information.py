"""What it is worth to know more before deciding: of everything, of one input, of what six months will show.

Payoffs are net present values, option by scenario. What would be chosen after seeing an input is what a regression of
the payoffs on it says (Strong, Oakley and Brennan, "Estimating multiparameter partial expected value of perfect
information", 2014; for waiting, the same as Longstaff and Schwartz, 2001). The regression is fitted on one half of the
scenarios and its choices are paid out on the other, both ways round: an estimate that does not profit from its own
noise, so that it is a lower bound of the perfect-information value and 0 for an input that changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from freehold.vocabulary import Estimate

from .arrays import FloatArray, money
from .dependence import scores

_Z95 = 1.96


def estimate(values: FloatArray, *, least: float | None = None) -> Estimate:
    """The mean of per-scenario values and the interval that their number leaves; nothing of it under `least`."""
    mid = float(values.mean())
    half = _Z95 * float(values.std(ddof=1)) / len(values) ** 0.5
    found = [mid, mid - half, mid + half]
    if least is not None:
        found = [max(least, value) for value in found]
    return Estimate(*(money(value) for value in found))


def regret(payoffs: FloatArray, chosen: FloatArray) -> Estimate:
    """What choosing the payoffs `chosen` loses, on average, against the best in each scenario."""
    return estimate(np.maximum(payoffs.max(axis=0), chosen) - chosen, least=0.0)


def worth_of_all(payoffs: FloatArray) -> Estimate:
    """Expected value of perfect information: the regret of the option that is best on average."""
    return regret(payoffs, payoffs[int(payoffs.mean(axis=1).argmax())])


def worth_of(payoffs: FloatArray, columns: Sequence[FloatArray]) -> Estimate:
    """Expected value of seeing `columns` (inputs, one value per scenario) before choosing."""
    base = payoffs[int(payoffs.mean(axis=1).argmax())]
    return estimate(chosen_after(payoffs, basis(columns)) - base, least=0.0)


def worth_of_waiting(now: FloatArray, later: FloatArray, seen: FloatArray) -> Estimate:
    """Choosing among `later` with a basis of what is seen by then, instead of the best of `now` at once."""
    return estimate(chosen_after(later, seen) - now[int(now.mean(axis=1).argmax())])


def chosen_after(payoffs: FloatArray, seen: FloatArray) -> FloatArray:
    """Per scenario, the payoff of what a regression on `seen` (scenario by term) would choose there."""
    halves = np.arange(payoffs.shape[1]) % 2 == 0
    found = np.empty(payoffs.shape[1])
    for half in (halves, ~halves):
        x = seen[~half]
        # Normal equations: terms of normal scores are far from collinear, and lstsq starts threads for these sizes.
        weights = np.linalg.solve(x.T @ x + 1e-9 * np.eye(x.shape[1]), x.T @ payoffs[:, ~half].T)
        choice = np.argmax(seen[half] @ weights, axis=1)
        found[half] = payoffs[:, half][choice, np.arange(int(half.sum()))]
    return found


def basis(columns: Sequence[FloatArray]) -> FloatArray:
    """Terms of a regression, scenario by term: cubic in one input's normal score, quadratic in several."""
    z = [scores(_ranks(column)) for column in columns if float(column.std()) > 0]
    n = len(columns[0])
    terms = [np.ones(n), *z, *(score**2 for score in z)]
    terms += [z[0] ** 3] if len(z) == 1 else [one * other for one, other in combinations(z, 2)]
    return np.stack(terms, axis=1)


def _ranks(column: FloatArray) -> FloatArray:
    order: npt.NDArray[np.intp] = np.argsort(column, kind="stable")
    found = np.empty(len(column))
    found[order] = np.arange(len(column))
    return found
