"""Know a call by how its input reads, where no prompt tells it. Standard library only: it runs on the path of a call.

An input's words, pairs of words and beginnings of words are hashed into buckets; a profile says how likely each bucket
is in a task's inputs (multinomial naive Bayes). The likeliest task wins, if the input reads like its inputs at all; it
is certain only where the lead over every other task is as large as it was for nearly all calls that were right.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from zlib import crc32

from freehold.vocabulary import Profile

from ._request import View
from ._text import clipped, words

BUCKETS = 4096
STEP = 0.04
"""Natural logarithm of likelihood that one step of a weight stands for."""

_MASK = BUCKETS - 1
_HEAD_CHARS = 500
_TAIL_CHARS = 200
_MOST_WORDS = 200
_BEGINNING = 4
_SAME_SENDER = 2.0


class Reader:
    """A profile made ready: how likely a text is in the task's inputs, and how much likelier than elsewhere."""

    __slots__ = ("_excess", "profile")

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._excess = [a - b for a, b in zip(profile.weights, profile.background or bytes(BUCKETS), strict=True)]

    def likelihood(self, found: Sequence[int]) -> float:
        """Log likelihood of a text's features, over the root of their number (they are not independent)."""
        n = len(found)
        return (n * self.profile.unseen + STEP * sum(map(self.profile.weights.__getitem__, found))) / math.sqrt(n)

    def likeness(self, found: Sequence[int]) -> float:
        """How much likelier than elsewhere a text's features are here, beside what is usual: 0 usual, below 0 less.

        By the root of their number, because the mean of many features varies less.
        """
        n = len(found)
        return (STEP * sum(map(self._excess.__getitem__, found)) / n - self.profile.typical) * math.sqrt(n)


class Leading(NamedTuple):
    """The likeliest of some profiles: its place, and how far it leads the next one."""

    place: int
    lead: float


def buckets(text: str) -> list[int]:
    """The buckets of a text's features; the same in every process. A long text counts by its beginning and end."""
    found: list[int] = []
    before = 1
    for word in words(clipped(text, _HEAD_CHARS, _TAIL_CHARS).casefold())[:_MOST_WORDS]:
        encoded = word.encode("utf-8", "surrogatepass")
        own = crc32(encoded)
        found.append(own & _MASK)
        found.append(crc32(encoded, before) & _MASK)
        if len(word) > _BEGINNING:
            found.append(crc32(encoded[:_BEGINNING], 2) & _MASK)
        before = own
    found.append(crc32(b"\x03", before) & _MASK)
    return found


def input_text(seen: View) -> str:
    """The text of a call that profiles look at: its last message."""
    return seen.texts[-1] if seen.texts else ""


class Reading(NamedTuple):
    """What profiles make of a text.

    `place` is that of the likeliest; `likely`: the text reads quite like its inputs; `certain`: the profile also leads
    every other by enough.
    """

    place: int
    likely: bool
    certain: bool


def recognised(readers: Sequence[Reader], seen: View) -> Reading | None:
    """Whose input a call's text reads like, if like any."""
    found = buckets(input_text(seen))
    likelihoods = [reader.likelihood(found) for reader in readers]
    first = leading(likelihoods, [seen.sender in reader.profile.senders for reader in readers])
    reader = readers[first.place]
    likeness = reader.likeness(found)
    if likeness < reader.profile.near:
        return None
    likely = likeness >= reader.profile.sure
    return Reading(first.place, likely, likely and first.lead >= reader.profile.lead)


def leading(likelihoods: Sequence[float], known: Iterable[bool]) -> Leading:
    """The likeliest, and its lead. One that knows the sender is preferred where the text leaves it open."""
    weighed = [value + _SAME_SENDER * knows for value, knows in zip(likelihoods, known, strict=True)]
    place = max(range(len(weighed)), key=lambda i: (weighed[i], -i))
    others = [value for i, value in enumerate(weighed) if i != place]
    return Leading(place, weighed[place] - max(others) if others else math.inf)
