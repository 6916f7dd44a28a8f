"""What a pass over a task's calls gave, kept between commands (`_stored`).

It depends on the calls as they are (`Ledger.state`), the tasks, the prices, and this release. It holds counts, tokens,
sums and lengths, names of models and ids of prompt versions; no text of any call, and nobody's name.
"""

from __future__ import annotations

import msgspec

from freehold.economics.workload import Workload
from freehold.market.tokens import catalogue_version
from freehold.vocabulary import Task

from . import _stored
from .home import Home
from .rivals import RivalsSeen


class Sums(msgspec.Struct, frozen=True):
    """What all calls of a task come to: its workload without weight or factors, gold labels, other models."""

    workload: Workload
    golds: int
    rivals: RivalsSeen


def key(home: Home) -> str:
    """Everything that sums depend on. Made before the calls are read: calls that come meanwhile make another one."""
    return _stored.digest(
        home.ledger.state(),
        home.registry.tasks(),
        sorted(home.registry.known_as().items()),
        [(task.id, contract.form) for task in home.registry.tasks() if (contract := home.registry.contract(task.id))],
        home.settings.prices,
        {name: provider.address for name, provider in home.settings.providers.items()},
        catalogue_version(),
    )


def recall(home: Home, task: Task, key: str) -> Sums | None:
    """What is kept of a task under this key; None where nothing is, or it cannot be read."""
    return _stored.recall(home, task.id, key, Sums)


def keep(home: Home, task: Task, key: str, sums: Sums) -> None:
    """Keep it, in the place of what was kept before; a home that cannot be written keeps nothing."""
    _stored.keep(home, task.id, key, sums)


def forget(home: Home) -> None:
    """Remove all that is kept."""
    _stored.forget(home)
