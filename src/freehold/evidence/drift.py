"""Has the traffic changed? Two windows of labels, confidences or other values, compared at a stated false-alarm rate.

A change of distribution does not say that a promise is broken, and a broken promise need not show as one: what decides
is the audit (`sequential`). This is the earlier, cheaper sign, for it needs no labels. Values are counted in categories
(numbers in ten bins of equal mass), and the likelihood-ratio statistic of the two windows is compared with what chance
gives when the same values are dealt to the windows at random: an exact permutation test, valid for any sizes and ties,
as long as calls are exchangeable while nothing changes. Traffic with a daily rhythm is not: compare whole days.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from freehold.errors import UsageError

_BINS = 10
_MOST_DEALS = 50_000
_SEED = 20_240_607

Values = Sequence[str] | Sequence[float] | NDArray[np.float64] | NDArray[np.str_]
Counts = NDArray[np.int64]


class Drift(msgspec.Struct, frozen=True):
    """The comparison of two windows.

    `changed` is True with probability at most `false_alarm` while nothing changes. `psi` is the population stability
    index, the size of the change: below 0.1 is usually called small, above 0.25 large; it needs some hundred values a
    window to mean much. `moved_most` names the category whose share moved most, "" for numbers.
    """

    changed: bool
    p_value: float
    false_alarm: float
    psi: float
    n_before: int
    n_after: int
    moved_most: str = ""


def compare(before: Values, after: Values, *, false_alarm: float = 0.01) -> Drift:
    """Compare two windows of values: labels as text, or numbers such as confidences (nan counts as a value of its own).

    Raises:
        UsageError: false_alarm lies outside (0, 1), or one window holds text and the other numbers.
    """
    if not 0 < false_alarm < 1:
        raise UsageError("false_alarm lies between 0 and 1, exclusive")
    names, first, second = _counts(np.asarray(before), np.asarray(after))
    n_before, n_after = int(first.sum()), int(second.sum())
    if not n_before or not n_after:
        return Drift(False, 1.0, false_alarm, 0.0, n_before, n_after)
    deals = min(_MOST_DEALS, int(np.ceil(10 / false_alarm)))
    dealt = np.random.default_rng(_SEED).multivariate_hypergeometric(
        first + second, n_after, size=deals, method="marginals"
    )
    observed = _likelihood_ratio(second[None, :], first + second)[0]
    # Equal tables must count as equally extreme, whatever rounding in the sums says.
    as_extreme = int((_likelihood_ratio(dealt, first + second) >= observed - 1e-9 * (n_before + n_after)).sum())
    p_value = (as_extreme + 1) / (deals + 1)
    shift = np.abs(second / n_after - first / n_before)
    return Drift(
        changed=p_value <= false_alarm,
        p_value=p_value,
        false_alarm=false_alarm,
        psi=_psi(first, second),
        n_before=n_before,
        n_after=n_after,
        moved_most=names[int(np.argmax(shift))] if names else "",
    )


def first_change(
    reference: Values, stream: Values, *, window: int, false_alarm: float = 0.01
) -> tuple[int, Drift] | None:
    """The first window of the stream that differs from the reference: where it ends in the stream, and how it differs.

    The k-th window is tested at false_alarm / (k (k + 1)), so that the whole scan, however long, raises a false alarm
    with probability at most `false_alarm`. Values behind the last whole window are not looked at. None: no change seen.

    Raises:
        UsageError: as `compare`, or the window is empty.
    """
    if window < 1:
        raise UsageError("a window holds at least one value")
    values = np.asarray(stream)
    for k, end in enumerate(range(window, len(values) + 1, window), start=1):
        found = compare(np.asarray(reference), values[end - window : end], false_alarm=false_alarm / (k * (k + 1)))
        if found.changed:
            return end, found
    return None


def _counts(before: NDArray[np.generic], after: NDArray[np.generic]) -> tuple[list[str], Counts, Counts]:
    """Category names ([] for numbers) and how often each occurs in either window."""
    textual = {array.dtype.kind in "US" for array in (before, after) if array.size}
    if len(textual) == 2:
        raise UsageError("one window holds text and the other numbers")
    if True in textual:
        pooled = np.concatenate([before.astype(str) if before.size else before[:0].astype(str), after.astype(str)])
        names, codes = np.unique(pooled, return_inverse=True)
        n_codes, labels = len(names), names.tolist()
    else:
        numbers = np.concatenate([before.astype(float).ravel(), after.astype(float).ravel()])
        codes, n_codes, labels = _bins(numbers), _BINS + 1, []
    first = np.bincount(codes[: before.size], minlength=n_codes).astype(np.int64)
    second = np.bincount(codes[before.size :], minlength=n_codes).astype(np.int64)
    seen = first + second > 0
    return [name for name, used in zip(labels, seen, strict=True) if used] if labels else [], first[seen], second[seen]


def _bins(numbers: NDArray[np.float64]) -> NDArray[np.intp]:
    """Bins of equal mass over both windows together; the last is for what is no number."""
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return np.full(len(numbers), _BINS, dtype=np.intp)
    edges = np.quantile(known, np.arange(1, _BINS) / _BINS, method="lower")
    return np.where(np.isnan(numbers), _BINS, np.searchsorted(edges, numbers, side="left"))


def _likelihood_ratio(second: Counts, pooled: Counts) -> NDArray[np.float64]:
    """The likelihood-ratio statistic of each row of `second` against the rest of `pooled` (half of G)."""
    first = pooled - second
    return _n_log_n(first).sum(axis=1) + _n_log_n(second).sum(axis=1) - float(_n_log_n(pooled).sum())


def _n_log_n(counts: Counts) -> NDArray[np.float64]:
    return np.asarray(counts * np.log(np.maximum(counts, 1)), dtype=np.float64)


def _psi(first: Counts, second: Counts) -> float:
    """Population stability index, each category with half a count more, so that an empty one is no infinity."""
    before, after = (
        (first + 0.5) / (first.sum() + 0.5 * len(first)),
        (second + 0.5) / (second.sum() + 0.5 * len(second)),
    )
    return float(((after - before) * np.log(after / before)).sum())
