"""How every (provider, model) is doing, and who may be asked now.

One object in each gateway process, on one clock, because the parts must agree: what ejects a target also cuts its
concurrency, and a retry that the budget refuses must not wait in a queue. `begin` gives out a permit for one attempt,
the permit is `done` with a verdict, and everything learned comes from those two. A call that finds everything busy may
`wait`.

Nothing here is shared between processes: each learns by itself, within a handful of calls.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from enum import Enum
from math import ceil
from random import Random

from freehold.errors import Overloaded

from ._breaker import Breaker
from ._budget import RetryBudget
from ._state import State
from ._waiting import Ticket, Waiter, WaitingRoom
from .judgement import Verdict
from .policy import HEDGE, LIVE, PRIORITY_NAMES, SHADOW, Policy, TargetName

_KNOWN = 1024
_LOW_SHARE = 0.8
_LEAST_S = 0.05
_UNHEARD = frozenset({"slow", "hurried", "cancelled"})
_PROBE_LEAST_S = 1.0
_SHED_MOST_S = 30

Chain = tuple[TargetName, ...]
Samples = Iterator[tuple[str, tuple[tuple[str, str], ...], float]]


class No(Enum):
    """Why nobody may be asked: `FULL`, and waiting may help; `BARRED`, and it will not."""

    FULL = "full"
    BARRED = "barred"


class Permit:
    """Leave to make one attempt. It must be `done`, whatever happens; a second time does nothing.

    `target`: who may be asked. `probe`: the target is out, and this call tries whether it is back. `resort`: every
    target is out, and this one is asked all the same.
    """

    __slots__ = ("_epoch", "_health", "_heard", "_over", "_state", "_streamed", "probe", "resort", "target")

    def __init__(self, health: Health, state: State, *, streamed: bool) -> None:
        self._health = health
        self._state = state
        self.target = state.target
        self._streamed = streamed
        self._epoch = state.breaker.epoch
        self._over = self._heard = False
        self.probe = self.resort = False

    @property
    def usual_s(self) -> float | None:
        """The time within which 19 of 20 answers of its kind came from the target; None where too few have."""
        return (self._state.first if self._streamed else self._state.whole).quantile(0.95)

    def first_byte(self, latency_s: float) -> None:
        """The first byte of a streamed answer came: a probe has succeeded, however long the rest takes."""
        if self._over:
            return
        state, now = self._state, self._health.clock()
        state.first.add(latency_s)
        if not self._heard:
            self._heard = True
            state.unanswered -= 1
        state.heard_at = now
        if self.probe or self.resort:
            state.revived(now, self._epoch)

    def done(self, verdict: Verdict, latency_s: float = 0.0, told_s: float | None = None) -> None:
        """The attempt is over.

        Args:
            verdict: how it ended.
            latency_s: how long it took in all.
            told_s: seconds after which the target wants to be asked again, where it said so.
        """
        if self._over:
            return
        self._over = True
        state, health = self._state, self._health
        now = health.clock()
        if not self._heard:
            state.unanswered -= 1
        if verdict == "ok":
            state.heard_at = now
            if not self._streamed:
                state.whole.add(latency_s)
            if not state.concurrency.calm:
                state.concurrency.good(state.in_flight, now)
            if state.well:
                state.answered_well()
        elif verdict not in _UNHEARD:
            state.heard_at = now
        if verdict != "ok" or not state.well:
            state.learn(verdict, told_s, now, epoch=self._epoch, probe=self.probe, resort=self.resort)
        state.in_flight -= 1
        health.released()


class Health:
    """The health of all targets of one gateway process, its limits and its queue.

    Args:
        policy: what the settings say.
        clock: seconds, never backwards.
        random: for jitter.
    """

    def __init__(self, policy: Policy, clock: Callable[[], float], random: Random) -> None:
        self.policy = policy
        self.clock = clock
        self.random = random
        self.in_flight = 0
        self._most = policy.max_in_flight
        self._retries: dict[tuple[str, str], int] = {}
        self._hedges: dict[tuple[str, str], int] = {}
        self._shed: dict[tuple[str, str], int] = {}
        self._states: dict[TargetName, State] = {}
        self._budgets: dict[str, RetryBudget] = {}
        self._room = WaitingRoom(policy.max_queued)
        self._closed = False

    # asking

    def begin(
        self,
        chain: Chain,
        priority: int,
        *,
        streamed: bool = False,
        asked: Collection[str] = (),
        stand_in: bool = False,
    ) -> Permit | No:
        """Leave to ask the first target of a chain that is well and has room.

        Where all are out, the one that is soonest back is asked all the same: the last target is never ejected. That
        holds for live calls only, and where others were asked before, it costs a retry.

        Args:
            chain: who would do, first choice first; not empty.
            priority: who waits for it.
            streamed: the answer will be a stream.
            asked: the providers that this call has asked before. Another attempt at one of them costs a retry from its
                budget, whatever the model.
            stand_in: somebody else answers where all are out, so that none of them is asked then.
        """
        now = self.clock()
        full = False
        for target in chain:
            state = self._states.get(target) or self._met(target, now)
            if state.unanswered > 2:
                state.look_for_silence(now)
            if not (state.well or state.back(now)):
                continue
            if not self._has_room(state, priority):
                full = True
                continue
            again = bool(asked) and target.provider in asked
            if not again or self._take(state, now):
                return self._permit(state, now, streamed=streamed, pays=not again)
        if full:
            return No.FULL
        if stand_in:
            return No.BARRED
        return self._last_resort(chain, priority, now, streamed=streamed, asked=asked)

    def again(self, target: TargetName, priority: int, *, streamed: bool = False) -> Permit | No:
        """Leave to ask a target once more, after `spend` has paid for it."""
        now = self.clock()
        state = self._state(target, now)
        if not self._has_room(state, priority):
            return No.FULL
        return self._permit(state, now, streamed=streamed, pays=False)

    def hedge(self, target: TargetName) -> Permit | None:
        """Leave to ask a target that is well for an answer that is on its way already: paid for, and never queued."""
        now = self.clock()
        state = self._state(target, now)
        if not state.well or not self._has_room(state, HEDGE) or not self._take(state, now):
            return None
        return self._permit(state, now, streamed=False, pays=False)

    def hedged(self, target: TargetName, *, won: bool) -> None:
        """Count a hedge whose call is over."""
        key = (target.provider, "won" if won else "lost")
        self._hedges[key] = self._hedges.get(key, 0) + 1

    def spend(self, target: TargetName) -> bool:
        """Take a retry from a provider's budget; False: it is used up."""
        now = self.clock()
        return self._take(self._state(target, now), now)

    # waiting

    def wait(self, chain: Chain, priority: int, waiter: Waiter) -> Ticket:
        """Wait until one of a chain's targets has room. How long is the waiter's business: it may `leave`.

        Who is admitted asks again, with `begin` or `again`; who does not passes its turn on to the next.

        Raises:
            Overloaded: too many wait already, and nobody less important could be sent away.
        """
        ticket = Ticket(chain, priority, waiter)
        gone = self._room.enter(ticket)
        if gone is ticket:
            raise self.overloaded(priority, "queue_full")
        if gone is not None:
            gone.waiter.shed(self.overloaded(gone.priority, "displaced"))
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Wait no longer; the waiter hears nothing."""
        self._room.leave(ticket)

    def close(self) -> None:
        """Admit nobody who waits any more: the gateway stops."""
        self._closed = True

    def overloaded(self, priority: int, reason: str) -> Overloaded:
        """Count a call that is shed, and say when to come back: once those who wait have passed, as far as is known."""
        key = (PRIORITY_NAMES[priority], reason)
        self._shed[key] = self._shed.get(key, 0) + 1
        typical_s = max((state.whole.quantile(0.5) or 0.0 for state in self._states.values()), default=0.0) or 1.0
        wait_s = ceil(typical_s * (self._room.count + 1) / max(1, self.in_flight))
        return Overloaded("too many calls wait already", retry_after_s=max(1, min(wait_s, _SHED_MOST_S)))

    # knowing

    def typical_s(self, target: TargetName) -> float:
        """How long a whole answer of a target usually takes: with less than that, an attempt is not worth its cost."""
        state = self._states.get(target)
        known = state.whole.quantile(0.5) if state is not None else None
        return max(_LEAST_S, known or 0.0)

    def p95_s(self, target: TargetName, *, streamed: bool) -> float | None:
        """The time within which 19 of 20 answers (of streams: first bytes) came; None where too few have."""
        state = self._states.get(target)
        if state is None:
            return None
        return (state.first if streamed else state.whole).quantile(0.95)

    def probe_s(self, target: TargetName, *, streamed: bool) -> float | None:
        """How long a probe may hold a call up: twice the p95, a second at the least; None: nothing is known."""
        p95_s = self.p95_s(target, streamed=streamed)
        return None if p95_s is None else max(_PROBE_LEAST_S, 2.0 * p95_s)

    def rest_s(self, target: TargetName) -> float:
        """Seconds for which a target has asked to be left alone; 0 where it has not."""
        state = self._states.get(target)
        return 0.0 if state is None else max(0.0, state.cool_until - self.clock())

    def samples(self) -> Samples:
        """Everything for the metrics.

        A model's name is shown once the model has answered: before that it is only what some client wrote, and might be
        anything. All others of a provider are shown as one, without a name.
        """
        yield "freehold_queued", (), float(self._room.count)
        yield "freehold_upstream_in_flight", (), float(self.in_flight)
        now = self.clock()
        for target, states in self._by_name().items():
            labels = (("provider", target.provider), ("model", target.model))
            yield "freehold_target_state", labels, max(_shown(state, now) for state in states)
            yield "freehold_target_in_flight", labels, float(sum(state.in_flight for state in states))
            yield "freehold_target_limit", labels, min(float(int(state.concurrency.limit)) for state in states)
            for reason in sorted({reason for state in states for reason in state.ejections}):
                count = sum(state.ejections.get(reason, 0) for state in states)
                yield "freehold_ejections_total", (*labels, ("reason", reason)), float(count)
        for (provider, result), count in self._retries.items():
            yield "freehold_retries_total", (("provider", provider), ("result", result)), float(count)
        for (provider, result), count in self._hedges.items():
            yield "freehold_hedges_total", (("provider", provider), ("result", result)), float(count)
        for (priority, reason), count in self._shed.items():
            yield "freehold_shed_total", (("priority", priority), ("reason", reason)), float(count)

    def released(self) -> None:
        """For permits: an attempt is over, and somebody who waits may have its place."""
        self.in_flight -= 1
        last = self._room.entered
        while self._room.count and not self._closed:
            ticket = self._room.first(self._fits)
            if ticket is None or ticket.number > last:  # who had to line up again waits for the next release
                return
            self._room.leave(ticket)
            ticket.waiter.admitted()

    # inside

    def _state(self, target: TargetName, now: float) -> State:
        return self._states.get(target) or self._met(target, now)

    def _met(self, target: TargetName, now: float) -> State:
        budget = self._budgets.get(target.provider)
        if budget is None:
            budget = self._budgets[target.provider] = RetryBudget(self.policy.retry_share, now)
        breaker = Breaker(self.policy.eject_after, self.policy.eject_s, self.random)
        ceiling = self.policy.ceilings.get(target.provider, self.policy.max_in_flight)
        if len(self._states) >= _KNOWN:
            self._forget()
        state = self._states[target] = State(target, breaker, budget, float(ceiling))
        return state

    def _forget(self) -> None:
        """Make room for one more, since clients may name any number of models: rather one that never answered."""
        idle = [target for target, state in self._states.items() if not state.in_flight] or list(self._states)
        del self._states[next((target for target in idle if not self._states[target].answered), idle[0])]

    def _has_room(self, state: State, priority: int) -> bool:
        """Whether one more may be under way. The last fifth of everything is kept for those somebody waits for."""
        if priority < SHADOW:
            return self.in_flight < self._most and state.in_flight < state.concurrency.limit
        limit = state.concurrency.limit * _LOW_SHARE
        return self.in_flight < self._most * _LOW_SHARE and state.in_flight < limit

    def _fits(self, ticket: Ticket) -> bool:
        now = self.clock()
        states = [self._state(target, now) for target in ticket.chain]
        usable = [state for state in states if state.well or state.back(now)] or states
        return any(self._has_room(state, ticket.priority) for state in usable)

    def _permit(self, state: State, now: float, *, streamed: bool, pays: bool) -> Permit:
        if not state.unanswered:
            state.heard_at = now
        state.unanswered += 1
        state.in_flight += 1
        self.in_flight += 1
        if pays:
            state.budget.put()
        permit = Permit(self, state, streamed=streamed)
        if not state.well:
            permit.probe = state.breaker.probe_due(now)
            permit.resort = not permit.probe
            if permit.probe:
                state.breaker.probe(now)
        return permit

    def _last_resort(
        self, chain: Chain, priority: int, now: float, *, streamed: bool, asked: Collection[str]
    ) -> Permit | No:
        if priority != LIVE:
            return No.BARRED
        state = min((self._state(target, now) for target in chain), key=lambda one: one.back_at)
        if not self._has_room(state, priority):
            return No.FULL
        if asked and not self._take(state, now):
            return No.BARRED
        return self._permit(state, now, streamed=streamed, pays=not asked)

    def _take(self, state: State, now: float) -> bool:
        made = state.budget.take(now)
        key = (state.target.provider, "made" if made else "refused")
        self._retries[key] = self._retries.get(key, 0) + 1
        return made

    def _by_name(self) -> dict[TargetName, list[State]]:
        found: dict[TargetName, list[State]] = {}
        for target, state in self._states.items():
            found.setdefault(target if state.answered else TargetName(target.provider, ""), []).append(state)
        return found


def _shown(state: State, now: float) -> float:
    """0: well, 1: on trial, 2: out."""
    return 0.0 if state.well else 1.0 if state.back(now) else 2.0
