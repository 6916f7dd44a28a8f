"""Which segments become one, so that there are few of them and a call is rewritten a few times in its life.

Segments of one UTC day (by their first call) are merged with each other only, so that what leaves with time leaves as
whole files. While a day is young, segments of about one size wait until there are `FAN_IN` of them: each merge lifts a
call one size, `FAN_IN` times larger. A day that has been over for a day is brought down to few segments, as long as the
largest of a merge is at most `LARGEST` of it: a late call cannot have the whole day rewritten again and again, and
each rewriting of a call makes its segment a quarter larger at least. Nothing that is larger than `MOST_ROWS` or
`MOST_BYTES` comes of a merge, and no more disk than that is needed meanwhile; sources go later, as after sealing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import log

from ._manifest import SegmentEntry

FAN_IN = 16
LARGEST = 0.8
MOST_ROWS = 2_000_000
MOST_BYTES = 256 * 1024 * 1024
OLD_AFTER_US = 2 * 86_400_000_000
_DAY_US = 86_400_000_000


def merges(segments: Iterable[SegmentEntry], now_us: int) -> list[tuple[SegmentEntry, ...]]:
    """Groups of segments that should each become one now, in order of time."""
    days = defaultdict[int, list[SegmentEntry]](list)
    for segment in segments:
        if segment.rows * 2 <= MOST_ROWS and segment.size * 2 <= MOST_BYTES:
            days[segment.first_us // _DAY_US].append(segment)
    found: list[tuple[SegmentEntry, ...]] = []
    for day, some in sorted(days.items()):
        old = now_us - day * _DAY_US >= OLD_AFTER_US
        found += _old(some) if old else _young(some)
    return found


def _young(segments: Sequence[SegmentEntry]) -> list[tuple[SegmentEntry, ...]]:
    sizes = defaultdict[int, list[SegmentEntry]](list)
    for segment in segments:
        sizes[int(log(max(segment.rows, 1), FAN_IN) + 1e-9)].append(segment)
    return [_in_order(some) for some in map(_that_fit, sizes.values()) if len(some) >= FAN_IN]


def _old(segments: Sequence[SegmentEntry]) -> list[tuple[SegmentEntry, ...]]:
    some = _that_fit(segments)
    while len(some) > 1 and some[-1].rows > LARGEST * sum(segment.rows for segment in some):
        some = some[:-1]
    return [_in_order(some)] if len(some) > 1 else []


def _that_fit(segments: Sequence[SegmentEntry]) -> list[SegmentEntry]:
    """The smallest ones, as many as may become one."""
    smallest = sorted(segments, key=lambda segment: (segment.rows, segment.first_us, segment.name))
    rows, sizes = (accumulate(s.rows for s in smallest), accumulate(s.size for s in smallest))
    return [s for s, r, b in zip(smallest, rows, sizes, strict=True) if r <= MOST_ROWS and b <= MOST_BYTES]


def _in_order(segments: Iterable[SegmentEntry]) -> tuple[SegmentEntry, ...]:
    return tuple(sorted(segments, key=lambda segment: (segment.first_us, segment.name)))
