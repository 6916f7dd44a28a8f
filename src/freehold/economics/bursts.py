"""How calls vary within ten minutes, beyond chance: measured on counts, in numbers that a simulation can draw from.

The index of dispersion (variance over mean of the calls of a span; 1 for a Poisson process) of spans of ten seconds, a
minute and two minutes tells apart what lasts: a rate that all calls share doubles what is beyond 1 from one minute to
two, bursts that are over within the minute leave it as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec
import numpy as np

from .arrays import FloatArray

SLOT_S = 10.0
PER_MINUTE = 6
PER_WINDOW = 60
"""Spans of ten seconds in a minute, and in ten minutes."""


class Bursts(msgspec.Struct, frozen=True):
    """How calls vary within ten minutes, beyond chance.

    `swell`: variance over squared mean of a rate that all calls have in common and that moves over minutes. `minutes`
    and `seconds`: bursts of about a minute and about ten seconds, which do not come together, as the variance over mean
    that each adds to the calls of a minute. `windows`: share of the variance of ten minutes, around their half hour,
    that is no chance.
    """

    swell: float = 0.0
    minutes: float = 0.0
    seconds: float = 0.0
    windows: float = 0.0


def smoothed(counts: FloatArray) -> FloatArray:
    """Means of three windows, of two at the ends."""
    sums = np.cumsum(np.concatenate(([0.0], counts)))
    last = np.minimum(np.arange(len(counts)) + 2, len(counts))
    first = np.maximum(np.arange(len(counts)) - 1, 0)
    return (sums[last] - sums[first]) / (last - first)


def bursts_of(tens: Mapping[int, int]) -> Bursts:
    """Bursts from calls counted per ten seconds, by number of the ten seconds; those without calls left out.

    A swell shows twice as much in two minutes as in one, a burst as much in either. Two standard errors are taken off
    each variance: what may be chance is none.
    """
    pairs, minutes, windows = Counter[int](), Counter[int](), Counter[int]()
    for ten, calls in tens.items():
        pairs[ten // PER_MINUTE // 2] += calls
        minutes[ten // PER_MINUTE] += calls
        windows[ten // PER_WINDOW] += calls
    if len(windows) < 2:
        return Bursts()
    first, last = min(windows), max(windows)
    counts = np.array([windows.get(window, 0) for window in range(first, last + 1)], dtype=np.float64)
    by_minute = _beyond_chance(minutes, windows, PER_WINDOW // PER_MINUTE)
    by_pair = _beyond_chance(pairs, windows, PER_WINDOW // PER_MINUTE // 2)
    swell = min(by_minute, max(0.0, by_pair - by_minute))
    quick = by_minute - swell
    quick_ten = min(quick, max(0.0, _beyond_chance(tens, windows, PER_WINDOW) - swell / PER_MINUTE))
    of_minutes = min(quick, (quick - quick_ten) * PER_MINUTE / (PER_MINUTE - 1))
    per_minute = float(counts.sum() / (counts > 0).sum()) / (PER_WINDOW // PER_MINUTE)
    around = smoothed(counts)
    by_chance = (1 - 1 / 3) * around  # a window is a third of its own half hour
    spread = float(np.sum((counts - around) ** 2) / max(1e-9, by_chance.sum())) - 1
    spread = max(0.0, spread - 2 * (2 / max(1, int((counts > 0).sum()))) ** 0.5)
    return Bursts(swell / per_minute, of_minutes, quick - of_minutes, spread / (1 + spread))


def _beyond_chance(parts: Mapping[int, int], windows: Mapping[int, int], per_window: int) -> float:
    """Variance over mean of the calls of a part around the mean of its window's parts, less 1, never below 0."""
    calls = sum(windows.values())
    squares = sum(n * n for n in parts.values()) - sum(n * n for n in windows.values()) / per_window
    error = (2 / ((per_window - 1) * len(windows))) ** 0.5
    return max(0.0, squares / (calls * (1 - 1 / per_window)) - 1 - 2 * error)
