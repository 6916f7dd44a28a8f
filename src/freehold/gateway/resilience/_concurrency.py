"""How many requests a target bears at once: found out when it says that it is too much, and only if that helps.

Additive increase, multiplicative decrease, with a doubt: signs of overload (429, 503, 529, no answer in time) do not
always mean that fewer requests would fare better. A limit for every minute is used up whatever we do, and one call in
two may fail for reasons of its own; to hold calls back then would add an outage to the trouble. So what the target
answers well in a second is measured before the first cut, and all cuts are taken back once it is much less than that.
"""

from __future__ import annotations

from math import inf

_LEAST = 1.0
_CUT = 0.9
_PAUSE_S = 1.0
_MUCH = 0.1
_KEPT = 0.7
_WINDOW_S, _LONG_WINDOW_S = 3.0, 10.0  # several bursts, so that where in one a window ends matters little
_ENOUGH = 20
_HOLD_S, _LONGEST_HOLD_S = 30.0, 600.0


class Concurrency:
    """The limit on requests under way to one target.

    It begins at its ceiling. A window of some seconds in which a tenth of the answers were signs of overload cuts it
    below the fewest requests that were too many; from then on each sign cuts it to nine tenths of what was under way,
    once a second, and each good answer raises it, by one request and 5 % a round trip, while at least half is used.

    Attributes:
        limit: how many may be under way.
        calm: it is at its ceiling and nothing is being watched: good answers need not be told.

    Args:
        ceiling: what the limit never exceeds.
    """

    __slots__ = ("_began", "_cut_at", "_good", "_hold_s", "_hold_until", "_lowest", "_over", "_usual", "calm",
                 "ceiling", "limit")  # fmt: skip

    def __init__(self, ceiling: float) -> None:
        self.ceiling = self.limit = ceiling
        self.calm = True
        self._usual = 0.0  # good answers in a second before the first cut; 0: nothing is cut
        self._cut_at = 0.0
        self._hold_s, self._hold_until = _HOLD_S, 0.0
        self._restart(0.0)

    def good(self, under_way: int, now: float) -> None:
        """A good answer came; `under_way` counts its request too."""
        self._good += 1
        if self.limit < self.ceiling and under_way >= self.limit * 0.5:
            self.limit = min(self.ceiling, self.limit + 1.0 / self.limit + 0.05)
        self._look(now)

    def over(self, under_way: int, now: float) -> None:
        """A sign of overload came; `under_way` counts the request that brought it."""
        if self.calm:
            self.calm = False
            self._restart(now)
        self._over += 1
        self._lowest = min(self._lowest, under_way)
        if self._usual and now - self._cut_at >= _PAUSE_S:
            self._cut(under_way, now)
        self._look(now)

    def _cut(self, under_way: float, now: float) -> None:
        self._cut_at = now
        self.limit = max(_LEAST, min(self.limit, under_way * _CUT))

    def _restart(self, now: float) -> None:
        self._began = now
        self._good = self._over = 0
        self._lowest = inf

    def _look(self, now: float) -> None:
        """At the end of a window: begin to cut, take all cuts back, or go on."""
        span_s = now - self._began
        count = self._good + self._over
        if span_s < _WINDOW_S or (count < _ENOUGH and span_s < _LONG_WINDOW_S):
            return
        a_second = self._good / span_s
        if self._usual and self._over and a_second < self._usual * _KEPT:
            self.limit, self._usual = self.ceiling, 0.0
            self._hold_until = now + self._hold_s
            self._hold_s = min(_LONGEST_HOLD_S, self._hold_s * 2.0)
        elif not self._usual and self._over >= count * _MUCH and now >= self._hold_until:
            self._usual = a_second
            if a_second:
                self._cut(self._lowest, now)
        elif not self._over and self.limit >= self.ceiling:
            self._usual, self._hold_s = 0.0, _HOLD_S
            self.calm = True
        self._restart(now)
