"""Every format that can be imported, and which of them a source is."""

from __future__ import annotations

from typing import NamedTuple

from freehold.errors import BadLog, UsageError

from .calls import CALLS
from .foreign import formats as foreign
from .openai_batch import BATCH
from .openai_lines import OPENAI
from .openai_stored import STORED
from .openpipe import OPENPIPE
from .protocol import Format, Head

FORMATS: dict[str, Format] = {one.name: one for one in (CALLS, OPENAI, BATCH, STORED, OPENPIPE, *foreign.FORMATS)}
"""The formats by name, in the order in which they are listed."""

_LEAST = 0.5
"""A format that is less sure than this of a source has not recognised it."""
_CLEAR = 0.1
"""A format that is surer than every other by less than this is one of several possible."""


class Detected(NamedTuple):
    """A source's format, and by what it was known."""

    format: Format
    reason: str


def format_named(name: str) -> Format:
    """The format of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in FORMATS:
        raise UsageError(f"{name} is no format", hint=f"the formats are {', '.join(FORMATS)}")
    return FORMATS[name]


def detect(head: Head) -> Detected:
    """Which format a source is of.

    Raises:
        BadLog: it is of none, or could be of several: the message says of which and why.
    """
    guesses = [(guess, one) for one in FORMATS.values() if (guess := one.detect(head)) and guess.confidence >= _LEAST]
    if not guesses:
        raise BadLog(
            f"{head.name} is of no format that is known ({_seen(head)})",
            hint=f"--format takes {', '.join(FORMATS)}; docs/imports.md says what they look like",
        )
    guesses.sort(key=lambda found: -found[0].confidence)
    best, chosen = guesses[0]
    close = [found for found in guesses if best.confidence - found[0].confidence < _CLEAR]
    if len(close) > 1:
        could = "; or ".join(f"{one.name}, {guess.reason}" for guess, one in close)
        choices = " or ".join(f"--format {one.name}" for _, one in close)
        raise BadLog(f"{head.name} could be {could}", hint=f"say which: {choices}", code="ambiguous_log")
    return Detected(chosen, best.reason)


def _seen(head: Head) -> str:
    """The names of fields, as far as they are surely names and no content."""
    names = head.columns or tuple(head.records[0] if head.records else ())
    plain = [name for name in names if len(name) <= 40 and name.replace("_", "").replace(".", "").isalnum()]
    kind = "its columns" if head.columns else "the fields of its first record"
    return f"{kind}: {', '.join(plain[:12])}" if plain else "its records have no named fields"
