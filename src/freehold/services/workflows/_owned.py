"""The steps of a workflow that an owned model answers or could answer: what it keeps, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

import msgspec

from freehold.analytics.alternatives import Answered
from freehold.errors import FreeholdError
from freehold.services.deciding import standing_certificate
from freehold.services.home import Home
from freehold.students import bundle, runtime
from freehold.vocabulary import Certificate, Interval

_TIMED_INPUTS = 200


class OwnedStep(msgspec.Struct, frozen=True):
    """A step with a student that something is promised of.

    `keeps` of its calls, by the `n` that its certificate was measured on. It takes `answer_ms` (median) to answer:
    `timed` times, by `timed_by`: `calls` that it was asked, or `inputs` of its own training data, answered just now on
    this machine without a gateway before it. None: its bundle cannot be used, and `timed_by` says why.
    """

    task: str
    student_id: str
    certificate_id: str
    keeps: float
    keeps_interval: Interval
    n: int
    answer_ms: float | None
    timed: int
    timed_by: str


def certified(home: Home, task_ids: Iterable[str]) -> dict[str, Certificate]:
    """The standing certificate of each task that has one, by task id."""
    known = {task.id: task for task in home.registry.tasks()}
    found: dict[str, Certificate] = {}
    for task_id in task_ids:
        certificate = standing_certificate(home, known[task_id]) if task_id in known else None
        if certificate is not None and certificate.certified:
            found[task_id] = certificate
    return found


def owned_steps(
    home: Home, certificates: Mapping[str, Certificate], took_ms: Mapping[str, list[float]]
) -> list[OwnedStep]:
    """What is known of each student: how much it keeps, and how fast it is."""
    names = {task.id: task.name for task in home.registry.tasks()}
    found: list[OwnedStep] = []
    for task_id, certificate in certificates.items():
        asked, by = _timed(home, certificate.student_id, took_ms)
        found.append(
            OwnedStep(
                task=names[task_id],
                student_id=certificate.student_id,
                certificate_id=certificate.id,
                keeps=certificate.coverage,
                keeps_interval=certificate.coverage_interval,
                n=certificate.n,
                answer_ms=median(asked) if asked else None,
                timed=len(asked),
                timed_by=by,
            )
        )
    return found


def answered(home: Home, certificate: Certificate, step: OwnedStep) -> tuple[Answered, Interval] | None:
    """A step as a simulation takes it; None where nobody knows how long its model takes."""
    if step.answer_ms is None:
        return None
    share = home.audit_share(home.registry.task(certificate.task_id))
    return Answered(step.keeps, step.answer_ms, share, frozenset(certificate.template_ids)), step.keeps_interval


def _timed(home: Home, student_id: str, took_ms: Mapping[str, list[float]]) -> tuple[Sequence[float], str]:
    asked = took_ms.get(student_id)
    if asked:
        return asked, "calls"
    try:
        return _answered_now(home, student_id), "inputs"
    except FreeholdError as error:
        return (), error.message


def _answered_now(home: Home, student_id: str) -> list[float]:
    """Milliseconds that the student takes for some of its own examples, one after the other."""
    folder = home.registry.student(student_id).folder(home.path)
    bundle.recover(folder)
    bundle.verify(folder)
    student = runtime.load(folder)
    return [student.answer(one.inputs).model_ms for one in bundle.read_examples(folder)[:_TIMED_INPUTS]]
