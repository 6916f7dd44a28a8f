"""Small tasks, and a registry with a student and certificates, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from tests.support.bundles import certificate, draft

from freehold.registry.store import Registry
from freehold.settings import Settings
from freehold.vocabulary import (
    Certificate,
    Manifest,
    MessagePattern,
    PinnedStep,
    Slot,
    Task,
    Template,
    WorkflowCertificate,
)


def template(name: str, n_calls: int = 10) -> Template:
    return Template(name, (MessagePattern("user", (f"{name}: ", Slot("x"))),), n_calls=n_calls)


def task(task_id: str, *templates: str | Template, name: str = "", **changes: Any) -> Task:
    made = tuple(template(t) if isinstance(t, str) else t for t in templates)
    n_calls = sum(t.n_calls for t in made)
    base = Task(task_id, name or f"name of {task_id}", "classification", made, n_calls, 1.0, "shares a prompt")
    return msgspec.structs.replace(base, **changes)


def manifest(student_id: str, task_id: str = "t1", **changes: Any) -> Manifest:
    return draft(student_id=student_id, task_id=task_id, schema="freehold.bundle/1", **changes)


def opened(home: Path, settings: Settings | None = None) -> Registry:
    return Registry(home, settings or Settings(), busy_timeout_s=20)


def add_student(registry: Registry, student_id: str, task_id: str = "t1") -> Manifest:
    made = manifest(student_id, task_id)
    registry.add_student(made, registry.home / "bundles" / student_id)
    return made


def add_certificate(registry: Registry, student_id: str, certificate_id: str, **changes: Any) -> Certificate:
    made = certificate(student_id, id=certificate_id, **changes)
    registry.add_certificate(made)
    return made


def workflow_certificate(of: Certificate, **changes: Any) -> WorkflowCertificate:
    """A promise about runs whose only owned step stands on that certificate."""
    pin = PinnedStep(
        task_id=of.task_id,
        task="triage",
        student_id=of.student_id,
        certificate_id=of.id,
        threshold=of.threshold or 0.0,
        scope_threshold=of.scope_threshold,
        template_ids=of.template_ids,
        contract_version=of.contract_version,
        alpha=of.alpha,
        delta=of.delta,
        against=of.against,
    )
    base = WorkflowCertificate(
        id="w1",
        workflow_id="flow-1",
        workflow="agent",
        certified=True,
        route="runs",
        of="whole",
        against=of.against,
        alpha=0.05,
        delta=0.05,
        look=1,
        level=0.025,
        n=100,
        n_bad=0,
        n_whole=100,
        n_judged=120,
        risk=0.0,
        risk_interval=None,
        risk_upper=0.036,
        runs_needed=0,
        reason="",
        steps=(pin,),
        tasks=(of.task_id,),
        parts=(),
        most_calls=0,
        left_out={},
        label_source="answers of the rented model",
        runs_from_us=0,
        runs_to_us=1,
        issued_at="2026-11-01T00:00:00+00:00",
        method="exact binomial",
    )
    return msgspec.structs.replace(base, **changes)
