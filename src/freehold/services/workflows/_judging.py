"""What is known of single answers in the calls looked at: by audits and shadows, and by what people say is right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from freehold.analytics.seen import Seen
from freehold.evidence.losses import Loss, LossName, loss
from freehold.services.home import Home
from freehold.services.rivals import loss_of
from freehold.vocabulary import Call, Certificate, Leg, reasons
from freehold.wire.known import dialect

from ._owned import certified


class Judged(NamedTuple):
    """One answer; see `analytics.runs.Step` for what the parts mean."""

    kept: bool | None = None
    differs: bool | None = None
    wrong: bool | None = None


class Count(msgspec.Struct):
    """Answers that were judged, those that failed, and when the last of them was given (microseconds)."""

    n: int = 0
    errors: int = 0
    until_us: int = 0

    def add(self, error: bool, at_us: int) -> None:  # noqa: FBT001 -- what was judged, not a switch
        """Count one."""
        self.n += 1
        self.errors += error
        self.until_us = max(self.until_us, at_us)


class Judge:
    """Judges every answer it is shown; of tasks in all, `gold` counts those that people judged."""

    def __init__(self, home: Home) -> None:
        tasks = home.registry.tasks()
        self.certificates: Mapping[str, Certificate] = certified(home, [task.id for task in tasks])
        self.losses: Mapping[str, LossName] = {task.id: loss_of(home, task) for task in tasks}
        self.gold: defaultdict[str, Count] = defaultdict(Count)
        self._differs: dict[str, Loss] = {task_id: loss(name) for task_id, name in self.losses.items()}

    def of(self, seen: Seen) -> Judged:
        """What is known of the answer to a call whose task goes by its id."""
        if seen.task not in self._differs:
            return Judged()
        kept, differs = self._owned(seen)
        wrong = self._wrong(seen.call, seen.task)
        if wrong is not None:
            self.gold[seen.task].add(wrong, seen.call.started_at_us)
        return Judged(kept, differs, wrong)

    def _owned(self, seen: Seen) -> tuple[bool | None, bool | None]:
        certificate = self.certificates.get(seen.task)
        leg = _owned_leg(seen.call.legs, certificate.student_id if certificate is not None else "")
        if leg is None:
            return None, None
        if leg.purpose == "serve":
            kept = seen.call.reason == reasons.SURE
            audit = next((one for one in seen.call.legs if one.purpose == "audit" and one.agrees is not None), None)
            return kept, not audit.agrees if kept and audit is not None else None
        if certificate is None or certificate.threshold is None:
            return None, None
        kept = bool(leg.in_scope) and leg.confidence is not None and leg.confidence >= certificate.threshold
        return kept, not leg.agrees if kept and leg.agrees is not None else None

    def _wrong(self, call: Call, task_id: str) -> bool | None:
        """Whether what was served is not what a person says; words alone cannot tell of free text."""
        if call.gold is None or call.outcome != "ok" or self.losses[task_id] == "text":
            return None
        answer = dialect(call.dialect).answer_text(call.response)
        return None if answer is None else self._differs[task_id](answer, call.gold)


def _owned_leg(legs: Iterable[Leg], student_id: str) -> Leg | None:
    """The leg in which an owned model was asked, to serve or in the shadow: that one, or any where none is named."""
    for leg in legs:
        asked = leg.owner == "owned" and leg.purpose in ("serve", "shadow") and leg.outcome == "ok"
        if asked and student_id in ("", leg.model):
            return leg
    return None
