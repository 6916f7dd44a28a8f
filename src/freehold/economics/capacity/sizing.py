"""A task's fleet as a function of its volume: what so many replicas carry, simulated once, at every volume after.

A verdict asks for fleets at thousands of volumes (scenarios, months of growth, crossovers), and simulating each is out
of the question. Two things make one table do. Requests go to the replicas in turn, so that what one of R replicas meets
in a window depends on its own rate, on the bursts, of which it has an R-th, and on the lengths alone. And the share of
the windows that fails at each rate, summed over the task's own windows, says how much of the task R replicas carry. So
one replica of 1, 2, 4, 8, 16 and 32 is simulated at ten rates, in the same lanes as `size_fleet`; between those numbers
what a replica carries is interpolated, beyond them it stays.

Within ten minutes calls come by chance around a rate that moves (gamma factors, measured on the log): a swell that all
calls have in common, bursts of a minute, bursts of seconds. More volume has the same swell and more bursts, not larger
ones. More replicas are taken to carry more each, never less: that takes chance out of the table and makes every fleet
monotone in volume. How many of a fleet run where it follows the load is a table of the same fleets. Not known here:
shared prefixes, balancing by load, failures.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import msgspec
import numpy as np
import numpy.typing as npt

from freehold.economics.arrays import FloatArray
from freehold.economics.bursts import PER_MINUTE, SLOT_S, Bursts, smoothed

from . import computed
from ._lanes import Lanes
from .fleet import Targets, follow, sustained
from .replica import Replica
from .trace import Trace

FLEETS = (1, 2, 4, 8, 16, 32)
"""Numbers of replicas that are simulated."""
LOADS = (0.03, 0.08, 0.2, 0.35, 0.5, 0.62, 0.74, 0.86, 0.98, 1.1)
"""Rates that are simulated, as shares of what a replica carries in a steady state."""
WINDOWS_KEPT = 400
"""A curve of more windows is kept as so many quantiles of it."""

START_S = 300.0
"""From asking for a machine until a replica on it serves: it boots, and loads the weights. Judgement."""

_LANES = 10
_LEAD, _REQUESTS = 100, 350
_SHORTEST_S = 60.0
_POOLED = 500
_TESTED: FloatArray = np.geomspace(1e-6, 2, 201)


class Arrivals(msgspec.Struct, frozen=True, cache_hash=True):
    """How the calls of a task come.

    `rates_per_s`: calls a second in the windows in which any come, in ascending order, each window as likely as the
    next. `bursts`: how calls vary within ten minutes, beyond chance. `lengths`: prompt and output tokens of some calls,
    each as likely as the next. `followed`: mean replicas that run of fleets of `FLEETS` that follow the load; () where
    nothing says how the load moves. `where`: what it is from.
    """

    rates_per_s: tuple[float, ...]
    bursts: Bursts
    lengths: tuple[tuple[int, int], ...]
    followed: tuple[float, ...] = ()
    where: str = "the task's own arrivals"

    def running(self, replicas: FloatArray) -> FloatArray:
        """Mean replicas that run of so many, without spares, where the fleet follows the load."""
        if not self.followed:
            return replicas
        beyond = np.maximum(replicas / FLEETS[-1], 1.0)
        return np.interp(replicas, FLEETS, self.followed) * beyond

    def lengths_trace(self) -> Trace:
        """The lengths alone, as a trace that has no times."""
        prompt, output = (np.array(column, dtype=np.float64) for column in zip(*self.lengths, strict=True))
        return Trace("lengths", np.arange(len(prompt), dtype=np.float64), prompt, np.maximum(output, 1.0))


class Sizes(msgspec.Struct, frozen=True):
    """How many times the task's volume 1, 2, 3 … replicas carry (`carried`); more of them as much each as the last.

    `full_per_s`: what one replica carries in a steady state at these targets. `relaxed`: why other targets than those
    asked for were taken, "" where they were not: nothing meets them, even alone.
    """

    carried: tuple[float, ...]
    full_per_s: float
    targets: Targets
    relaxed: str = ""

    def replicas(self, volume: FloatArray) -> FloatArray:
        """The fewest that carry so many times the volume, without spares; at least one."""
        table = np.asarray(self.carried)
        many = np.ceil(np.round(volume / (table[-1] / len(table)), 9))
        few = np.searchsorted(table, np.round(volume, 12)) + 1.0
        return np.where(volume <= table[-1], np.minimum(few, len(table)), np.maximum(many, len(table)))


def arrivals_of(
    counts: Iterable[int],
    window_s: float,
    bursts: Bursts,
    lengths: tuple[tuple[int, int], ...],
    weight: float = 1.0,
    volume: float = 1.0,
) -> Arrivals:
    """Arrivals from calls counted per window, in order of time.

    Rates are means of three windows and what of their own is no chance, so that few recorded calls are no peak once
    each stands for many (`weight`). A sample of one in `weight` shows that much less of the bursts; more `volume` has
    more of them.
    """
    counted = np.asarray(list(counts), dtype=np.float64)
    means = smoothed(counted)
    means += bursts.windows * (counted - means)
    # A mean of three windows knows of the one after it.
    followed = _followed(means, math.ceil(START_S / window_s) + 1)
    rates = np.sort(means[means > 1e-9]) / window_s * weight * volume
    if len(rates) > WINDOWS_KEPT:
        rates = np.quantile(rates, (np.arange(WINDOWS_KEPT) + 0.5) / WINDOWS_KEPT)
    scaled = msgspec.structs.replace(bursts, minutes=bursts.minutes * weight, seconds=bursts.seconds * weight)
    return Arrivals(tuple(rates.tolist()), scaled, lengths, followed)


def _followed(load: FloatArray, lag: int) -> tuple[float, ...]:
    """Mean replicas that run of each of `FLEETS`; a larger fleet never has fewer of them."""
    if not len(load) or not load.max() > 0:
        return ()
    means = [float(follow(load, fleet, lag, Targets().windows)[0].mean()) for fleet in FLEETS]
    return tuple(np.maximum.accumulate(means).tolist())


def forget() -> None:
    """Simulate anew what is asked next, as a new process would."""
    sizes.cache_clear()
    computed.forget()


@lru_cache(maxsize=64)
def sizes(arrivals: Arrivals, replica: Replica, targets: Targets) -> Sizes:
    """What fleets of a replica carry of a task, at targets that a replica can meet."""
    lengths = arrivals.lengths_trace()
    met, relaxed = _attainable(lengths, replica, targets)
    full = sustained(lengths, replica, met)
    failing = _failing(arrivals.lengths, arrivals.bursts, replica, met)
    rates = np.asarray(arrivals.rates_per_s)
    if not len(rates):
        return Sizes((np.inf,), full, met, relaxed)
    each = [_most(rates, full, row, fleet, met) / fleet for fleet, row in zip(FLEETS, failing, strict=True)]
    each = np.maximum.accumulate(np.maximum(each, 1e-12))
    whole = np.arange(1, FLEETS[-1] + 1, dtype=np.float64)
    carried = whole * np.interp(np.log(whole), np.log(FLEETS), each)
    return Sizes(tuple(carried.tolist()), full, met, relaxed)


def _attainable(lengths: Trace, replica: Replica, targets: Targets) -> tuple[Targets, str]:
    """The targets, or twice what a replica takes alone where that is slower than they allow."""
    why: list[str] = []
    mean = float((lengths.prompt_tokens + lengths.output_tokens / 2).mean())
    alone = float(replica.step(np.array(1.0), np.array(mean)))
    ttft_s, tpot_s = targets.ttft_s, targets.tpot_s
    if not sustained(lengths, replica, targets):
        tpot_s = max(2 * alone, tpot_s)
        while not sustained(lengths, replica, msgspec.structs.replace(targets, tpot_s=tpot_s)):
            tpot_s *= 1.5  # long prompts draw a step out
        why.append(f"a token every {1000 * targets.tpot_s:g} ms is more than it gives; sized for {1000 * tpot_s:.0f}")
    prompt = float(np.quantile(lengths.prompt_tokens, targets.share))
    first = replica.first_token_s + prompt * replica.prompt_s_per_token
    if first > ttft_s:
        ttft_s = 2 * first
        why.append(f"a first token within {targets.ttft_s:g} s is more than it gives; sized for {ttft_s:.1f} s")
    return msgspec.structs.replace(targets, ttft_s=ttft_s, tpot_s=tpot_s), "; ".join(why)


def _failing(
    lengths: tuple[tuple[int, int], ...], bursts: Bursts, replica: Replica, targets: Targets
) -> tuple[FloatArray, ...]:
    """For each of `FLEETS`, the share of the windows that fail at each of `LOADS`; never falling with the load."""
    key = computed.digest(lengths, bursts, replica, targets)
    if key not in computed.known.failing:
        simulated = _simulated(lengths, bursts, replica, targets)
        computed.note_failing(key, tuple(tuple(row.tolist()) for row in simulated))
    return tuple(np.array(row) for row in computed.known.failing[key])


def _simulated(
    lengths: tuple[tuple[int, int], ...], bursts: Bursts, replica: Replica, targets: Targets
) -> tuple[FloatArray, ...]:
    table = np.array(lengths, dtype=np.float64)
    trace = Trace("lengths", np.arange(len(table), dtype=np.float64), table[:, 0], np.maximum(table[:, 1], 1.0))
    rates = sustained(trace, replica, targets) * np.asarray(LOADS)
    each = _LEAD + _REQUESTS
    shape = (len(FLEETS), len(rates), _LANES, each)
    arrival = np.concatenate([_times(float(rate), fleet, bursts).ravel() for fleet in FLEETS for rate in rates])
    rows = np.random.default_rng(9).integers(0, len(table), (len(FLEETS), 1, *shape[2:]))
    prompt, output = (np.broadcast_to(table[rows, column], shape).ravel() for column in (0, 1))
    output = np.maximum(output, 1.0)
    starts = np.arange(0, len(arrival), each)
    lanes = Lanes(replica, Trace("lanes", arrival, prompt, output), np.arange(len(arrival)), starts, starts + each)
    lanes.run()
    fine_first = targets.first_in_time(lanes.ttft_s).reshape(shape)[..., _LEAD:]
    fine_later = targets.later_in_time(lanes.tpot_s, output).reshape(shape)[..., _LEAD:]
    at = arrival.reshape(shape)[..., _LEAD:]
    window = ((at - at[..., :1]) // targets.window_s).astype(np.int64)
    return tuple(
        np.maximum.accumulate(
            [
                max(
                    _missed(window[i, j], fine_first[i, j], fine_later[i, j], targets),
                    _pooled(fine_first[i, j], fine_later[i, j], float(rate), targets),
                )
                for j, rate in enumerate(rates)
            ]
        )
        for i in range(shape[0])
    )


def _times(rate: float, fleet: int, bursts: Bursts) -> FloatArray:
    """When requests reach one of `fleet` replicas at a mean rate, lane by request: every `fleet`-th of what comes."""
    rng = np.random.default_rng([fleet, 9])
    inner = np.cumsum(rng.gamma(fleet, 1 / fleet, (_LANES, _LEAD + _REQUESTS)), axis=1)
    slots = PER_MINUTE * (2 + int(2 * inner.shape[1] / (rate * SLOT_S * PER_MINUTE)))
    factor = _gamma(rng, bursts.seconds / (fleet * rate * SLOT_S), (_LANES, slots))
    for variance in (bursts.swell, bursts.minutes / (fleet * rate * SLOT_S * PER_MINUTE)):
        factor *= np.repeat(_gamma(rng, variance, (_LANES, slots // PER_MINUTE)), PER_MINUTE, axis=1)
    expected = np.cumsum(factor, axis=1) * rate * SLOT_S
    found = np.empty_like(inner)
    for lane in range(_LANES):
        whole = expected[lane, -1] or 1.0
        rounds, rest = np.divmod(inner[lane], whole)  # a lane that drew too few starts over
        edges = np.concatenate(([0.0], expected[lane]))
        found[lane] = (np.interp(rest, edges, np.arange(slots + 1)) + rounds * slots) * SLOT_S
    return found


def _gamma(rng: np.random.Generator, variance: float, size: tuple[int, int]) -> FloatArray:
    """Factors of mean 1."""
    return np.ones(size) if variance < 1e-9 else rng.gamma(1 / variance, variance, size)


def _pooled(first: npt.NDArray[np.bool_], later: npt.NDArray[np.bool_], rate: float, targets: Targets) -> float:
    """Share of windows that fail where lanes are shorter: windows are put together from lanes drawn at random.

    A swell outlasts a lane, a burst does not; the worse of a lane alone and of several together is taken.
    """
    pieces = round(targets.window_s / max(_SHORTEST_S, _REQUESTS / rate))
    if pieces < 2:
        return 0.0
    drawn = np.random.default_rng(9).integers(0, len(first), (_POOLED, pieces))
    shares = [fine.mean(axis=1)[drawn].mean(axis=1) for fine in (first, later)]
    return float(np.mean(np.minimum(*shares) < targets.share - 1e-9))


def _missed(
    window: npt.NDArray[np.int64],
    first: npt.NDArray[np.bool_],
    later: npt.NDArray[np.bool_],
    targets: Targets,
) -> float:
    """Share of the windows, over all lanes, in which too few requests meet either target."""
    most = int(window.max()) + 1
    named = (window + most * np.arange(len(window))[:, None]).ravel()
    counts = np.bincount(named)
    needed = targets.share * counts - 1e-9
    fine = (np.bincount(named, first.ravel()) >= needed) & (np.bincount(named, later.ravel()) >= needed)
    return float(1 - fine[counts > 0].mean())


def _most(rates: FloatArray, full: float, failing: FloatArray, fleet: int, targets: Targets) -> float:
    """The largest multiple of the rates at which so many replicas hold the targets in enough of the windows."""

    def fails(volumes: FloatArray) -> FloatArray:
        load = volumes[:, None] * rates / (fleet * full)
        share = np.interp(load, (0.0, *LOADS), (0.0, *failing), right=1.0)
        weight = -np.expm1(-volumes[:, None] * rates * targets.window_s)  # windows in which any call comes
        return np.sum(share * weight, axis=1) / np.sum(weight, axis=1)

    # Around the volume at which the mean rate would be all that the fleet carries.
    volumes = _TESTED * fleet * full / float(rates.mean())
    for _ in range(2):
        over = np.flatnonzero(fails(volumes) > 1 - targets.windows)
        if not len(over) or not over[0]:
            return float(volumes[-1] if not len(over) else volumes[0])
        volumes = np.linspace(volumes[over[0] - 1], volumes[over[0]], 33)
    return float(volumes[0])
