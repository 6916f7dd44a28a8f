"""Is a set of values closed? What has been seen tells what has not, without an assumption of how values are spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from freehold.vocabulary import Unseen

MOST_OUTSIDE = 0.01


def unseen(values: Sequence[str]) -> Unseen:
    """Count what tells the unseen mass of values in order of time.

    The later half is judged by the earlier one: the share of it that is new estimates, without bias, what the earlier
    half had not seen, and the whole has seen at least as much.
    """
    counts = Counter(values)
    half = len(values) // 2
    earlier = set(values[:half])
    later = values[half:] if half else []
    return Unseen(
        n=len(values),
        distinct=len(counts),
        once=sum(count == 1 for count in counts.values()),
        twice=sum(count == 2 for count in counts.values()),
        held_back=len(later),
        outside=sum(value not in earlier for value in later),
    )


def good_turing(seen: Unseen) -> float:
    """The share of next values that are none of those seen (Good 1953): those that came once, among all."""
    return seen.once / seen.n if seen.n else 1.0


def chao(seen: Unseen) -> float:
    """How many different values there are at least (Chao 1984, in its form without bias)."""
    return seen.distinct + seen.once * (seen.once - 1) / (2 * (seen.twice + 1))


def looks_closed(seen: Unseen) -> bool:
    """Whether hardly any value is expected that is not known: by those that came once, and by the later half."""
    return good_turing(seen) <= MOST_OUTSIDE and seen.outside <= MOST_OUTSIDE * max(1, seen.held_back)
