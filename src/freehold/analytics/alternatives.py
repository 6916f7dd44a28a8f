"""What a workflow would take if some of its steps were answered otherwise: simulated, run by run.

The runs are replayed as `courses` has it: waits between calls and what ran at once stay as they were. What an owned
model keeps is drawn call by call, by its share; that it may be unsure of all calls of a hard run together is not in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from freehold.vocabulary import ZERO, Interval

from .courses import replayed_us
from .runs import Run, Step
from .workflows import Times, times


class Answered(NamedTuple):
    """How a task's calls would be answered: a model of one's own keeps a share, and the rest is rented after it.

    `took_ms` is what it takes to answer. `audited` of what it keeps goes to the rented model all the same, and is paid
    for. `templates`: the prompt versions that it answers, all where that is None.
    """

    keeps: float
    took_ms: float
    audited: float = 0.0
    templates: frozenset[str] | None = None


AT_ONCE = Answered(1.0, 0.0)
"""Every call answered in no time and for nothing: more than anything can bring."""


class Supposed(msgspec.Struct, frozen=True):
    """Simulated: what the runs would take, and one would cost, if the calls of `tasks` were answered otherwise.

    `how`: `at_once` (all of them in no time: a bound on what any change of that step can bring) or `owned` (by the
    owned models, which keep what they are sure of). `keeps` is the share of those calls that would be kept. `wall` is
    at that share; `at_least_kept` and `at_most_kept` are at the ends of the shares' intervals.
    """

    tasks: tuple[str, ...]
    how: str
    keeps: float
    wall: Times | None
    at_least_kept: Times | None
    at_most_kept: Times | None
    usd_per_run: Decimal | None


def suppose(runs: Sequence[Run], answered: Mapping[str, Answered]) -> tuple[Times | None, float, Decimal | None]:
    """The runs with some tasks answered otherwise: their times, the share of those tasks' calls kept, the mean cost."""
    took: list[float] = []
    costs: list[Decimal] = []
    asked = kept = 0
    for run in runs:
        keep = {step.call: drawn(step, answered[step.task]) for step in run.steps if step.task in answered}
        asked, kept = asked + len(keep), kept + sum(keep.values())
        if run.timed and not keep:
            took.append(run.ended_us - run.started_us)
        elif run.timed:
            took.append(replayed_us(run.steps, lambda step, keep=keep: _takes_us(step, answered, keep)))
        if all(step.usd is not None for step in run.steps):
            costs.append(sum((_costs(step, answered, keep) for step in run.steps), ZERO))
    mean = sum(costs, ZERO) / len(costs) if costs else None
    return times(took), kept / asked if asked else 0.0, mean


def supposed(
    runs: Sequence[Run], answered: Mapping[str, tuple[Answered, Interval]], tasks: Mapping[str, str], how: str
) -> Supposed:
    """The same at a share of kept calls and at both ends of its interval.

    Args:
        runs: those of one kind.
        answered: by task, how its calls would be answered, and the interval of what is kept.
        tasks: the names of the tasks by id.
        how: `at_once` or `owned`.
    """
    wall, keeps, usd = suppose(runs, {task: one for task, (one, _) in answered.items()})
    called = tuple(tasks.get(task, task) for task in answered)
    if all(interval.low == interval.high for _, interval in answered.values()):
        return Supposed(called, how, keeps, wall, wall, wall, usd)
    fewest = {task: one._replace(keeps=interval.low) for task, (one, interval) in answered.items()}
    most = {task: one._replace(keeps=interval.high) for task, (one, interval) in answered.items()}
    return Supposed(called, how, keeps, wall, suppose(runs, fewest)[0], suppose(runs, most)[0], usd)


def drawn(step: Step, answered: Answered) -> bool:
    """Whether a call is kept: by a number that its id alone decides, so that a larger share keeps what a smaller does.

    A call that an owned model was asked already stays as it is.
    """
    if step.asked_owned or (answered.templates is not None and step.template not in answered.templates):
        return False
    number = int.from_bytes(hashlib.blake2b(step.call.encode(), digest_size=8).digest()) / 2**64
    return number < answered.keeps


def _takes_us(step: Step, answered: Mapping[str, Answered], keep: Mapping[str, bool]) -> float:
    was = step.ended_us - step.started_us
    other = answered.get(step.task)
    if other is None or step.asked_owned:
        return was
    if other.templates is not None and step.template not in other.templates:
        return was  # the owned model is not even asked
    return other.took_ms * 1000 + (0 if keep[step.call] else was)


def _costs(step: Step, answered: Mapping[str, Answered], keep: Mapping[str, bool]) -> Decimal:
    usd = step.usd or ZERO
    if not keep.get(step.call):
        return usd
    return usd * Decimal(repr(answered[step.task].audited))
