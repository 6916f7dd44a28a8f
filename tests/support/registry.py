"""Small tasks, and a registry with a student and certificates, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from tests.support.bundles import certificate, draft

from freehold.registry.store import Registry
from freehold.settings import Settings
from freehold.vocabulary import Certificate, Manifest, MessagePattern, Slot, Task, Template


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
