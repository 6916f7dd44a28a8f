"""When a target is taken out because it fails, and how it comes back.

It is ejected after some failures in a row, or when half of its last answers failed: for a while nobody asks it, then
one call at a time tries whether it is back (a probe). Each ejection lasts twice as long as the one before, give or take
a fifth by chance, so that a target that comes and goes at just our period meets us less and less; every healthy stretch
as long as the last ejection halves the next one again. What is the client's doing, or ours, is not told to it.
"""

from __future__ import annotations

from random import Random

_LONGEST_S = 120.0
_MOST_DOUBLINGS = 16
_ON_PROBATION = 2
_KEPT = 64
_NEEDED = 20
_STALE_S = 60.0


class Breaker:
    """The state of one target.

    Attributes:
        closed: it may be asked by anybody.
        epoch: how often it was ejected; what was sent before the last ejection says nothing new when it fails.
        until: when the first probe may be sent, where it is not closed.

    Args:
        after: failures in a row that eject it; 0: it is never ejected.
        first_s: how long the first ejection lasts.
        random: spreads the ejections.
    """

    __slots__ = ("_after", "_closed_at", "_failed_at", "_first_s", "_level", "_probed_at", "_probing", "_random",
                 "_recent", "_span_s", "_streak", "closed", "epoch", "until")  # fmt: skip

    def __init__(self, after: int, first_s: float, random: Random) -> None:
        self.closed = True
        self.epoch = 0
        self.until = 0.0
        self._after, self._first_s, self._random = after, first_s, random
        self._level = 0
        self._span_s = 0.0
        self._closed_at = self._failed_at = self._probed_at = 0.0
        self._probing = False
        self._streak = 0
        self._recent = 1  # a leading 1, then a bit for each of the last answers: 1 where it failed

    @property
    def may_eject(self) -> bool:
        """Whether the settings want anything ejected."""
        return self._after > 0

    def answered(self) -> None:
        """A good answer, while it is closed."""
        self._streak = 0
        self._note(0)

    def failed(self, now: float) -> bool:
        """A failure, while it is closed. True: that was too much, and it is ejected now."""
        if now - self._failed_at > _STALE_S:
            self._recent = 1
        self._failed_at = now
        self._streak += 1
        self._note(1)
        if not self._after or not (self._streak >= self._patience(now) or self._half_failed()):
            return False
        self._forgive(now)
        self.eject(now)
        return True

    def eject(self, now: float, least_s: float = 0.0) -> None:
        """Take it out, for `least_s` at the least; again, where a probe failed."""
        self._level += 1
        span_s = min(_LONGEST_S, self._first_s * 2.0 ** min(self._level - 1, _MOST_DOUBLINGS))
        self._span_s = max(least_s, span_s * self._random.uniform(0.8, 1.2))
        self.until = now + self._span_s
        self.closed = self._probing = False
        self.epoch += 1

    def probe_due(self, now: float) -> bool:
        """Whether a probe may be sent. One that has not been heard of for a whole ejection is taken for lost."""
        if self.closed or now < self.until:
            return False
        return not self._probing or now - self._probed_at > self._span_s

    def probe(self, now: float) -> None:
        """A probe is sent."""
        self._probing, self._probed_at = True, now

    def unprobe(self) -> None:
        """The probe ended without evidence: the next call may be one."""
        self._probing = False

    def close(self, now: float) -> None:
        """It answers again."""
        self.closed, self._probing = True, False
        self._closed_at = now
        self._streak = 0
        self._recent = 1

    def _note(self, failed: int) -> None:
        recent = self._recent << 1 | failed
        self._recent = recent if recent < 2 << _KEPT else recent & ((1 << _KEPT) - 1) | 1 << _KEPT

    def _half_failed(self) -> bool:
        count = self._recent.bit_length() - 1
        return count >= _NEEDED and (self._recent.bit_count() - 1) * 2 >= count

    def _patience(self, now: float) -> int:
        """Failures in a row that are too many: fewer for a target that has only just come back."""
        on_probation = self._level > 0 and now - self._closed_at < self._span_s
        return min(_ON_PROBATION, self._after) if on_probation else self._after

    def _forgive(self, now: float) -> None:
        if self._level > 0 and self._span_s > 0:
            self._level = max(0, self._level - int((now - self._closed_at) / self._span_s))
