"""A task's contract: learned from its answers, kept by the registry, signed by a person."""

from __future__ import annotations

from freehold.errors import MissingPrerequisite
from freehold.tasks import contracts
from freehold.vocabulary import Call, Contract, Match, Task
from freehold.wire.known import dialect

from .home import Home


class Answers:
    """What the answers of one task were, gathered call by call, for its contract to be learned from."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._answers: list[str] = []
        self._inputs: list[tuple[str, ...]] = []
        self._finish_reasons: list[str | None] = []

    def add(self, call: Call, match: Match) -> None:
        """Take a call into account, if a rented model answered it in full."""
        if call.outcome != "ok" or call.owner != "rented":
            return
        spoken = dialect(call.dialect)
        answer = spoken.answer_text(call.response)
        if answer is not None:
            self._answers.append(answer)
            self._inputs.append(match.inputs)
            self._finish_reasons.append(spoken.finish_reason(call.response))

    def learn(self) -> Contract | None:
        """The contract, or None where there was no answer."""
        if not self._answers:
            return None
        return contracts.learn(
            self._answers,
            templates=self._task.templates,
            inputs=self._inputs,
            finish_reasons=self._finish_reasons,
        )


def contract(home: Home, task: Task, *, sign: str = "") -> Contract:
    """The task's latest contract; with `sign`, signed by that person.

    Raises:
        MissingPrerequisite: none has been learned yet.
    """
    found = home.registry.contract(task.id)
    if found is None:
        raise MissingPrerequisite(f"no contract of {task.name} has been learned yet", hint="freehold tasks --refresh")
    return home.registry.sign_contract(task.id, by=sign) if sign else found
