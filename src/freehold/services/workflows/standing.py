"""Whether a promise about a workflow's runs still stands: it lapses where anything that it covers has changed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from freehold.registry.store import SERVING
from freehold.services.deciding import standing_certificate
from freehold.services.home import Home
from freehold.vocabulary import PinnedStep, Task, WorkflowCertificate


class Standing(msgspec.Struct, frozen=True):
    """The promise to go by about a workflow's runs. `lapsed`: why it does not hold any more, "" while it does."""

    certificate: WorkflowCertificate
    lapsed: str


def standing(home: Home, workflow_id: str) -> Standing | None:
    """The strongest promise that stands, else the last answer that was given; None where nothing was asked for.

    A refusal stands in the way of no promise that was given before: it may only mean that there were too few runs.
    """
    every = home.registry.workflow_certificates(workflow_id)
    answers = [Standing(one, lapsed(home, one, every)) for one in every]
    promised = [one for one in answers if one.certificate.certified]
    holding = [one for one in promised if not one.lapsed]
    if holding:
        return min(reversed(holding), key=lambda one: (one.certificate.of != "whole", one.certificate.alpha))
    return (promised or answers or [None])[-1]


def gone(home: Home, task_id: str = "") -> list[tuple[str, str]]:
    """The workflows whose promise has lapsed and was given by no new one, with why; of those that a task is part of."""
    names = {one.workflow_id: one.workflow for one in home.registry.workflow_certificates()}
    found: list[tuple[str, str]] = []
    for workflow_id, name in names.items():
        told = standing(home, workflow_id)
        if told is None or not told.certificate.certified or task_id not in ("", *told.certificate.tasks):
            continue
        if told.lapsed:
            found.append((name, told.lapsed))
    return found


def lapsed(home: Home, certificate: WorkflowCertificate, every: Sequence[WorkflowCertificate] = ()) -> str:
    """Why a promise does not hold any more; "" while it does.

    Args:
        home: whose.
        certificate: the promise.
        every: the workflow's answers, later ones of which may show it to be broken.
    """
    tasks = {task.id: task for task in home.registry.tasks()}
    for pin in certificate.steps:
        why = _changed(home, tasks.get(pin.task_id), pin)
        if why:
            return why
    covered = {pin.task_id for pin in certificate.steps}
    for task_id in certificate.tasks:
        if task_id in tasks and task_id not in covered and home.registry.stage(task_id).stage in SERVING:
            return f"{tasks[task_id].name} is answered by an owned model now, which it does not cover"
    later = every[every.index(certificate) + 1 :] if certificate in every else ()
    for one in later:
        shown = one.steps == certificate.steps and one.of == certificate.of and one.against == certificate.against
        if shown and one.risk_interval is not None and one.risk_interval.low > certificate.alpha:
            return f"later runs show more: {one.n_bad} of {one.n} (asked on {one.issued_at[:10]})"
    return ""


def _changed(home: Home, task: Task | None, pin: PinnedStep) -> str:
    """What has changed about a step since it was pinned; "" for nothing."""
    if task is None:
        return f"there is no task {pin.task} any more"
    held = {one.certificate.id: one.void_reason for one in home.registry.certificates(pin.task_id)}
    if held.get(pin.certificate_id):
        return f"the certificate of {task.name} was voided: {held[pin.certificate_id]}"
    now = standing_certificate(home, task)
    if now is None or not now.certified:
        return f"nothing is promised of {task.name} any more"
    if now.student_id != pin.student_id:
        return f"{task.name} has another student now, {now.student_id}"
    if now.id != pin.certificate_id:
        return f"{task.name} stands on another certificate now, {now.id}"
    return ""
