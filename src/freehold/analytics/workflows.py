"""What recurring chains of calls take: wall time with its tail, the models' part of it, which task decides, and money.

Runs and their kinds are told in `runs`, the course of a single run in `courses`. Every figure says how many runs it
rests on; intervals take runs to be independent.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec
import numpy as np
from numpy.typing import NDArray

from freehold.evidence.intervals import quantile_ranks, two_sided
from freehold.vocabulary import ZERO, Interval

from .courses import busy_us, critical
from .latency import LEVEL, QUANTILES, Quantile
from .runs import How, Kind, Run, Step, path

MOST_PATHS = 8
"""So many of a workflow's paths are told, the most frequent ones."""


class Times(msgspec.Struct, frozen=True):
    """How long something took in each of `n` runs, in milliseconds: mean, P50, P90 and P99.

    Intervals are 95 %, between two order statistics, and hold for any distribution; None: too few runs.
    """

    n: int
    mean_ms: float
    quantiles: tuple[Quantile, ...]


class Path(msgspec.Struct, frozen=True):
    """Tasks in the order in which they came (one repeated at once counts once), and how many runs took it."""

    tasks: tuple[str, ...]
    runs: int


class Link(msgspec.Struct, frozen=True):
    """One task's part in a workflow.

    `runs` hold it, with `calls` calls in all; `latency_ms` is the median of these. `time_share` is of the time in which
    any call ran, calls side by side sharing it; `critical_share` of the whole time, waits between calls included, that
    its calls decided; in `decides` of the timed runs, more of the critical path is its own than any other task's.
    `cost_share` is of the priced cost. `failed` counts its calls that failed; `failed_interval` is of their share.
    Shares of time rest on the runs whose times are known; None where there is none.
    """

    task: str
    runs: int
    calls: int
    calls_per_run: float
    latency_ms: float | None
    time_share: float | None
    critical_share: float | None
    decides: int
    cost_share: float | None
    failed: int
    failed_interval: Interval


class Workflow(msgspec.Struct, frozen=True):
    """Runs of one kind.

    `wall` goes from the first request to the last answer. `model` is the part of it in which any model was asked (the
    union of the calls' times, not their sum), `between` the rest: the product's own work, its tools, and people who
    take their time. `side_by_side` is the share of the calls' own time that ran beside another call.
    `critical_between` is the share of the whole time in which what decided the end waited for no call of its own. They
    rest on the runs of whose calls the times are known; `untimed` runs are the others. `usd_per_run` is the mean over
    the runs whose calls all have a price, `unpriced_runs` the others. `failed_runs` hold a call that failed.
    `most_calls` is the longest run. `paths`: the most frequent orders of tasks, of `of_paths` that there were.
    """

    id: str
    name: str
    how: How
    feature: str
    entry: str
    runs: int
    calls: int
    calls_per_run: float
    most_calls: int
    untimed: int
    wall: Times | None
    model: Times | None
    between: Times | None
    side_by_side: float | None
    critical_between: float | None
    usd: Decimal
    usd_per_run: Decimal | None
    unpriced_runs: int
    failed_runs: int
    failed_interval: Interval
    links: tuple[Link, ...]
    paths: tuple[Path, ...]
    of_paths: int


def identity(kind: Kind) -> str:
    """A kind's id: the same as long as its entry task and its feature are."""
    told = "\n".join((kind.how, kind.feature, kind.entry))
    return f"flow-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def names(kinds: Mapping[Kind, int], tasks: Mapping[str, str]) -> dict[Kind, str]:
    """What each kind is called: by its feature, else by its entry task; by more where that is not enough.

    Where several would be called alike, one with twice the runs of every other is; the others are called by more. So a
    few odd runs rename nothing.

    Args:
        kinds: all there are, with how many runs each has.
        tasks: the names of the tasks by id; what is not in it is called as it is.
    """
    found: dict[Kind, str] = {}
    for detail in range(3):
        alike: dict[str, list[Kind]] = defaultdict(list)
        for kind in kinds:
            if kind not in found:
                alike[_spelled(kind, tasks, detail)].append(kind)
        for name, group in alike.items():
            first, *others = sorted(group, key=lambda kind: -kinds[kind])
            if name not in found.values() and all(kinds[first] >= 2 * kinds[other] for other in others):
                found[first] = name
    return {kind: found.get(kind, identity(kind)) for kind in kinds}


def _spelled(kind: Kind, tasks: Mapping[str, str], detail: int) -> str:
    entry = tasks.get(kind.entry, kind.entry) or "unrecognised"
    parts = [kind.feature or entry, *([entry] if kind.feature and detail else []), *([kind.how] if detail > 1 else [])]
    return ".".join("_".join(part.split()) for part in parts)


def measured(kind: Kind, name: str, runs: Sequence[Run], tasks: Mapping[str, str]) -> Workflow:
    """What the runs of one kind took.

    Args:
        kind: what they have in common.
        name: what the workflow is called.
        runs: at least one.
        tasks: the names of the tasks by id; what is not in it is called as it is.
    """
    timed = [run for run in runs if run.timed]
    walls = [run.ended_us - run.started_us for run in timed]
    busy = [busy_us(run.steps) for run in timed]
    decided = [critical(run.steps) for run in timed]
    models = [sum(one.values()) for one in busy]
    own = sum(step.ended_us - step.started_us for run in timed for step in run.steps)
    priced = [run for run in runs if all(step.usd is not None for step in run.steps)]
    failed = sum(any(not step.ok for step in run.steps) for run in runs)
    calls = sum(len(run.steps) for run in runs)
    paths = Counter(path(run.steps) for run in runs)
    return Workflow(
        id=identity(kind),
        name=name,
        how=kind.how,
        feature=kind.feature,
        entry=tasks.get(kind.entry, kind.entry),
        runs=len(runs),
        calls=calls,
        calls_per_run=calls / len(runs),
        most_calls=max(len(run.steps) for run in runs),
        untimed=len(runs) - len(timed),
        wall=times(walls),
        model=times(models),
        between=times([wall - model for wall, model in zip(walls, models, strict=True)]),
        side_by_side=1 - sum(models) / own if own else None,
        critical_between=_share(sum(one.waits_us for one in decided), sum(walls)),
        usd=_usd(runs),
        usd_per_run=_usd(priced) / len(priced) if priced else None,
        unpriced_runs=len(runs) - len(priced),
        failed_runs=failed,
        failed_interval=two_sided(failed, len(runs)),
        links=tuple(_links(runs, timed, busy, [one.by_task for one in decided], tasks)),
        paths=tuple(
            Path(tuple(tasks.get(task, task) for task in taken), n) for taken, n in paths.most_common(MOST_PATHS)
        ),
        of_paths=len(paths),
    )


def times(took_us: Sequence[float]) -> Times | None:
    """How long something took, of microseconds; None where there is nothing."""
    if not took_us:
        return None
    ordered = np.sort(np.asarray(took_us, dtype=np.float64)) / 1000
    return Times(len(ordered), float(ordered.mean()), tuple(_quantile(ordered, q) for q in QUANTILES))


def _quantile(ordered: NDArray[np.float64], q: float) -> Quantile:
    ranks, interval = quantile_ranks(len(ordered), q, LEVEL), None
    if ranks is not None:
        interval = Interval(float(ordered[ranks[0]]), float(ordered[ranks[1]]), LEVEL)
    return Quantile(q, float(np.quantile(ordered, q)), interval)


def _links(
    runs: Sequence[Run],
    timed: Sequence[Run],
    busy: Sequence[Mapping[str, float]],
    decided: Sequence[Mapping[str, int]],
    tasks: Mapping[str, str],
) -> list[Link]:
    by_task: dict[str, list[Step]] = defaultdict(list)
    holding = Counter(task for run in runs for task in {step.task for step in run.steps})
    for run in runs:
        for step in run.steps:
            by_task[step.task].append(step)
    whole_busy = sum(sum(one.values()) for one in busy)
    whole_time = sum(run.ended_us - run.started_us for run in timed)
    whole_usd = _usd(runs)
    winners = Counter(max(one, key=lambda task: (one[task], task)) for one in decided)
    found: list[Link] = []
    for task, steps in by_task.items():
        failed = sum(not step.ok for step in steps)
        took = [step.ended_us - step.started_us for step in steps if step.timed]
        cost = sum((step.usd or ZERO for step in steps), ZERO)
        found.append(
            Link(
                task=tasks.get(task, task),
                runs=holding[task],
                calls=len(steps),
                calls_per_run=len(steps) / len(runs),
                latency_ms=float(np.median(took)) / 1000 if took else None,
                time_share=_share(sum(one.get(task, 0.0) for one in busy), whole_busy),
                critical_share=_share(sum(one.get(task, 0) for one in decided), whole_time),
                decides=winners[task],
                cost_share=float(cost / whole_usd) if whole_usd else None,
                failed=failed,
                failed_interval=two_sided(failed, len(steps)),
            )
        )
    return sorted(found, key=lambda link: (-(link.critical_share or 0.0), -link.calls, link.task))


def _usd(runs: Sequence[Run]) -> Decimal:
    return sum((step.usd or ZERO for run in runs for step in run.steps), ZERO)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
