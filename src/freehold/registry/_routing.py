"""From what the registry holds and what persons declared to the table that the gateway routes by. Pure functions."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import msgspec

from freehold.settings import Settings, TaskSettings
from freehold.vocabulary import Contract, DataClass, Manifest, Route, Stage, Task

from . import _remembered
from ._decisions import Effective
from ._remembered import Remembered
from ._stages import SERVING, Held, StageRecord, holds
from .names import folded


class Served(NamedTuple):
    """What stands behind a task's present stage."""

    record: StageRecord
    manifest: Manifest | None
    bundle: str
    held: Held | None


def declared(task: Task, aliases: tuple[str, ...], settings: Settings, memory: Remembered) -> TaskSettings:
    """What a person declared about a task, under any id or name it has or had.

    The nearest name wins, except that `restricted` under any of them binds, and that what was restricted once stays so
    (`_remembered`): a rename, merge or split, or settings that were not found, never open what somebody closed. Names
    are compared as `names.folded` does.
    """
    found = [one for alias in dict.fromkeys(map(folded, aliases)) for one in _by_folded(settings).get(alias, ())]
    wish = found[0] if found else TaskSettings()
    if any(one.data_class == "restricted" for one in found) or _remembered.holds(memory, task, aliases):
        return msgspec.structs.replace(wish, data_class="restricted")
    return wish


def unmatched(effective: Effective, settings: Settings) -> tuple[str, ...]:
    """The names in `[tasks.NAME]` that no task has or had: not seen yet, or misspelt."""
    known = {folded(alias) for aliases in effective.aliases.values() for alias in aliases}
    return tuple(name for name in settings.tasks if folded(name) not in known)


def _by_folded(settings: Settings) -> dict[str, list[TaskSettings]]:
    found: defaultdict[str, list[TaskSettings]] = defaultdict(list)
    for name, one in settings.tasks.items():
        found[folded(name)].append(one)
    return found


def build(
    effective: Effective,
    settings: Settings,
    served: Mapping[str, Served],
    contract_of: Callable[[str, str], Contract | None],
    memory: Remembered,
) -> tuple[tuple[Task, ...], tuple[Route, ...]]:
    """Every task with its route. `memory`: what is or was restricted, these settings included.

    A name that is declared restricted and was never seen gets a task without templates and a route, so that a caller
    who declares it in a header is held to the restriction from the first call on.
    """
    tasks = list(effective.tasks)
    routes: list[Route] = []
    for task in effective.tasks:
        wish = declared(task, effective.aliases[task.id], settings, memory)
        routes.append(_route(task, wish, settings, served.get(task.id), contract_of))
    known = {folded(alias) for aliases in effective.aliases.values() for alias in aliases}
    for name in memory.names:
        if folded(name) not in known:
            task_id = f"declared-{hashlib.sha256(folded(name).encode()).hexdigest()[:12]}"
            why = "declared restricted in the settings; no call of it was recognised yet"
            tasks.append(Task(task_id, name, "unknown", (), 0, 1.0, why, named_by="person"))
            routes.append(Route(task_id, name, data_class="restricted"))
    return tuple(tasks), tuple(routes)


def paused(table_routes: tuple[Route, ...], task_ids: Collection[str]) -> tuple[Route, ...]:
    """The routes with those of these tasks marked as paused; their stages stay what they are."""
    return tuple(
        msgspec.structs.replace(route, paused=True) if route.task_id in task_ids else route for route in table_routes
    )


def _route(
    task: Task,
    wish: TaskSettings,
    settings: Settings,
    served: Served | None,
    contract_of: Callable[[str, str], Contract | None],
) -> Route:
    default = settings.certificate
    audit_share = default.audit_share if wish.audit_share is None else wish.audit_share
    canary_share = default.canary_share if wish.canary_share is None else wish.canary_share
    alpha = default.alpha if wish.alpha is None else wish.alpha
    delta = default.delta if wish.delta is None else wish.delta
    data_class: DataClass = wish.data_class
    if served is None or served.manifest is None:
        contract = contract_of(task.id, "")
        stage: Stage = "demoted" if served is not None and served.record.stage == "demoted" else "none"
        return Route(
            task.id,
            task.name,
            data_class,
            stage,
            canary_share,
            alpha=alpha,
            delta=delta,
            audit_share=audit_share,
            loss="text" if contract is None else contract.form,
        )
    record, manifest = served.record, served.manifest
    certificate = None if served.held is None else served.held.certificate
    contract = contract_of(task.id, manifest.contract_version)
    stage = record.stage
    if stage in SERVING and not holds(task, record, [] if served.held is None else [served.held], wish):
        stage = "none"  # Something stricter was declared since: declarations bind, so this student waits.
    return Route(
        task_id=task.id,
        task_name=task.name,
        data_class=data_class,
        stage=stage,
        canary_share=canary_share,
        student_id=manifest.student_id,
        bundle=served.bundle,
        certificate_id=record.certificate_id,
        template_ids=manifest.template_ids if certificate is None else certificate.template_ids,
        threshold=1.0 if certificate is None or certificate.threshold is None else certificate.threshold,
        scope_threshold=manifest.scope_threshold if certificate is None else certificate.scope_threshold,
        alpha=alpha if certificate is None else certificate.alpha,
        delta=delta if certificate is None else certificate.delta,
        against="teacher" if certificate is None else certificate.against,
        audit_share=audit_share,
        loss="text" if contract is None else contract.form,
    )
