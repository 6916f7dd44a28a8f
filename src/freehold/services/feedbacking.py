"""What people say of calls, from the command line: scores, corrections, right answers."""

from __future__ import annotations

from freehold.errors import UsageError
from freehold.ledger import feedback
from freehold.vocabulary.feedback import statements

from . import explaining
from .home import Home
from .promoting import whoever


def give(
    home: Home,
    call_id: str,
    *,
    gold: str | None = None,
    correction: str | None = None,
    score: float | None = None,
    name: str = "",
    comment: str | None = None,
    by: str = "",
) -> str:
    """Keep what a person says of a call, named by its id or its beginning; returns what to tell them.

    Raises:
        UsageError: nothing is said, or a score is named that is not given.
        NotFound: the ledger holds no such call.
    """
    if name and score is None:
        raise UsageError("--name is the name of a score, and there is none", hint="--score 1 --name helpful")
    call = explaining.find(home, call_id)
    said = statements(
        call.id,
        gold=gold,
        correction=correction,
        score=score,
        name=name,
        comment=comment,
        given_by=by or whoever(),
        via="cli",
    )
    if not said or not all(str(one.value).strip() for one in said):
        raise UsageError("nothing is said of the call", hint="--score, --gold, --correction or --comment")
    before = call.gold
    new = feedback.attach(home.path, call.id, said)
    told = (
        f"Call {call.id}: {', '.join(one.kind for one in said)} kept"
        if new
        else f"Call {call.id}: that was said already"
    )
    if correction is None or gold is not None:
        return f"{told}."
    holds = home.ledger.get(call.id).gold
    if holds == correction:
        return f"{told}; it is the call's right answer from now on."
    why = "somebody has given its right answer before" if before is not None else "it has not the form of the answer"
    return f"{told}, and not as the call's right answer: {why}."
