"""From a trace and a replica to a fleet: how many hold the targets, spares, rollouts, autoscaling, and what is used.

Replicas are tried until the targets hold in 99 % of the windows; then the spares are added. Utilisation is the mean
load over what the whole fleet, spares included, could carry at the same targets: it comes out, nobody types it in.
Not modelled: balancing by load (requests go to replicas in turn), failures, shared prefixes, chunks of prompts.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from freehold.economics.arrays import FloatArray
from freehold.economics.workload import MONTH_HOURS
from freehold.errors import UsageError

from ._lanes import Simulated, simulate
from .replica import Replica
from .trace import Trace

LEAD_S, TAIL_S = 150.0, 30.0
_PACED_TOKENS = 16.0
_MOST_REPLICAS = 4096


class Targets(msgspec.Struct, frozen=True):
    """What must hold: in a window, for `share` of its requests; in the whole, for `windows` of the windows.

    An answer of fewer than sixteen tokens has the time of sixteen for its later ones: between so few, a single prompt
    of somebody else's is most of the time, and no reader waits for a pace.
    """

    ttft_s: float = 2.0
    tpot_s: float = 0.05
    share: float = 0.95
    windows: float = 0.99
    window_s: float = 300.0

    def first_in_time(self, ttft_s: FloatArray) -> npt.NDArray[np.bool_]:
        """Whose first token came in time."""
        return ttft_s <= self.ttft_s

    def later_in_time(self, tpot_s: FloatArray, output_tokens: FloatArray) -> npt.NDArray[np.bool_]:
        """Whose later tokens came in time."""
        return tpot_s <= self.tpot_s * paced(output_tokens)


def paced(output_tokens: FloatArray) -> FloatArray:
    """How many times the target per token an answer of so many may take: 1 from sixteen tokens on."""
    return np.maximum(1.0, (_PACED_TOKENS - 1) / np.maximum(output_tokens - 1, 1.0))


class Policy(msgspec.Struct, frozen=True):
    """How the fleet is run.

    `spare`: replicas beyond those that hold the targets (1: N+1). `surge`: replicas beyond those during a rollout, for
    `rollouts` of `rollout_hours` a month. `start_s`: from the decision to start a replica until it serves; None: the
    fleet is fixed.
    """

    spare: int = 1
    surge: int = 1
    rollouts: float = 4.0
    rollout_hours: float = 0.5
    start_s: float | None = None


class Tried(msgspec.Struct, frozen=True):
    """How one number of replicas did."""

    replicas: int
    windows_held: float


class Autoscaled(msgspec.Struct, frozen=True):
    """A fleet that follows the load with a delay. `mean_replicas` and `most_replicas` have the spares in them.

    `headroom`: replicas started over those that the load of one delay ago asked for.
    """

    start_s: float
    headroom: float
    mean_replicas: float
    most_replicas: int


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """How many replicas hold the targets, and how well.

    `replicas` carry the load, `spare` stand beside them. `span` are the replicas at either end of the throughput's
    interval, faster and slower. `utilisation` is of all of them, spares included.
    """

    replicas: int
    spare: int
    span: tuple[int, int]
    utilisation: float
    windows: int
    windows_held: float
    ttft_s: dict[str, float]
    tpot_s: dict[str, float]
    peak_ratio: float
    autoscaled: Autoscaled | None
    tried: tuple[Tried, ...]
    notes: tuple[str, ...]


class Fleet(Held, frozen=True, kw_only=True):
    """What holds the targets, of which replica. `replica_hours` are a month's, rollouts included."""

    replica: Replica
    mean_per_s: float
    replica_hours: float

    @property
    def gpus(self) -> int:
        """GPUs of the fleet, spares included."""
        return (self.replicas + self.spare) * self.replica.gpus


class _Search:
    """The fewest replicas that hold, with every trial kept. Taken to be monotone: one more never holds less."""

    def __init__(self, trace: Trace, replica: Replica, targets: Targets) -> None:
        self._trace, self._replica, self._targets = trace, replica, targets
        self._window = (trace.arrival_s // targets.window_s).astype(np.int64)
        self.counts = np.bincount(self._window)
        self.tried: dict[int, float] = {}
        self.best: tuple[int, Simulated] | None = None

    def held(self, replicas: int) -> float:
        """Share of the windows in which the targets hold."""
        if replicas not in self.tried:
            args = (self._trace, self._replica, replicas, self._targets.window_s, LEAD_S, TAIL_S)
            found = simulate(*args)
            fine = self._fine(found)
            self.tried[replicas] = float(fine[self.counts > 0].mean())
            if self.tried[replicas] >= self._targets.windows and (self.best is None or replicas < self.best[0]):
                self.best = (replicas, found)
        return self.tried[replicas]

    def fewest(self) -> int:
        """The fewest replicas that hold the targets in enough windows."""
        holds = self._targets.windows
        carried = self._carried()
        most = max(1, math.ceil(float(self.counts.max()) / self._targets.window_s / carried))
        low = 0
        while self.held(most) < holds:
            low, most = most, max(most + 1, math.ceil(1.15 * most))
            if most > _MOST_REPLICAS:
                raise UsageError(
                    f"no number of replicas up to {_MOST_REPLICAS} of {self._replica.name} holds these targets",
                    hint="a longer time to the first token, or a faster GPU",
                )
        while most - low > 1:
            between = most - 1 if most - low < 4 else (low + most) // 2
            low, most = (low, between) if self.held(between) >= holds else (between, most)
        return most

    def _carried(self) -> float:
        found = sustained(self._trace, self._replica, self._targets)
        if not found:
            raise UsageError(
                f"{self._replica.name} gives no token in {1000 * self._targets.tpot_s:g} ms, even alone",
                hint="a longer time per token, or a faster GPU",
            )
        prompt = float(np.quantile(self._trace.prompt_tokens, self._targets.share))
        first = self._replica.first_token_s + prompt * self._replica.prompt_s_per_token
        if first > self._targets.ttft_s:
            raise UsageError(
                f"{self._replica.name} takes {first:.2g} s to the first token of long prompts, even alone",
                hint="a longer time to the first token, or a faster GPU",
            )
        return found

    def _fine(self, found: Simulated) -> npt.NDArray[np.bool_]:
        """Windows in which enough requests meet both targets; what a backlog carries over is a miss of the next."""
        first = self._targets.first_in_time(found.ttft_s)
        later = self._targets.later_in_time(found.tpot_s, self._trace.output_tokens)
        meets_first, meets_later = np.bincount(self._window, first), np.bincount(self._window, later)
        needed = self._targets.share * self.counts - 1e-9
        fine = (meets_first >= needed) & (meets_later >= needed)
        late = np.zeros(len(fine))
        np.maximum.at(late, self._window, found.ttft_s)
        fine[1:] &= late[:-1] <= LEAD_S
        return fine


def sustained(trace: Trace, replica: Replica, targets: Targets) -> float:
    """Requests a second of the trace's mean size that one replica carries at the target per token."""
    prompt, output = float(trace.prompt_tokens.mean()), float(trace.output_tokens.mean())
    return replica.sustained(prompt, output, targets.tpot_s * float(paced(np.array(output))))


def size_fleet(
    trace: Trace, replica: Replica, targets: Targets | None = None, policy: Policy | None = None, *, span: bool = True
) -> Fleet:
    """The fleet that a trace takes.

    Args:
        trace: the arrivals.
        replica: what a replica can do.
        targets: what must hold.
        policy: spares, rollouts, autoscaling.
        span: size it twice more, at either end of the throughput's interval.

    Raises:
        UsageError: one answer alone is slower than the targets, so that no number of replicas helps; or all arrivals
            come at one moment, so that nothing says how many come in a month.
    """
    if not trace.span_s:
        raise UsageError(f"{trace.name} holds one moment alone, which says nothing of a rate", hint="calls of a day")
    targets, policy = targets or Targets(), policy or Policy()
    search = _Search(trace, replica, targets)
    replicas = search.fewest()
    assert search.best is not None
    met = search.best[1]
    slower = faster = replicas
    if span and replica.interval != (1.0, 1.0):
        slower, faster = (_Search(trace, replica.faster(factor), targets).fewest() for factor in replica.interval)
    whole = replicas + policy.spare
    scaled = None if policy.start_s is None else _autoscaled(search.counts, replicas, targets, policy)
    always = scaled.mean_replicas if scaled else float(whole)
    return Fleet(
        replica=replica,
        replicas=replicas,
        spare=policy.spare,
        span=(min(faster, replicas), max(slower, replicas)),
        utilisation=trace.mean_per_s / (sustained(trace, replica, targets) * whole),
        windows=int((search.counts > 0).sum()),
        windows_held=search.tried[replicas],
        ttft_s=_quantiles(met.ttft_s),
        tpot_s=_quantiles(met.tpot_s[trace.output_tokens > 1]),
        peak_ratio=trace.peak_ratio(targets.window_s),
        mean_per_s=trace.mean_per_s,
        replica_hours=always * MONTH_HOURS + policy.surge * policy.rollouts * policy.rollout_hours,
        autoscaled=scaled,
        tried=tuple(Tried(n, held) for n, held in sorted(search.tried.items())),
        notes=(*trace.notes(), *replica.refused),
    )


def _quantiles(seconds: FloatArray) -> dict[str, float]:
    if not len(seconds):
        return {}
    return {f"p{q}": float(np.percentile(seconds, q)) for q in (50, 95, 99)}


def _autoscaled(counts: npt.NDArray[np.int64], replicas: int, targets: Targets, policy: Policy) -> Autoscaled:
    assert policy.start_s is not None
    lag = max(1, math.ceil(policy.start_s / targets.window_s))
    have, headroom = follow(counts.astype(np.float64), replicas, lag, targets.windows)
    mean, most = float(have.mean()) + policy.spare, int(have.max()) + policy.spare
    return Autoscaled(policy.start_s, round(headroom, 2), mean, most)


def follow(load: FloatArray, replicas: int, lag: int, windows: float) -> tuple[FloatArray, float]:
    """Replicas in each window, in proportion to the load of a start-up ago, and the headroom that this took.

    A window needs its share of the replicas that its busiest needs. What is started on the load of `lag` windows ago
    must cover what the load has become, in a share of `windows` of them; it is never scaled down within that time
    again. The headroom is the least that holds.
    """
    needs = np.maximum(1, np.ceil(np.round(load / load.max() * replicas, 9)))
    padded = np.concatenate((np.full(2 * lag, needs[0]), needs))
    seen = np.max([padded[lag - back : len(padded) - lag - back] for back in range(lag)], axis=0)
    have, headroom = needs, 1.0
    for headroom in (*np.arange(1.0, 20.0, 0.05), float(replicas)):  # with the last one, all of them always run
        have = np.minimum(np.ceil(np.round(seen * headroom, 9)), replicas)
        if float((have >= needs).mean()) >= windows:
            break
    return have, float(headroom)
