"""One call's way through its targets: whom to ask first, whom next, when again, and when to stop.

After a failure another target is asked at once, if one may answer better: that is faster than waiting, and spares the
one that ails. Only when all have been tried is one asked again, after a pause and within the budget. Nothing begins
that the call's deadline would not let end.
"""

from __future__ import annotations

from math import inf

import msgspec

from ._waiting import Ticket, Waiter
from .health import Chain, Health, No, Permit
from .judgement import Judgement
from .policy import TargetName

_FIRST_PAUSE_S, _MOST_PAUSE_S = 0.25, 8.0


class Step(msgspec.Struct, frozen=True):
    """What to do now: use `permit`, or `resume` after `pause_s`, or `wait` and then `resume`, or else stop."""

    permit: Permit | None = None
    pause_s: float | None = None
    full: bool = False


STOP = Step()
_FULL = Step(full=True)


class Course:
    """The attempts of one call.

    Args:
        health: how all targets are doing.
        chain: who would do, first choice first.
        priority: who waits for the answer.
        ends_at: when the call must be over, on the clock of `health`.
        streamed: whether the answer will be a stream.
        stand_in: whether somebody else answers where all are out.
    """

    __slots__ = ("_again", "_chain", "_full", "_health", "_pauses", "_priority", "_stand_in", "_tried", "ends_at",
                 "streamed")  # fmt: skip

    def __init__(
        self, health: Health, chain: Chain, priority: int, ends_at: float, *, streamed: bool, stand_in: bool = False
    ) -> None:
        self._health = health
        self._chain = chain
        self._priority = priority
        self._tried: dict[TargetName, float] = {}  # when each may be asked again; never: infinity
        self._again: TargetName | None = None
        self._full: Chain = ()
        self._pauses = 0
        self._stand_in = stand_in
        self.ends_at = ends_at
        self.streamed = streamed

    @property
    def remaining_s(self) -> float:
        """What is left of the call's time; never less than nothing."""
        return max(0.0, self.ends_at - self._health.clock())

    def first(self) -> Step:
        """Whom to ask first."""
        return self._begin(self._chain)

    def note(self, target: TargetName, judgement: Judgement) -> None:
        """Remember that an attempt has failed, while another one is under way."""
        self._tried[target] = self._health.clock() + (judgement.told_s or 0.0) if judgement.again else inf

    def after(self, target: TargetName, judgement: Judgement) -> Step:
        """What to do when an attempt at a target has failed before its client got a byte.

        The permit is to be `done` before.
        """
        self.note(target, judgement)
        if not judgement.elsewhere and not judgement.again:
            return STOP
        if judgement.elsewhere:
            rest = tuple(one for one in self._chain if one not in self._tried and self._has_time(one))
            if rest:
                step = self._begin(rest)
                if step is not STOP:
                    return step
        return self._pause()

    def resume(self) -> Step:
        """The pause or the wait is over: ask."""
        if self._again is None:
            return self._begin(self._full)
        permit = self._health.again(self._again, self._priority, streamed=self.streamed)
        return self._step(permit, (self._again,))

    def wait(self, waiter: Waiter) -> Ticket:
        """Wait for room, where a step said that everything is full.

        Raises:
            Overloaded: too many wait already.
        """
        return self._health.wait(self._full, self._priority, waiter)

    def hedge(self, target: TargetName) -> Permit | None:
        """Leave to ask twice, while an attempt at `target` is taking longer than usual: the next target, or the same.

        It costs a retry from the budget of whoever is asked, and never waits.
        """
        chain = (*(one for one in self._chain if one not in self._tried and one != target), target)
        for one in chain:
            permit = self._health.hedge(one) if self._has_time(one) else None
            if permit is not None:
                return permit
        return None

    def _begin(self, chain: Chain) -> Step:
        self._again = None
        asked = {one.provider for one in self._tried} if self._tried else ()
        permit = self._health.begin(chain, self._priority, streamed=self.streamed, asked=asked, stand_in=self._stand_in)
        return self._step(permit, chain)

    def _step(self, permit: Permit | No, chain: Chain) -> Step:
        if isinstance(permit, Permit):
            return Step(permit)
        self._full = chain
        return _FULL if permit is No.FULL else STOP

    def _has_time(self, target: TargetName, pause_s: float = 0.0) -> bool:
        return self.remaining_s - pause_s >= self._health.typical_s(target)

    def _pause(self) -> Step:
        """Everybody has been tried: the one that is soonest ready, once more."""
        health, now = self._health, self._health.clock()
        waits = {target: max(ready_at - now, health.rest_s(target)) for target, ready_at in self._tried.items()}
        target = min(waits, key=waits.__getitem__)
        if self._pauses >= health.policy.retries or waits[target] > health.policy.retry_wait_s:
            return STOP
        most_s = min(_MOST_PAUSE_S, _FIRST_PAUSE_S * 2.0**self._pauses)
        pause_s = waits[target] + health.random.uniform(0.0, most_s)
        if not self._has_time(target, pause_s) or not self._health.spend(target):
            return STOP
        self._pauses += 1
        self._again = target
        return Step(pause_s=pause_s)
