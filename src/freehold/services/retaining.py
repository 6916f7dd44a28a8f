"""Retention: how long a call's content and its numbers are kept, as the settings say of its task, class and outcome."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from freehold.ledger import NEVER_US, Expired, Keep, RetentionRules
from freehold.settings import KeptSettings
from freehold.tasks.matching import TaskMatcher
from freehold.vocabulary import DATA_CLASS_TAG, Call, Match

from ._kept import KeptAnswers
from .home import Home

_DAY_US = 86_400 * 1_000_000


def expire(home: Home, *, dry_run: bool = False, now_us: int | None = None) -> Expired:
    """Let go what the settings no longer keep; with `dry_run` only say what that is.

    Answers that rehearsals kept go with the calls they answer, and are not counted.

    Raises:
        LedgerUnavailable: the ledger cannot be read or written whole; nothing is lost, and the next round goes on.
    """
    if not home.settings.lets_go:
        return Expired()
    kept, now_us = rules(home), now_us or time.time_ns() // 1000
    done = home.ledger.expire(kept, now_us, dry_run=dry_run)
    KeptAnswers(home.path, home.settings.ledger).expire(kept, now_us, dry_run=dry_run)
    return done


def rekey(home: Home) -> int:
    """Put every file of calls and of kept answers under the master key that is set now; returns how many were not.

    Raises:
        LedgerUnavailable: as `Ledger.rekey`.
    """
    return home.ledger.rekey() + KeptAnswers(home.path, home.settings.ledger).rekey()


def noting(home: Home) -> Callable[[Call], Call]:
    """What writes down with a call what its content shows it to be, before that goes, so that it stays of its task."""
    matcher = TaskMatcher(home.registry.tasks())
    return lambda call: _noted(call, matcher.match_call(call) if call.request else None)


def _noted(call: Call, match: Match | None) -> Call:
    if match is None:
        return call
    known = call if call.template else msgspec.structs.replace(call, template=match.template_id)
    return known if match.template_id or call.task else msgspec.structs.replace(known, task=match.task_id)


def rules(home: Home) -> RetentionRules:
    """The rules of this home, of the most special to the most general: task, data class, outcome, all calls.

    Each number is taken from the first that says one; 0 keeps for good. What is recognised in a call by its content is
    written down with it before the content goes, so that it stays a call of its task.
    """
    settings = home.settings.retention
    tasks = home.registry.tasks()
    matcher = TaskMatcher(tasks)
    of_task = {task.id: home.task_settings(task) for task in tasks}

    by_name = {name: task.id for task in tasks for name in (task.id, task.name, *(one.id for one in task.templates))}

    def keep(call: Call, gold: str | None) -> Keep:
        match = matcher.match_call(call) if call.request else None
        task = match.task_id if match is not None else by_name.get(call.task or call.template, "")
        declared = of_task.get(task)
        restricted = DATA_CLASS_TAG in call.tags or (declared is not None and declared.data_class == "restricted")
        levels = [
            *([declared.retention] if declared is not None else []),
            *_some(settings.data_classes, "restricted" if restricted else "ordinary"),
            *_some(settings.outcomes, call.outcome),
            settings,
        ]
        known = _noted(call, match)
        if gold is not None and settings.keep_gold:
            return Keep(NEVER_US, NEVER_US, known)
        return Keep(
            _us(next((one.bodies_days for one in levels if one.bodies_days is not None), None)),
            _us(next((one.calls_days for one in levels if one.calls_days is not None), None)),
            known,
        )

    shortest = min(_us(days) for kept in _all(home) for days in (kept.bodies_days, kept.calls_days))
    stated = msgspec.json.encode([settings, {key: one.retention for key, one in of_task.items()}], order="sorted")
    return RetentionRules(hashlib.sha256(stated).hexdigest()[:16], shortest, True, keep)


def _all(home: Home) -> Iterator[KeptSettings]:
    settings = home.settings.retention
    yield settings
    yield from settings.data_classes.values()
    yield from settings.outcomes.values()
    yield from (task.retention for task in home.settings.tasks.values())


def _some(table: Mapping[Any, KeptSettings], name: str) -> list[KeptSettings]:
    return [table[name]] if name in table else []


def _us(days: float | None) -> int:
    return NEVER_US if not days else int(days * _DAY_US)
