"""When a new answer replaces the one that somebody may already be acting on.

An answer that wanders with every price list is none: moving a task costs weeks. So the last answer stands until another
has reason to replace it, at most once in thirty days, unless there is a hard reason. `not_enough_evidence` never
replaces an answer by itself: the band in which the evidence does not decide is the band in which the last answer stays.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from freehold.vocabulary import VerdictWord

BETWEEN_FLIPS = timedelta(days=30)
"""The least time from one answer of a task to the next."""


class Held(msgspec.Struct, frozen=True):
    """The answer that stands, and since when."""

    word: VerdictWord
    since: datetime


class Step(NamedTuple):
    """What becomes of a fresh answer. `why`: why it does not stand yet, or what made it stand at once; "" otherwise."""

    held: Held
    flipped: bool
    why: str


def step(held: Held | None, fresh: VerdictWord, at: datetime, hard: str = "") -> Step:
    """The answer that stands after a fresh one.

    Args:
        held: the answer that stood; None where none was ever given.
        fresh: what the verdict says now.
        at: now.
        hard: why the old answer cannot go on standing; "" where it can.
    """
    if held is None or fresh == held.word:
        return Step(held or Held(fresh, at), False, "")
    if hard:
        return Step(Held(fresh, at), True, hard)
    if fresh == "not_enough_evidence":
        return Step(held, False, "the evidence no longer decides, so the last answer stands")
    if held.word == "not_enough_evidence":  # nobody acts on that: the first answer need not wait
        return Step(Held(fresh, at), True, "")
    until = held.since + BETWEEN_FLIPS
    if at < until:
        return Step(held, False, f"an answer stands for thirty days: until {until.date().isoformat()}")
    return Step(Held(fresh, at), True, "")
