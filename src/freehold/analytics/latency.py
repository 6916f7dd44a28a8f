"""How long calls take, phase by phase, from counts of how many took how long.

The counts are those of a sketch (DDSketch, Masson, Rim and Lee, VLDB 2019) whose value for a bucket is within 2.5 % of
each call in it; what the sketch adds to an interval is added here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import NamedTuple

import msgspec
import numpy as np

from freehold.evidence.intervals import quantile_ranks
from freehold.vocabulary import Interval

LEVEL = 0.95
PHASES: Mapping[str, str] = {
    "first_token": "from the request to the first byte of the answer, of streamed calls",
    "generation": "from the first byte of the answer to its last, of streamed calls",
    "total": "from the request to the last byte of the answer",
}
"""What a call's time is parted into, and how each part is told."""

QUANTILES = (0.5, 0.9, 0.99)


class Bucket(NamedTuple):
    """How many calls of a group took about so many milliseconds for a phase."""

    group: tuple[str, ...]
    phase: str
    value_ms: float
    n: int


class Quantile(msgspec.Struct, frozen=True):
    """A quantile in milliseconds, with its 95 % interval.

    The interval lies between two order statistics, widened by the error of the counts; it takes calls to be independent
    and holds for any distribution. None: there are too few calls for one.
    """

    q: float
    ms: float
    interval: Interval | None


class Phase(msgspec.Struct, frozen=True):
    """One phase of `n` calls; `mean_ms` is within the error of the counts."""

    phase: str
    n: int
    mean_ms: float
    quantiles: tuple[Quantile, ...]


class Latency(msgspec.Struct, frozen=True):
    """The phases of one group's calls."""

    by: Mapping[str, str]
    calls: int
    phases: tuple[Phase, ...]


def latencies(buckets: Iterable[Bucket], names: tuple[str, ...], relative_error: float) -> list[Latency]:
    """The phases of every group, that with most calls first.

    Args:
        buckets: in any order; those of one group, phase and value are added up.
        names: what the parts of a group are called.
        relative_error: how far a bucket's value may lie from a call in it, as a part of it.
    """
    counts: dict[tuple[str, ...], dict[str, dict[float, int]]] = defaultdict(lambda: defaultdict(dict))
    for one in buckets:
        held = counts[one.group][one.phase]
        held[one.value_ms] = held.get(one.value_ms, 0) + one.n
    found: list[Latency] = []
    for group, phases in counts.items():
        made = tuple(_phase(name, phases[name], relative_error) for name in PHASES if name in phases)
        calls = max((one.n for one in made), default=0)
        found.append(Latency(dict(zip(names, group, strict=True)), calls, made))
    return sorted(found, key=lambda one: (-one.calls, *one.by.values()))


def _phase(name: str, counts: Mapping[float, int], relative_error: float) -> Phase:
    values = np.array(sorted(counts))
    upto = np.array(list(accumulate(counts[value] for value in values)))
    n = int(upto[-1])

    def at(rank: int) -> float:
        return float(values[np.searchsorted(upto, rank, side="right")])

    quantiles: list[Quantile] = []
    for q in QUANTILES:
        ranks, interval = quantile_ranks(n, q, LEVEL), None
        if ranks is not None:
            interval = Interval(at(ranks[0]) * (1 - relative_error), at(ranks[1]) * (1 + relative_error), LEVEL)
        quantiles.append(Quantile(q, at(int(q * (n - 1))), interval))
    mean = float(sum(value * count for value, count in counts.items()) / n)
    return Phase(name, n, mean, tuple(quantiles))
