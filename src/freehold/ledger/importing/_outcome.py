"""What reading a record came to: calls, nothing, or a reason."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from freehold.vocabulary import Call, Feedback

from .protocol import UNREADABLE, Format, Mark, Record, Rejected, why


class Outcome(msgspec.Struct, array_like=True, gc=False):
    """The calls of a record with what was said of them, and why it was rejected, "" where it was not.

    A record that has neither is of the format, and no call. `number` and `end` are the record's.
    """

    number: int
    end: Mark
    calls: list[Call]
    said: list[Feedback]
    reason: str = ""


def outcome(form: Format, record: Record) -> Outcome:
    """Read a record."""
    if record.fault:
        return Outcome(record.number, record.end, [], [], record.fault)
    reason = ""
    try:
        found = form.read(record.data)
    except (Rejected, *UNREADABLE) as error:
        reason = why(error) or "it cannot be read"
        found = error.found if isinstance(error, Rejected) else ()
    said: Sequence[Feedback] = [one for _, some in found for one in some]
    return Outcome(record.number, record.end, [call for call, _ in found], list(said), reason)
