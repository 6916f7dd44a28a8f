"""What people say of a call that was answered."""

from __future__ import annotations

from typing import Literal

import msgspec

FeedbackKind = Literal["score", "gold", "correction", "comment"]
"""`gold`: the right answer, by somebody who labels calls. `correction`: the right answer, by somebody who got a wrong
one. `score`: a number under a name. `comment`: words.
"""


class Feedback(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that one person, or one key, said of one call.

    `value` is a number for a score and text for everything else; a right answer stands in canonical form
    (`wire.canonical`). `name` tells several scores apart. `given_by` is a person or the name of a virtual key,
    `via` is the way it came: `gateway`, `cli` or `import`. The same voice saying something else under the same kind and
    name takes back what it said before. Scores have no scale of their own: 0 and 1 for thumbs, or whatever the product
    uses, the same for all calls.
    """

    call_id: str
    kind: FeedbackKind
    value: float | str
    name: str = ""
    given_by: str = ""
    via: str = ""
    at_us: int = 0


def statements(
    call_id: str,
    *,
    gold: str | None = None,
    correction: str | None = None,
    score: float | None = None,
    name: str = "",
    comment: str | None = None,
    given_by: str = "",
    via: str = "",
) -> tuple[Feedback, ...]:
    """Everything that somebody said of a call at once, one `Feedback` each; what was not said is None."""
    said: tuple[tuple[FeedbackKind, float | str | None, str], ...] = (
        ("gold", gold, ""),
        ("correction", correction, ""),
        ("score", score, name),
        ("comment", comment, name if score is not None else ""),
    )
    return tuple(
        Feedback(call_id, kind, value, label, given_by, via) for kind, value, label in said if value is not None
    )
