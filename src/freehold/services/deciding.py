"""The verdicts: every task's traffic, prices and evidence, put before the decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import msgspec

from freehold.analytics.findings import Leaner
from freehold.analytics.glance import Glance
from freehold.analytics.leaner import LeanMeter
from freehold.economics.prices_over_time import months_until
from freehold.economics.quality import QualityFacts
from freehold.economics.workload import WorkloadBuilder
from freehold.errors import MissingPrerequisite
from freehold.vocabulary import Certificate, Option, Range, Task, Verdict

from . import declaring, kept_questions, kept_sums, radar, rivals
from .certifying import first
from .discovering import list_tasks
from .home import Home
from .judging import Question, judged
from .kept_sums import Sums
from .rivals import RivalsSeen, SeenRivals
from .training import KEEPABLE


def verdicts(home: Home, *, task_name: str = "", volume: float = 1.0, as_of: datetime | None = None) -> list[Verdict]:
    """The verdict on one task, or on all of them, largest first.

    Args:
        home: whose calls.
        task_name: a task's name or id; "" for all.
        volume: as if there were this many times the calls.
        as_of: the day whose prices count; today by default.

    Raises:
        MissingPrerequisite: no calls have been recorded yet.
        NotFound: there is no such task.
    """
    return [answer(home, question) for question in questions(home, task_name=task_name, volume=volume, as_of=as_of)]


def answer(home: Home, question: Question) -> Verdict:
    """The verdict on one question, kept in the registry."""
    verdict = judged(home, question, glanced=question.glance.glanced() if question.glance else None)
    home.registry.add_verdict(verdict)
    return verdict


def questions(home: Home, *, task_name: str = "", volume: float = 1.0, as_of: datetime | None = None) -> list[Question]:
    """What the decision on one task, or on each, is given, largest first; arguments and errors as of `verdicts`."""
    tasks, window_us = _asked(home, task_name)
    key = kept_sums.key(home)
    gathered = _gather(home, tasks, window_us, task_id=tasks[0].id if task_name else None)
    for one in gathered:
        kept_sums.keep(home, one.task, key, one.sums)
    found = _questions(home, gathered, as_of, volume)
    return sorted(found, key=lambda one: (-one.workload.calls, one.task.name))


def question(home: Home, task_name: str, as_of: datetime | None = None) -> Question:
    """What the decision on one task is given, but for the glance at contents; arguments and errors as of `verdicts`.

    What a pass over its calls gave before is used again as long as nothing that it depends on has changed, and the
    question is kept for `kept_questions`.
    """
    at = as_of or datetime.now(UTC)
    (task,), window_us = _asked(home, task_name)
    key, whole = kept_sums.key(home), kept_questions.key(home, at.date())
    sums = kept_sums.recall(home, task, key)
    if sums is None:
        (gathered,) = _gather(home, [task], window_us, task_id=task.id)
        sums = gathered.sums
        kept_sums.keep(home, task, key, sums)
    (found,) = _questions(home, [_Gathered(task, sums, None)], at)
    kept_questions.keep(home, task_name, whole, found)
    return found


def _asked(home: Home, task_name: str) -> tuple[list[Task], tuple[int, int]]:
    """The tasks, or the one, and from when to when calls were recorded."""
    list_tasks(home)  # finds tasks where calls have come since the last time
    tasks = [home.task(task_name)] if task_name else list(home.registry.tasks())
    window_us = home.span_us()
    if window_us is None:
        raise MissingPrerequisite("no calls have been recorded yet", hint="freehold import LOG, or freehold up")
    return tasks, window_us


class _Gathered(NamedTuple):
    """What a pass over the calls of a task gives."""

    task: Task
    sums: Sums
    glance: Glance | None


def _questions(
    home: Home, gathered: Sequence[_Gathered], as_of: datetime | None, volume: float = 1.0
) -> list[Question]:
    """What was declared, certified, rehearsed and announced, put beside the sums."""
    at = as_of or datetime.now(UTC)
    ends = _announced(home, at.date())
    found: list[Question] = []
    for task, sums, glance in gathered:
        declared = home.task_settings(task)
        model = sums.workload.model
        workload = msgspec.structs.replace(
            sums.workload,
            weight=first(declared.sample_weight, home.settings.workload.sample_weight),
            volume_factor=volume,
            monthly_growth=declared.monthly_growth,
            months_left=ends.get(model),
        )
        facts = quality(home, task, sums.golds, sums.rivals, model)
        found.append(Question(task, workload, facts, declaring.constraints(home, task, model), at, glance))
    return found


def _announced(home: Home, today: date) -> dict[tuple[str, str], float]:
    """Months until the announced shutdown of rented models in use, by provider and name."""
    return {
        (provider, name): months_until(risk.shutdown, today)
        for provider, name, risk in radar.at_risk(home, today=today)
        if risk.status == "retiring" and risk.shutdown is not None
    }


def _gather(home: Home, tasks: list[Task], window_us: tuple[int, int], *, task_id: str | None) -> list[_Gathered]:
    """One pass over all calls; with `task_id`, over those that may be of that task."""
    builders = {task.id: WorkloadBuilder(home.prices) for task in tasks}
    glances = {task.id: Glance() for task in tasks}
    golds = dict.fromkeys(builders, 0)
    seen = {task.id: SeenRivals(home, task) for task in tasks}
    meter = LeanMeter(home.prices)
    for call, match in home.recognised(task_id=task_id):
        if match is not None and match.task_id in builders:
            builders[match.task_id].add(call)
            glances[match.task_id].add(call, match)
            golds[match.task_id] += call.gold is not None
            seen[match.task_id].add(call, match)
            meter.add(call, match.task_id)
    leaner = meter.leaner()
    found: list[_Gathered] = []
    for task in tasks:
        workload = msgspec.structs.replace(builders[task.id].build(window_us), leaner=leaner.get(task.id, Leaner()))
        sums = Sums(workload, golds[task.id], seen[task.id].seen(workload.model[1]))
        found.append(_Gathered(task, sums, glances[task.id]))
    return found


def quality(home: Home, task: Task, n_gold: int, seen: RivalsSeen, today: tuple[str, str]) -> QualityFacts:
    """What is known of how good an owned model of the task would be, and others than the one that is rented today."""
    declared, default = home.task_settings(task), home.settings.certificate
    alpha, delta = first(declared.alpha, default.alpha), first(declared.delta, default.delta)
    against = declared.against or default.against
    student = home.registry.latest_student(task.id)
    keepable = student.manifest.parameters.get(KEEPABLE) if student is not None else None
    return QualityFacts(
        kind=task.kind,
        certificate=standing_certificate(home, task),
        coverage_measured=float(keepable) if keepable is not None else None,
        gold_labels=n_gold,
        rivals=rivals.known(home, task, seen, today, alpha=alpha, delta=delta, against=against),
        alpha=alpha,
        delta=delta,
        against=against,
        audit_share=first(declared.audit_share, default.audit_share),
        judged_by_people=seen.loss == "text",
    )


def standing_certificate(home: Home, task: Task) -> Certificate | None:
    """The certificate that the task's present stage rests on, else the best of its newest student."""
    stage = home.registry.stage(task.id)
    student = home.registry.latest_student(task.id)
    if student is None:
        return None
    held = [h.certificate for h in home.registry.certificates(task.id) if not h.void_reason]
    serving = next((c for c in held if c.id == stage.certificate_id), None)
    newest = [c for c in held if c.student_id == student.id]
    certified = [c for c in newest if c.certified]
    return serving or (certified or newest or [None])[-1]


def rent_usd(verdict: Verdict) -> Range | None:
    """What the verdict's task costs a month as it is rented today; None where no price is known."""
    return verdict.today.monthly_usd if verdict.today is not None else None


def hybrid_usd(verdict: Verdict) -> Range | None:
    """What it would cost a month with an owned student and escalation; None where that is no option."""
    own = next((option for option in verdict.options if option.word == "own_student" and option.allowed), None)
    return own.monthly_usd if own is not None else None


def chosen(verdict: Verdict) -> Option | None:
    """The option that the verdict stands for; None where it stands for none."""
    fitting = [option for option in verdict.options if option.word == verdict.word and option.allowed]
    return next((option for option in fitting if option.name == verdict.chosen), next(iter(fitting), None))
