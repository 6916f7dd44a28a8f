"""A task's contract: what was learned of it, and a person's signature under it."""

from __future__ import annotations

from freehold.errors import MissingPrerequisite
from freehold.vocabulary import Contract, Task

from .home import Home


def contract(home: Home, task: Task, *, sign: str = "") -> Contract:
    """The task's latest contract; with `sign`, signed by that person.

    Raises:
        MissingPrerequisite: none has been learned yet.
    """
    found = home.registry.contract(task.id)
    if found is None:
        raise MissingPrerequisite(f"no contract of {task.name} has been learned yet", hint="freehold tasks --refresh")
    return home.registry.sign_contract(task.id, by=sign) if sign else found
