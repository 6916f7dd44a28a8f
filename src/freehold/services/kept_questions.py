"""What the decision on a task is given, kept for the day, so that the next what-if opens neither registry nor ledger.

It depends on all calls and the gold attached to them, all that the registry holds, the settings with where each is
from, the home's files of facts, the list of prices, the day, and this release. It holds what `kept_sums` does, and what
was declared and measured of the task; not its prompts.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from pathlib import Path

import msgspec

from freehold.economics.quality import QualityFacts
from freehold.economics.workload import Workload
from freehold.market.tokens import package_version
from freehold.registry.state import state
from freehold.verdict import Constraints
from freehold.vocabulary import Task

from . import _stored
from .home import Home
from .judging import Question

_FACTS = ("*.json", "*.toml")


class _Kept(msgspec.Struct, frozen=True):
    task: Task
    workload: Workload
    quality: QualityFacts
    constraints: Constraints


def key(home: Home, today: date) -> str:
    """Everything that a question depends on; "" where that cannot be told, and nothing is kept.

    Made before any of it is read: what changes meanwhile makes another one.
    """
    registry = state(home.path)
    if not registry:
        return ""
    return _stored.digest(
        home.ledger.state(),
        registry,
        home.settings,
        sorted(home.loaded.origin.items()),
        [_digests(home.path, pattern) for pattern in _FACTS],
        package_version(),
        today,
    )


def recall(home: Home, name: str, key: str, as_of: datetime) -> Question | None:
    """The question on the task that was asked for by this name, its prompts left out; None where none is kept."""
    found = _stored.recall(home, f"question {name}", key, _Kept) if key else None
    return None if found is None else Question(found.task, found.workload, found.quality, found.constraints, as_of)


def keep(home: Home, name: str, key: str, question: Question) -> None:
    """Keep a question under the name that it was asked for by."""
    if not key:
        return
    task = msgspec.structs.replace(question.task, templates=())
    kept = _Kept(task, question.workload, question.quality, question.constraints)
    _stored.keep(home, f"question {name}", key, kept)


def _digests(folder: Path, pattern: str) -> list[tuple[str, str]]:
    """What persons and commands laid into the home for others to read, by name."""
    return [(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in sorted(folder.glob(pattern))]
