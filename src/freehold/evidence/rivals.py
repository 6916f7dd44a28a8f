"""Whether another model answers a task well enough: exact bounds on how much worse it is than today's.

Two measures, both of which bound the share of answers that a swap makes worse:

- against the recorded answers, the share that differs: an answer that is the same is no worse;
- against gold, paired on the same calls, the share on which today's model alone is right less the share on which the
  other one alone is. Each of the two counts is binomial, so that an upper bound of one less a lower bound of the other,
  with half of the error each, holds whatever their dependence (Bonferroni).

A sample that is enlarged and looked at again is another chance to be lucky: look k gets delta / (k (k + 1)) of the
error, which sums to delta however often one looks. Trials are taken to be independent; calls of one conversation are
not quite.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from freehold.vocabulary import Latency, Paired, Ratio

from .intervals import lower, upper, upper_bounds

MOST_CALLS = 20_000
"""More calls than this are not asked for to settle a question."""

_Z95 = 1.959964


def spent(delta: float, look: int, routes: int = 1) -> float:
    """The error that one look may make by one of `routes` measures."""
    return delta / (look * (look + 1)) / routes


def differs_upper(same: int, n: int, tail: float) -> float:
    """With confidence 1 - `tail` at most this share of the answers differs from the recorded ones."""
    return upper(n - same, n, tail)


def worse_upper(paired: Paired, tail: float) -> float:
    """With confidence 1 - `tail` the other model is right on at most this much less of the calls; may be negative."""
    return upper(paired.worse, paired.n, tail / 2) - lower(paired.better, paired.n, tail / 2)


def calls_needed(rate: float, alpha: float, tail: float) -> int | None:
    """How many calls would show that at most `alpha` differ, if `rate` of them do; None: none would, or too many."""
    if rate >= alpha:
        return None
    sizes = np.unique(np.logspace(1, np.log10(MOST_CALLS), 400).astype(int))
    enough = upper_bounds(np.ceil(rate * sizes), sizes, tail) <= alpha
    return int(sizes[int(np.argmax(enough))]) if enough.any() else None


def gold_needed(paired: Paired, alpha: float, tail: float) -> int | None:
    """How many calls with gold would show that the other model is right on at most `alpha` less, at the rates seen."""
    if not paired.n or (paired.worse - paired.better) / paired.n >= alpha:
        return None
    for n in np.unique(np.logspace(1, np.log10(MOST_CALLS), 100).astype(int)):
        size = int(n)
        worse, better = -(-paired.worse * size // paired.n), paired.better * size // paired.n
        if upper(worse, size, tail / 2) - lower(better, size, tail / 2) <= alpha:
            return size
    return None


def ratio(new: Sequence[float], old: Sequence[float]) -> Ratio | None:
    """The ratio of two sums over the same calls, with the interval of the delta method; None where nothing is known."""
    n, total = len(new), float(sum(old))
    if not n or total <= 0:
        return None
    y, x = np.asarray(new, dtype=np.float64), np.asarray(old, dtype=np.float64)
    value = float(y.sum()) / total
    if n == 1:
        return Ratio(value, 0.0, float("inf"), 1)
    half = _Z95 * float(np.std(y - value * x, ddof=1)) / n**0.5 / float(x.mean())
    return Ratio(value, max(0.0, value - half), value + half, n)


def latency(waits_ms: Sequence[float]) -> Latency | None:
    """Median and 95th percentile; None where nothing was timed."""
    if not waits_ms:
        return None
    p50, p95 = (float(value) for value in np.percentile(waits_ms, [50, 95]))
    return Latency(len(waits_ms), p50, p95)
