"""The verdicts: every task's traffic, prices and evidence, put before the decision."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import NamedTuple

import msgspec

from freehold.analytics.glance import Glance, Glanced
from freehold.analytics.leaner import Leaner, LeanMeter
from freehold.economics.prices_over_time import months_until
from freehold.economics.quality import QualityFacts
from freehold.economics.workload import Workload, WorkloadBuilder
from freehold.errors import MissingPrerequisite
from freehold.settings import EconomicsSettings
from freehold.verdict import Constraints, decide
from freehold.vocabulary import Certificate, Option, Range, Task, Verdict

from . import declaring, radar, rivals
from .certifying import first
from .discovering import list_tasks
from .home import Home
from .rivals import SeenRivals
from .training import KEEPABLE


class Question(NamedTuple):
    """Everything that the decision on one task is given."""

    task: Task
    workload: Workload
    quality: QualityFacts
    constraints: Constraints
    as_of: datetime
    glance: Glance


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
    verdict = judged(home, question, glanced=question.glance.glanced())
    home.registry.add_verdict(verdict)
    return verdict


def judged(
    home: Home, question: Question, economics: EconomicsSettings | None = None, *, glanced: Glanced | None = None
) -> Verdict:
    """The verdict on one question, kept nowhere.

    Args:
        home: whose settings and prices.
        question: what it is given.
        economics: other inputs than the settings have.
        glanced: what the criteria say of the calls' contents; without it that is not known. The rest needs none of it.
    """
    return decide(
        question.task,
        question.workload,
        question.quality,
        question.constraints,
        economics or home.settings.economics,
        question.as_of,
        prices=home.prices,
        glanced=glanced,
    )


def questions(home: Home, *, task_name: str = "", volume: float = 1.0, as_of: datetime | None = None) -> list[Question]:
    """What the decision on one task, or on each, is given, largest first; arguments and errors as of `verdicts`."""
    list_tasks(home)  # finds tasks where calls have come since the last time
    tasks = [home.task(task_name)] if task_name else list(home.registry.tasks())
    window_us = home.span_us()
    if window_us is None:
        raise MissingPrerequisite("no calls have been recorded yet", hint="freehold import LOG, or freehold up")
    gathered = _gather(home, tasks, task_id=tasks[0].id if task_name else None)
    found: list[Question] = []
    at = as_of or datetime.now(UTC)
    ends = _announced(home, at.date())
    for task in tasks:
        declared = home.task_settings(task)
        weight = first(declared.sample_weight, home.settings.workload.sample_weight)
        workload = gathered.builders[task.id].build(
            window_us, weight=weight, volume_factor=volume, monthly_growth=declared.monthly_growth
        )
        facts = quality(home, task, gathered.golds[task.id], gathered.rivals[task.id], workload.model)
        constraints = declaring.constraints(home, task, workload.model)
        workload = msgspec.structs.replace(
            workload, months_left=ends.get(workload.model), leaner=gathered.leaner.get(task.id, Leaner())
        )
        found.append(Question(task, workload, facts, constraints, at, gathered.glances[task.id]))
    return sorted(found, key=lambda one: (-one.workload.calls, one.task.name))


def _announced(home: Home, today: date) -> dict[tuple[str, str], float]:
    """Months until the announced shutdown of rented models in use, by provider and name."""
    return {
        (provider, name): months_until(risk.shutdown, today)
        for provider, name, risk in radar.at_risk(home, today=today)
        if risk.status == "retiring" and risk.shutdown is not None
    }


class _Gathered(NamedTuple):
    """What one pass over the calls gives, by task: workload, glance, gold labels, other models, lower costs."""

    builders: dict[str, WorkloadBuilder]
    glances: dict[str, Glance]
    golds: dict[str, int]
    rivals: dict[str, SeenRivals]
    leaner: dict[str, Leaner]


def _gather(home: Home, tasks: list[Task], *, task_id: str | None) -> _Gathered:
    """One pass over all calls; with `task_id`, over those that may be of that task."""
    builders = {task.id: WorkloadBuilder(home.prices) for task in tasks}
    glances = {task.id: Glance() for task in tasks}
    golds = dict.fromkeys(builders, 0)
    seen = {task.id: SeenRivals(home, task) for task in tasks}
    leaner = LeanMeter(home.prices)
    for call, match in home.recognised(task_id=task_id):
        if match is not None and match.task_id in builders:
            builders[match.task_id].add(call)
            glances[match.task_id].add(call, match)
            golds[match.task_id] += call.gold is not None
            seen[match.task_id].add(call, match)
            leaner.add(call, match.task_id)
    return _Gathered(builders, glances, golds, seen, leaner.leaner())


def quality(home: Home, task: Task, n_gold: int, seen: SeenRivals, today: tuple[str, str]) -> QualityFacts:
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
    held = [h.certificate for h in home.registry.certificates(task.id, student.id) if not h.void_reason]
    serving = next((c for c in held if c.id == stage.certificate_id), None)
    certified = [c for c in held if c.certified]
    return serving or (certified or held or [None])[-1]


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
