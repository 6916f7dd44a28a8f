"""A random sample of calls in constant memory, the same in every run and in whatever order the calls come."""

from __future__ import annotations

import hashlib
import heapq
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class _Drawn(NamedTuple, Generic[T]):
    order: int
    call_id: str
    at_us: int
    number: int
    value: T


class Sample(Generic[T]):
    """Of all that is added it keeps `most`: those whose call's id has the smallest digest.

    A call's id says nothing of its content, so this is a random sample without replacement. `seen` counts all.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[_Drawn[T]] = []
        self.seen = 0

    def add(self, call_id: str, at_us: int, value: T) -> None:
        """Take one call into account. Two calls with one id count as two."""
        self.seen += 1
        order = -digest(call_id)
        if len(self._kept) < self._most:
            heapq.heappush(self._kept, _Drawn(order, call_id, at_us, self.seen, value))
        elif (order, call_id, at_us) > self._kept[0][:3]:
            heapq.heapreplace(self._kept, _Drawn(order, call_id, at_us, self.seen, value))

    def wants(self, call_id: str) -> bool:
        """Whether a call would be kept; looking up what to keep of it can be spared where not."""
        return len(self._kept) < self._most or -digest(call_id) >= self._kept[0].order

    def skip(self) -> None:
        """Count a call that is not wanted."""
        self.seen += 1

    def values(self) -> list[T]:
        """What was kept, in order of time."""
        return [one.value for one in sorted(self._kept, key=lambda one: (one.at_us, one.call_id))]


def digest(text: str) -> int:
    """A number of 64 bits that says nothing of the text, the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
