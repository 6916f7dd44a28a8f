"""Calls that belong together: by trace, by session, or by one continuing the other; and what the whole chain takes.

A run is all calls of one trace; of one session, parted where nothing happened for `APART_S`; or of one conversation
(`conversations`), where its client states neither. Runs with the same tasks in the same order (a task repeated at once
counts once) are one workflow.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from freehold.evidence.intervals import two_sided
from freehold.vocabulary import ZERO

APART_S = 1800
"""A session that paused for longer goes on as another run."""

How = Literal["trace", "session", "conversation"]
Interval = tuple[float, float]
"""Lower and upper end, 95 %, exact (Clopper and Pearson, 1934)."""


class Step(NamedTuple):
    """One call of a run. `usd` None: its price is unknown. Times in microseconds since the epoch."""

    run: str
    how: How
    task: str
    started_us: int
    ended_us: int
    usd: Decimal | None
    ok: bool


class Link(msgspec.Struct, frozen=True):
    """One task's part in a workflow.

    `time_share` is of the time in which any call ran, calls side by side sharing it; `cost_share` of the priced cost.
    `failed` counts its calls that failed; `failed_interval` is exact, 95 %, over `calls`.
    """

    task: str
    calls: int
    calls_per_run: float
    latency_ms: float
    time_share: float
    cost_share: float | None
    failed: int
    failed_interval: Interval


class Workflow(msgspec.Struct, frozen=True):
    """Runs of the same tasks in the same order.

    Durations, in milliseconds, go from the first call's beginning to the last one's end: the median and the 95th
    percentile over `runs`. `model_share` is the part of that time in which a model was asked; the rest is the product's
    own. `usd_per_run` is the mean over the runs whose calls all have a price, `unpriced_runs` the others. `failed_runs`
    holds a call that failed; its interval is exact, 95 %.
    """

    tasks: tuple[str, ...]
    how: How
    runs: int
    calls_per_run: float
    duration_ms: float
    duration_p95_ms: float
    model_share: float
    usd: Decimal
    usd_per_run: Decimal | None
    unpriced_runs: int
    failed_runs: int
    failed_interval: Interval
    links: tuple[Link, ...]


class _Run:
    __slots__ = ("ended_us", "steps")

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.ended_us = 0


class WorkflowMeter:
    """Takes steps in order of time and keeps those of the runs: some hundred bytes a call."""

    def __init__(self) -> None:
        self._open: dict[tuple[How, str], _Run] = {}
        self._runs: list[tuple[How, _Run]] = []

    def add(self, step: Step) -> None:
        """Take one step."""
        key = step.how, step.run
        run = self._open.get(key)
        if run is None or (step.how == "session" and step.started_us - run.ended_us > APART_S * 1_000_000):
            run = self._open[key] = _Run()
            self._runs.append((step.how, run))
        run.steps.append(step)
        run.ended_us = max(run.ended_us, step.ended_us)

    def workflows(self, *, least_calls: int = 2) -> list[Workflow]:
        """The workflows found, those that take most calls first, of runs of at least `least_calls` calls."""
        kinds: dict[tuple[tuple[str, ...], How], list[list[Step]]] = defaultdict(list)
        for how, run in self._runs:
            if len(run.steps) >= least_calls:
                steps = sorted(run.steps, key=lambda step: step.started_us)
                kinds[_signature(steps), how].append(steps)
        found = [_workflow(tasks, how, runs) for (tasks, how), runs in kinds.items()]
        return sorted(found, key=lambda one: (-one.runs * one.calls_per_run, one.tasks))

    def single(self) -> int:
        """Runs of one call: chains that are none."""
        return sum(len(run.steps) == 1 for _, run in self._runs)


def _signature(steps: Sequence[Step]) -> tuple[str, ...]:
    tasks: list[str] = []
    for step in steps:
        if not tasks or tasks[-1] != step.task:
            tasks.append(step.task)
    return tuple(tasks)


def _workflow(tasks: tuple[str, ...], how: How, runs: list[list[Step]]) -> Workflow:
    durations = [max(s.ended_us for s in steps) - steps[0].started_us for steps in runs]
    shares: dict[str, float] = defaultdict(float)
    for steps in runs:
        for task, busy_us in _busy(steps).items():
            shares[task] += busy_us
    busy = sum(shares.values())
    priced = [steps for steps in runs if all(step.usd is not None for step in steps)]
    usd = sum((step.usd or ZERO for steps in runs for step in steps), ZERO)
    whole = sum((step.usd or ZERO for steps in priced for step in steps), ZERO)
    failed = sum(any(not step.ok for step in steps) for steps in runs)
    return Workflow(
        tasks=tasks,
        how=how,
        runs=len(runs),
        calls_per_run=sum(map(len, runs)) / len(runs),
        duration_ms=float(np.percentile(durations, 50)) / 1000,
        duration_p95_ms=float(np.percentile(durations, 95)) / 1000,
        model_share=busy / max(1, sum(durations)),
        usd=usd,
        usd_per_run=whole / len(priced) if priced else None,
        unpriced_runs=len(runs) - len(priced),
        failed_runs=failed,
        failed_interval=_interval(failed, len(runs)),
        links=tuple(_links(runs, shares, usd)),
    )


def _links(runs: list[list[Step]], busy: dict[str, float], usd: Decimal) -> list[Link]:
    by_task: dict[str, list[Step]] = defaultdict(list)
    for steps in runs:
        for step in steps:
            by_task[step.task].append(step)
    whole = sum(busy.values()) or 1.0
    found: list[Link] = []
    for task, steps in by_task.items():
        cost = sum((step.usd or ZERO for step in steps), ZERO)
        failed = sum(not step.ok for step in steps)
        found.append(
            Link(
                task,
                len(steps),
                len(steps) / len(runs),
                float(np.median([step.ended_us - step.started_us for step in steps])) / 1000,
                busy[task] / whole,
                float(cost / usd) if usd else None,
                failed,
                _interval(failed, len(steps)),
            )
        )
    return sorted(found, key=lambda link: -link.time_share)


def _busy(steps: Sequence[Step]) -> dict[str, float]:
    """Microseconds in which some call of the run was under way, by task; calls at once share the time equally."""
    edges = [(step.started_us, 1, step.task) for step in steps] + [(step.ended_us, -1, step.task) for step in steps]
    shares: dict[str, float] = defaultdict(float)
    running: Counter[str] = Counter()
    before_us = 0
    for at_us, change, task in sorted(edges):
        under_way = running.total()
        for one, count in running.items() if under_way else ():
            shares[one] += (at_us - before_us) * count / under_way
        running[task] += change
        before_us = at_us
    return shares


def _interval(failed: int, calls: int) -> Interval:
    found = two_sided(failed, calls)
    return found.low, found.high
