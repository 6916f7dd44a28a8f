"""Calls against providers that fail by script, on a clock of its own: hours of trouble in a fraction of a second."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.support.clock import Clock

from freehold.gateway.resilience.course import Course, Step
from freehold.gateway.resilience.health import Health, Permit
from freehold.gateway.resilience.judgement import Judgement
from freehold.gateway.resilience.policy import LIVE, Policy, TargetName

Fate = Callable[[TargetName, float], tuple[Judgement, float]]
"""What becomes of an attempt at a target at a time, and how many seconds that takes."""


@dataclass
class Call:
    """One call: when it came, its attempts, and how it ended."""

    came: float
    attempts: list[tuple[TargetName, float]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    ended: str = ""
    over: float = 0.0


class Storm:
    """A gateway's targets, and calls that come at given times.

    Args:
        fate: what becomes of each attempt.
        policy: how calls are tried.
        seed: of everything that is left to chance.
        total_s: how long a call may take.
    """

    def __init__(self, fate: Fate, policy: Policy = Policy(), seed: int = 1, total_s: float = 60.0) -> None:  # noqa: B008
        self.clock = Clock(0.0)
        self.health = Health(policy, self.clock, Random(seed))
        self.calls: list[Call] = []
        self._fate, self._total_s = fate, total_s
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Do something at a time."""
        self._count += 1
        heapq.heappush(self._events, (when, self._count, what))

    def call(self, when: float, *chain: TargetName, priority: int = LIVE) -> Call:
        """A call that comes at a time."""
        call = Call(when)
        self.calls.append(call)
        self.at(when, lambda: _Going(self, call, chain, priority))
        return call

    def run(self) -> Storm:
        """Let everything happen."""
        while self._events:
            self.clock.now, _, what = heapq.heappop(self._events)
            what()
        assert self.health.in_flight == 0
        return self

    def attempts(self, provider: str = "") -> int:
        """How many requests were sent, to a provider or in all."""
        return sum(not provider or target.provider == provider for one in self.calls for target, _ in one.attempts)

    def ends(self) -> Counter[str]:
        """How calls ended."""
        return Counter(one.ended for one in self.calls)


class _Going:
    """A call on its way."""

    def __init__(self, storm: Storm, call: Call, chain: tuple[TargetName, ...], priority: int) -> None:
        self.storm, self.call = storm, call
        ends_at = storm.clock() + storm._total_s
        self.priority = priority
        self.course = Course(storm.health, chain, priority, ends_at, streamed=False)
        self.take(self.course.first())

    def take(self, step: Step) -> None:
        if step.permit is not None:
            self.ask(step.permit)
        elif step.pause_s is not None:
            self.call.pauses.append(step.pause_s)
            self.storm.at(self.storm.clock() + step.pause_s, lambda: self.take(self.course.resume()))
        elif step.full:
            self.wait()
        else:
            self.end("failed")

    def wait(self) -> None:
        from freehold.errors import Overloaded

        storm = self.storm
        try:
            ticket = self.course.wait(self)
        except Overloaded:
            self.end("shed")
            return

        def expire() -> None:
            if ticket.live:
                storm.health.leave(ticket)
                storm.health.overloaded(self.priority, "waited")
                self.end("shed")

        storm.at(storm.clock() + storm.health.policy.queue_timeout_s, expire)

    def admitted(self) -> None:
        self.take(self.course.resume())

    def shed(self, error: Exception) -> None:
        assert 1 <= error.retry_after_s <= 30  # type: ignore[attr-defined]
        self.end("shed")

    def ask(self, permit: Permit) -> None:
        storm, began = self.storm, self.storm.clock()
        self.call.attempts.append((permit.target, began))
        judgement, seconds = storm._fate(permit.target, began)

        def done() -> None:
            permit.done(judgement.verdict, storm.clock() - began, judgement.told_s)
            if judgement.verdict in {"ok", "cancelled"}:
                self.end(judgement.verdict)
            else:
                self.take(self.course.after(permit.target, judgement))

        storm.at(began + seconds, done)

    def end(self, how: str) -> None:
        assert not self.call.ended
        self.call.ended, self.call.over = how, self.storm.clock()
