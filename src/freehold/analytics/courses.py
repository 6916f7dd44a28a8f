"""How one run's time came about: what ran beside what, what decided its end, and how it would go with other calls.

What a call waits for is not recorded. It is taken to wait for every call that had ended before it began, and to begin
as long after the last of these as it did; a call before which nothing had ended begins as long after the run's
beginning as it did. So the product's own work between calls stays what it was, and calls that ran at once stay side by
side. A log whose times are whole seconds makes calls overlap that did not.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .runs import Step


class Critical(NamedTuple):
    """The chain of calls that decided when the run ended, in microseconds by task; `waits_us` passed between them.

    Together they are the whole of the run's time.
    """

    by_task: Counter[str]
    waits_us: int


class _Waits(NamedTuple):
    """What one call waited for: the last call that had ended before it began (None: none), and how long ago."""

    after: int | None
    gap_us: int


def busy_us(steps: Sequence[Step]) -> dict[str, float]:
    """Microseconds in which some call of the run was under way, by task; calls at once share the time equally."""
    edges = [(step.started_us, 1, step.task) for step in steps] + [(step.ended_us, -1, step.task) for step in steps]
    shares = dict.fromkeys((step.task for step in steps), 0.0)
    running: Counter[str] = Counter()
    before_us = 0
    for at_us, change, task in sorted(edges):
        under_way = running.total()
        for one, count in running.items() if under_way else ():
            shares[one] += (at_us - before_us) * count / under_way
        running[task] += change
        before_us = at_us
    return shares


def critical(steps: Sequence[Step]) -> Critical:
    """What decided when the run ended: its last answer, what that call had waited for, and so on back."""
    waits = _waits(steps)
    at: int | None = max(range(len(steps)), key=lambda index: (steps[index].ended_us, -index))
    by_task: Counter[str] = Counter()
    waits_us = 0
    while at is not None:
        by_task[steps[at].task] += steps[at].ended_us - steps[at].started_us
        waits_us += waits[at].gap_us
        at = waits[at].after
    return Critical(by_task, waits_us)


def replayed_us(steps: Sequence[Step], takes_us: Callable[[Step], float]) -> float:
    """How long the run would take if its calls took that long, and all else were as it was."""
    started = steps[0].started_us
    running: list[tuple[int, int]] = []  # calls by when they ended, and their place
    ended: list[float] = []
    freed, last_end, whole = 0.0, started, 0.0
    for place, step in enumerate(steps):
        while running and running[0][0] <= step.started_us:
            last_end, before = heapq.heappop(running)
            freed = max(freed, ended[before])
        began = freed + (step.started_us - last_end)
        ended.append(began + takes_us(step))
        whole = max(whole, ended[-1])
        heapq.heappush(running, (step.ended_us, place))
    return whole


def _waits(steps: Sequence[Step]) -> list[_Waits]:
    found: list[_Waits] = []
    running: list[tuple[int, int]] = []
    after, last_end = None, steps[0].started_us
    for place, step in enumerate(steps):
        while running and running[0][0] <= step.started_us:
            last_end, after = heapq.heappop(running)
        found.append(_Waits(after, step.started_us - last_end))
        heapq.heappush(running, (step.ended_us, place))
    return found
