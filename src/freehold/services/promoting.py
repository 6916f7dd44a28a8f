"""Stages: who may answer what, and who said so."""

from __future__ import annotations

import getpass
from typing import get_args

from freehold.errors import GateRefused, UsageError
from freehold.verdict import words
from freehold.vocabulary import Stage, Task

from .certifying import latest_student, parse_against
from .home import Home

_ASKABLE = ("shadow", "canary", "full")


def promote(home: Home, task: Task, stage: str, *, by: str = "", against: str = "") -> list[str]:
    """Put the task's newest student on a stage; canary and full stand on its newest certificate.

    Returns what to tell the person.

    Raises:
        UsageError: there is no such stage.
        MissingPrerequisite: the task has no student.
        GateRefused: there is no certificate that would carry the stage; the hint is the command that asks for one.
    """
    if stage not in _ASKABLE:
        raise UsageError(f"{stage!r} is no stage to promote to", hint=f"--stage {'|'.join(_ASKABLE)}")
    manifest, _ = latest_student(home, task)
    wanted: Stage = next(s for s in get_args(Stage) if s == stage)
    certificate_id = ""
    if against:
        found = home.registry.latest_certificate(task.id, manifest.student_id, parse_against(against))
        if found is None:
            raise GateRefused(
                f"task {task.name} has no certificate against {against}",
                hint=f"freehold certify {task.name} --against {against}",
            )
        certificate_id = found.id
    home.registry.set_stage(task.id, wanted, by=by or whoever(), reason="promoted", certificate_id=certificate_id)
    does = "computes and records, and answers nobody"
    if stage != "shadow":
        does = "answers where it is sure, the rest is rented"
    told = [f"{task.name} is on stage {stage}: {manifest.student_id} {does}."]
    if any(one.task_id in ("", task.id) for one in home.registry.pauses()):
        told.append("Its owned answers are paused, and everything is rented until freehold resume.")
    return [*told, _last_verdict(home, task)]


def _last_verdict(home: Home, task: Task) -> str:
    """Promotion rests on the certificate alone; whether it pays is the verdict's to say."""
    verdict = home.registry.latest_verdict(task.id)
    if verdict is None:
        return f"Whether it pays has not been asked: freehold verdict {task.name}"
    return f"The last verdict, of {verdict.made_at[:10]}: {words.verdict_sentence(verdict)}."


def rollback(home: Home, task: Task, *, by: str = "") -> str:
    """Go back to the student that served before, or to renting everything."""
    record = home.registry.rollback(task.id, by=by or whoever())
    if record.student_id:
        return f"{task.name} is answered by {record.student_id} again, on stage {record.stage}."
    return f"{task.name} is rented again; its student stays in the registry."


def whoever() -> str:
    """The person at the keyboard, as the system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
