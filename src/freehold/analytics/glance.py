"""A glance at a task's calls while they go by: a small random sample, looked at for personal data and for alikeness.

What `freehold task stats` measures in full, cheap enough for every verdict. Personal data is that which has a form of
its own (`tasks.personal`); names and addresses are not looked for, so that finding none proves nothing of them.
"""

from __future__ import annotations

from freehold.errors import FreeholdError
from freehold.tasks.personal import personal_data
from freehold.tasks.sampling import Sample
from freehold.tasks.stated import has_body
from freehold.vocabulary import Call, Match
from freehold.wire.known import dialect

from .findings import Glanced

MOST = 200
"""Calls that are looked at."""

_MOST_CHARS = 8_000


class Glance:
    """Takes a task's calls, in any order, and keeps a sample of their texts."""

    def __init__(self) -> None:
        self._texts: Sample[tuple[str, str | None]] = Sample(MOST)

    def add(self, call: Call, match: Match) -> None:
        """Take one call into account; without bodies there is nothing to look at."""
        if not has_body(call.request):
            return
        if not self._texts.wants(call.id):
            self._texts.skip()
            return
        self._texts.add(call.id, call.started_at_us, ("\x1f".join(match.inputs)[:_MOST_CHARS], _answer(call)))

    def glanced(self) -> Glanced:
        """What was seen so far."""
        texts = self._texts.values()
        found = [personal_data((text, answer or "")) for text, answer in texts]
        answers = [answer for _, answer in texts if answer is not None]
        return Glanced(
            looked_at=len(texts),
            of=self._texts.seen,
            personal=sum(map(bool, found)),
            kinds=tuple(sorted({kind for kinds in found for kind in kinds})),
            answers=len(answers),
            distinct=len(set(answers)),
        )


def _answer(call: Call) -> str | None:
    if call.outcome != "ok":
        return None
    try:
        text = dialect(call.dialect).answer_text(call.response)
    except (FreeholdError, KeyError):
        return None
    return None if text is None else text[:_MOST_CHARS]
