"""What is known of one target, and what it learns from each attempt."""

from __future__ import annotations

from ._breaker import Breaker
from ._budget import RetryBudget
from ._concurrency import Concurrency
from ._latency import Latencies
from .judgement import Verdict
from .policy import TargetName

_FIRST_COOL_S, _MOST_COOL_S = 1.0, 30.0
_TOLD_COOL_S = 600.0
_SPENT_S = 300.0
_SILENT, _SILENCE_LEAST_S, _SILENCE_TIMES = 3, 5.0, 3.0


class State:
    """One target.

    Attributes:
        well: it is neither ejected nor cooling. The only thing that a healthy call looks at, and brought up to date by
            `back` alone.
        answered: it has answered at least once, so that its name is more than what a client wrote.
        unanswered, heard_at: requests of which no byte has come back, and when one last did.
        whole, first: how long its whole answers took, and the first bytes of its streams.
        cool_until: how long it has asked to be left alone.
        ejections: how often it was taken out, by reason.
    """

    __slots__ = ("_limited", "answered", "breaker", "budget", "concurrency", "cool_until", "ejections", "first",
                 "heard_at", "in_flight", "target", "unanswered", "well", "whole")  # fmt: skip

    def __init__(self, target: TargetName, breaker: Breaker, budget: RetryBudget, ceiling: float) -> None:
        self.target = target
        self.breaker = breaker
        self.budget = budget
        self.concurrency = Concurrency(ceiling)
        self.in_flight = self.unanswered = 0
        self.heard_at = 0.0
        self.well = True
        self.answered = False
        self.whole, self.first = Latencies(), Latencies()
        self.ejections: dict[str, int] = {}
        self.cool_until = 0.0
        self._limited = 0

    def back(self, now: float) -> bool:
        """Whether it may be asked, by everybody or by a probe."""
        if now < self.cool_until:
            return False
        if self.breaker.closed:
            self.well = True
            return True
        return self.breaker.probe_due(now)

    def look_for_silence(self, now: float) -> None:
        """Take it out where several requests wait and nothing has come back for three times as long as usual.

        Their own patience may be minutes, and every further call would wait as long.
        """
        if self.unanswered < _SILENT or not self.well or not self.breaker.may_eject:
            return
        usual_s = max(self.whole.quantile(0.95) or 0.0, self.first.quantile(0.95) or 0.0)
        if usual_s and now - self.heard_at > max(_SILENCE_LEAST_S, _SILENCE_TIMES * usual_s):
            self.breaker.eject(now)
            self.ejections["silent"] = self.ejections.get("silent", 0) + 1
            self.well = False

    @property
    def back_at(self) -> float:
        """When it may be asked again."""
        return max(self.cool_until, 0.0 if self.breaker.closed else self.breaker.until)

    def answered_well(self) -> None:
        """A good answer from a target that is well: all that happens on most days."""
        self.breaker.answered()
        self.answered = True
        self._limited = 0

    def learn(
        self, verdict: Verdict, told_s: float | None, now: float, *, epoch: int, probe: bool, resort: bool
    ) -> None:
        """Take what an attempt showed, where it was not simply well.

        Args:
            verdict: how it ended.
            told_s: when the target wants to be asked again, where it said so.
            now: the clock's reading.
            epoch: the breaker's when the attempt began. What began before an ejection says nothing new of it.
            probe: the attempt tried whether the target is back.
            resort: the target was out, and asked because all were.
        """
        breaker = self.breaker
        fresh = epoch == breaker.epoch
        if verdict in {"cancelled", "hurried"}:
            if probe and fresh:
                breaker.unprobe()
        elif verdict in {"ok", "refused", "limited"}:
            if fresh and not breaker.closed and (probe or resort):
                breaker.close(now)
            if verdict == "ok":
                self.answered = True
                self._limited = 0
                if breaker.closed:
                    breaker.answered()
            elif verdict == "limited":
                self._cool(told_s, now)
        elif fresh:
            if verdict in {"slow", "overloaded"}:
                self.concurrency.over(self.in_flight, now)
            if told_s is not None and verdict != "spent":
                self._rest(told_s, now)
            self._failed(verdict, now, probe=probe)
        self.well = breaker.closed and now >= self.cool_until

    def revived(self, now: float, epoch: int) -> None:
        """A probe has brought its first byte."""
        if epoch == self.breaker.epoch and not self.breaker.closed:
            self.breaker.close(now)
            self.answered = True
            self.well = now >= self.cool_until

    def _failed(self, verdict: Verdict, now: float, *, probe: bool) -> None:
        breaker = self.breaker
        if verdict == "spent":
            breaker.eject(now, _SPENT_S)
        elif probe:
            breaker.eject(now)
        elif not breaker.closed or not breaker.failed(now):
            return
        reason = "spent" if verdict == "spent" else "failed"
        self.ejections[reason] = self.ejections.get(reason, 0) + 1

    def _cool(self, told_s: float | None, now: float) -> None:
        """It says that we ask too much: leave it alone as long as it says, else a second, then two, four ..."""
        self.concurrency.over(self.in_flight, now)
        if now < self.cool_until and told_s is None:
            return
        if told_s is None:
            told_s = min(_MOST_COOL_S, _FIRST_COOL_S * 2.0 ** min(self._limited, 8))
        self._limited += 1
        self._rest(told_s, now)
        self.ejections["limited"] = self.ejections.get("limited", 0) + 1

    def _rest(self, told_s: float, now: float) -> None:
        self.cool_until = max(self.cool_until, now + min(told_s, _TOLD_COOL_S))
