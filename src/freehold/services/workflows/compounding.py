"""The errors of a workflow's steps, and what they come to for a whole run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations_with_replacement
from typing import NamedTuple

import msgspec

from freehold.analytics.runs import Run, Step
from freehold.evidence.compounding import Together, if_independent, together, union_bound
from freehold.evidence.intervals import two_sided, upper
from freehold.services.windows import moment
from freehold.vocabulary import Against, Certificate, Interval

from ._judging import Count, Judge

DELTA = 0.05
"""How often the bounds of a workflow's steps that are measured here may fail together."""

LEAST_HERE = 30
"""A workflow's own judged answers count where there are as many; else all of the task's do."""

_Verdict = Callable[[Step], bool | None]


class StepErrors(msgspec.Struct, frozen=True):
    """How often one step's answers are wrong, and how that is known.

    `answers_per_run` is how many such answers a run holds. `errors` of `n` were wrong, judged by `source`: `audits` (of
    owned answers, and of those given in the shadow), `certificate` (the calls that it was measured on) or `gold`
    (people); "" where nobody judged any, and then `why` says why. `where`: whether the answers are this workflow's own,
    or all of the task's. `until` is when the last of them was given, ISO 8601. `rate_upper` bounds the rate: by
    Clopper and Pearson at this step's part of the error, or by what its certificate promises.
    """

    task: str
    answers_per_run: float
    source: str
    n: int = 0
    errors: int = 0
    rate: float | None = None
    interval: Interval | None = None
    rate_upper: float = 1.0
    where: str = ""
    until: str = ""
    why: str = ""


class Compounded(msgspec.Struct, frozen=True):
    """What the steps' errors come to for a run. `against`: `teacher` (worse than rented) or `gold` (wrong).

    `at_most` is the union bound at the observed rates, and `at_most_upper` at their upper bounds, which all hold
    together with `confidence`; neither takes anything for granted but that the answers judged are like the others.
    `independent` is what it would be if every answer erred by itself: an assumption. All three are None where some step
    is `unknown`; `known_at_most` is that of the other steps alone. `judged_runs` are those whose every answer was
    judged; `wrong_runs` of them hold a wrong one. `together`: how pairs of steps err in the same run.
    """

    against: Against
    steps: tuple[StepErrors, ...]
    unknown: tuple[str, ...]
    at_most: float | None
    at_most_upper: float | None
    confidence: float
    independent: float | None
    known_at_most: float
    judged_runs: int
    wrong_runs: int
    wrong_interval: Interval | None
    together: tuple[Together, ...]


class _Known(NamedTuple):
    """One step's errors before the part of the error that its bound may take is known."""

    answers: Count
    source: str
    where: str
    why: str = ""
    certificate: Certificate | None = None


def against_teacher(runs: Sequence[Run], judge: Judge, tasks: Mapping[str, str]) -> Compounded | None:
    """How often a run holds an owned answer that is not the rented model's, if each step is served by its owned model.

    What is rented is the rented model's by definition and counts for nothing. None where no step has an owned model.
    """
    owned = [task for task in _tasks(runs) if task in judge.certificates or _kept_here(runs, task)]
    if not owned:
        return None
    keeps = {task: _keeps(runs, judge.certificates.get(task), task) for task in owned}
    counts = [{task: n * keeps[task] for task, n in _counts(run, owned).items()} for run in runs]
    known = {task: _by_owned(runs, judge.certificates.get(task), task) for task in owned}
    return _compounded("teacher", runs, counts, known, tasks, lambda step: step.differs if step.kept else step.kept)


def against_gold(runs: Sequence[Run], judge: Judge, tasks: Mapping[str, str]) -> Compounded:
    """How often a run holds a wrong answer, whoever gave it, as far as people judged."""
    every = _tasks(runs)
    counts = [_counts(run, every) for run in runs]
    known = {task: _by_gold(runs, judge, task) for task in every}
    return _compounded("gold", runs, counts, known, tasks, lambda step: step.wrong)


def _compounded(
    against: Against,
    runs: Sequence[Run],
    counts: Sequence[Mapping[str, float]],
    known: Mapping[str, _Known],
    tasks: Mapping[str, str],
    verdict: _Verdict,
) -> Compounded:
    per_run = {task: sum(one.get(task, 0.0) for one in counts) / len(runs) for task in known}
    rows = {task: _row(one, per_run[task], tasks.get(task, task), len(known)) for task, one in known.items()}
    rates = {task: row.rate for task, row in rows.items() if row.rate is not None}
    unknown = tuple(rows[task].task for task in known if task not in rates)
    spent = sum(one.certificate.delta if one.certificate else DELTA / len(known) for one in known.values())
    verdicts = ([verdict(step) for step in run.steps if step.task in known] for run in runs)
    judged = [any(one) for one in verdicts if one and None not in one]
    return Compounded(
        against=against,
        steps=tuple(sorted(rows.values(), key=lambda row: -(row.rate or 0.0) * row.answers_per_run)),
        unknown=unknown,
        at_most=None if unknown else union_bound(rates, per_run),
        at_most_upper=None if unknown else union_bound({task: row.rate_upper for task, row in rows.items()}, per_run),
        confidence=max(0.0, 1 - spent),
        independent=None if unknown else if_independent(rates, counts),
        known_at_most=union_bound(rates, per_run),
        judged_runs=len(judged),
        wrong_runs=sum(judged),
        wrong_interval=two_sided(sum(judged), len(judged)) if judged else None,
        together=tuple(_together(runs, list(known), tasks, verdict)),
    )


def _row(known: _Known, per_run: float, name: str, steps: int) -> StepErrors:
    count = known.answers
    if not count.n:
        return StepErrors(name, per_run, "", why=known.why)
    own = known.certificate.alpha if known.certificate is not None else upper(count.errors, count.n, DELTA / steps)
    return StepErrors(
        task=name,
        answers_per_run=per_run,
        source=known.source,
        n=count.n,
        errors=count.errors,
        rate=count.errors / count.n,
        interval=two_sided(count.errors, count.n),
        rate_upper=own,
        where=known.where,
        until=moment(count.until_us),
    )


def _by_owned(runs: Sequence[Run], certificate: Certificate | None, task: str) -> _Known:
    """The owned model's errors: by audits and shadows, or by its certificate where that rests on more answers.

    Calls that the certificate was measured on chose its threshold, and flatter it: no exact bound comes from them.
    """
    count, since_us = Count(), certificate.calls_to_us if certificate is not None else 0
    for step in _steps(runs, task):
        if step.differs is not None and step.started_us > since_us:
            count.add(step.differs, step.started_us)
    if certificate is None or count.n >= certificate.n_kept:
        return _Known(count, "audits", "this workflow", "no owned answer was audited")
    measured = Count(certificate.n_kept, certificate.n_errors, certificate.calls_to_us)
    return _Known(measured, "certificate", "the calls it was measured on", certificate=certificate)


def _by_gold(runs: Sequence[Run], judge: Judge, task: str) -> _Known:
    here = Count()
    for step in _steps(runs, task):
        if step.wrong is not None:
            here.add(step.wrong, step.started_us)
    if judge.losses.get(task) == "text":
        return _Known(Count(), "gold", "", "free text: comparing words cannot tell what is wrong")
    everywhere = judge.gold.get(task, Count())
    if here.n >= LEAST_HERE or here.n == everywhere.n:
        return _Known(here, "gold", "this workflow", "nobody said what is right" if task else "it is in no task")
    return _Known(everywhere, "gold", "all calls of the task")


def _keeps(runs: Sequence[Run], certificate: Certificate | None, task: str) -> float:
    """The share of a step's calls that its owned model keeps: here, where it was asked often enough."""
    kept = [step.kept for step in _steps(runs, task) if step.kept is not None]
    if certificate is not None and len(kept) < LEAST_HERE:
        return certificate.coverage
    return sum(kept) / len(kept) if kept else 1.0


def _together(
    runs: Sequence[Run], task_ids: Sequence[str], tasks: Mapping[str, str], verdict: _Verdict
) -> list[Together]:
    """How steps err in the same run, those most tied together first; a step with itself: its first two answers."""
    place = {task: at for at, task in enumerate(task_ids)}
    pairs: defaultdict[tuple[str, str], list[tuple[bool, bool]]] = defaultdict(list)
    for run in runs:
        by_task: dict[str, list[bool]] = {}
        for step in run.steps:
            said = verdict(step)
            if said is not None and step.task in place:
                by_task.setdefault(step.task, []).append(said)
        for one, other in combinations_with_replacement(sorted(by_task, key=place.__getitem__), 2):
            if one != other:
                pairs[one, other].append((any(by_task[one]), any(by_task[other])))
            elif len(by_task[one]) > 1:
                pairs[one, one].append((by_task[one][0], by_task[one][1]))
    told = (together(tasks.get(one, one), tasks.get(other, other), both) for (one, other), both in pairs.items())
    return sorted(filter(None, told), key=lambda pair: (pair.p_value, pair.first, pair.second))


def _kept_here(runs: Sequence[Run], task: str) -> bool:
    return any(step.owned for step in _steps(runs, task))


def _tasks(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(step.task for run in runs for step in run.steps))


def _steps(runs: Sequence[Run], task: str) -> list[Step]:
    return [step for run in runs for step in run.steps if step.task == task]


def _counts(run: Run, tasks: Sequence[str]) -> dict[str, float]:
    found = dict.fromkeys(tasks, 0.0)
    for step in run.steps:
        if step.task in found:
            found[step.task] += 1
    return found
