"""One answer, rented: whom to ask, again, elsewhere or twice, until somebody answers or the call's time is over.

Runs on callbacks alone, without a task of its own. Knows nothing of clients or owned models; whoever wants the answer
is its audience. What it does after each failure is `resilience.course`'s to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from freehold.errors import DeadlineExceeded, FreeholdError, RestrictedRefused
from freehold.vocabulary import Leg, Outcome, Purpose, Usage
from freehold.wire.dialects import Asked, Dialect

from ._answers import prompt_tokens
from ._client import ConnectFailed
from ._egress import Outgoing
from ._exchange import Headers
from ._targets import Target
from ._try import Came, Rented, Try
from .resilience._waiting import Ticket
from .resilience.course import Course, Step
from .resilience.deadlines import Timetable
from .resilience.health import Health, Permit
from .resilience.judgement import Judgement
from .resilience.policy import AUDIT, LIVE, SHADOW, TargetName

_PRIORITY = {"serve": LIVE, "escalate": LIVE, "shadow": SHADOW, "audit": AUDIT}
_CANNOT = Judgement("cancelled", elsewhere=True)


class Audience(Protocol):
    """Who wants the answer."""

    def streaming(self, headers: Headers, data: bytes, *, first: bool) -> None:
        """More of a streamed answer."""
        ...

    def rented(self, result: Rented, tail: bytes) -> None:
        """The rental is over. `tail` are the last bytes of a streamed answer, not yet given to `streaming`."""
        ...

    def crashed(self, fault: Exception) -> None:
        """A fault of our own ended the rental; it may have happened before or after `rented`."""
        ...


class Timer(Protocol):
    """Something that will be called."""

    def cancel(self) -> None:
        """Not any more."""
        ...


class Terms(NamedTuple):
    """How a gateway rents.

    `hedged` says whether the calls of a task (its name in the settings, or "") may be asked twice. `later` calls
    something after some seconds, by `clock`; `watch` is finer, and times what is recorded. `tally` counts an attempt by
    provider, purpose and outcome.
    """

    health: Health
    timetable: Timetable
    hedged: Callable[[str], bool]
    max_body_bytes: int
    clock: Callable[[], float]
    watch: Callable[[], float]
    later: Callable[[float, Callable[[], None]], Timer]
    tally: Callable[[str, str, str], None]


class Wanted(msgspec.Struct, frozen=True):
    """What is to be rented.

    `model`: the name in the request. `asked`: the request as it was read. `streamed`: the answer will be a stream.
    `task`: whose deadlines hold, by its name in the settings; "" where the gateway's do. `afford` says whether the
    caller may pay for a second request beside the first, and reserves for it. `stand_in`: an owned answer is at hand
    that serves where no target is well, so that none that is out need be asked.
    """

    dialect: Dialect
    outgoing: Outgoing
    purpose: Purpose
    model: str
    asked: Asked
    streamed: bool
    task: str = ""
    afford: Callable[[], bool] = lambda: True
    stand_in: bool = False


class Rental:
    """Rents one answer. Create it, `start` it with who may be asked; `cancel` gives it up at once."""

    __slots__ = ("_audience", "_began", "_course", "_hedge", "_last", "_names", "_targets", "_terms", "_ticket",
                 "_timer", "_tries", "_wanted", "legs")  # fmt: skip

    def __init__(self, terms: Terms, wanted: Wanted, audience: Audience) -> None:
        self._terms = terms
        self._wanted = wanted
        self._audience = audience
        self._began = 0.0
        self._targets: Sequence[Target] = ()
        self._names: tuple[TargetName, ...] = ()
        self._course: Course = None  # type: ignore[assignment]
        self._tries: list[Try] = []
        self._timer: Timer | None = None
        self._ticket: Ticket | None = None
        self._last: Came | None = None
        self._hedge: Permit | None = None
        self.legs: list[Leg] = []

    def start(self, targets: Sequence[Target], began: float) -> None:
        """Ask the first of `targets` that can be asked, the others where it fails.

        `began` is when the call came: legs count from it, and so does the time of a call that somebody waits for.
        """
        wanted, terms = self._wanted, self._terms
        self._targets, self._began = targets, began
        self._names = names = tuple([one.name for one in targets])
        priority = _PRIORITY[wanted.purpose]
        since = terms.clock() - (terms.watch() - began if priority == LIVE else 0.0)
        ends_at = since + terms.timetable.call_s(wanted.task)
        self._course = Course(
            terms.health, names, priority, ends_at, streamed=wanted.streamed, stand_in=wanted.stand_in
        )
        self._follow(self._course.first())

    def cancel(self) -> Usage | None:
        """Give it up, whatever it is doing; returns what it may have cost (None where nobody was being asked)."""
        usage: Usage | None = None
        for one in tuple(self._tries):
            usage = self._drop(one, "the client left")
        self._wait_no_longer()
        return usage

    def pause(self) -> None:
        """The reader is slow: read no further."""
        for one in self._tries:
            one.pause()

    def resume(self) -> None:
        """Read on."""
        for one in self._tries:
            one.resume()

    # Keeper of tries

    def streaming(self, one: Try, headers: Headers, data: bytes, *, first: bool) -> None:
        """More of a streamed answer; with the first of it, all other tries are over."""
        if first:
            self._alone(one)
        self._audience.streaming(headers, data, first=first)

    def ended(self, one: Try, came: Came) -> None:
        """A try is over: here is the answer, or the next step is due."""
        result, judgement = came.result, came.judgement
        self._tries.remove(one)
        one.permit.done(judgement.verdict, one.latency_s, judgement.told_s)
        at_work = judgement.verdict in {"slow", "hurried"} and not isinstance(result.error, ConnectFailed)
        if (at_work or result.outcome == "incomplete") and not _counted(result.usage):
            result = msgspec.structs.replace(result, usage=one.estimate(prompt_tokens(self._wanted.asked.chat)))
            came = msgspec.structs.replace(came, result=result)
        final = judgement.verdict == "ok" or one.streaming
        if final:
            self._alone(None)  # before the record of this one, which is the last
        self._note(one, result.outcome, result.usage, self._complaint(result), came.model)
        if final:
            self._tell(one, came)
        elif self._tries and judgement.elsewhere:
            self._last = came
            self._course.note(one.permit.target, judgement)
        else:
            self._alone(None)
            self._last = came
            self._follow(self._course.after(one.permit.target, judgement))

    def crashed(self, fault: Exception) -> None:
        """A fault of our own, no provider's: the end of this call, and of no other."""
        self._alone(None)
        self._wait_no_longer()
        self._audience.crashed(fault)

    # Waiter

    def admitted(self) -> None:
        """There is room now."""
        self._ticket = None
        self._resumed()

    def shed(self, error: FreeholdError) -> None:
        """There was no room, and somebody more important wanted the place in the queue."""
        self._ticket = None
        self._guarded(lambda: self._give_up(error))

    # the steps

    def _follow(self, step: Step) -> None:
        self._wait_no_longer()
        if step.permit is not None:
            self._ask(step.permit)
        elif step.pause_s is not None:
            self._timer = self._terms.later(step.pause_s, self._resumed)
        elif step.full:
            self._line_up()
        elif self._last is not None:
            self._tell(None, self._last)
        else:
            self._give_up(self._terms.health.overloaded(_PRIORITY[self._wanted.purpose], "barred"))

    def _resumed(self) -> None:
        self._guarded(lambda: self._follow(self._course.resume()))

    def _line_up(self) -> None:
        try:
            self._ticket = self._course.wait(self)
        except FreeholdError as error:
            self._give_up(error)
            return
        queue_s, call_s = self._terms.health.policy.queue_timeout_s, self._course.remaining_s
        if queue_s < call_s:
            self._timer = self._terms.later(queue_s, lambda: self._guarded(self._waited))
        else:
            error = DeadlineExceeded("the time of the call was over before there was room for it")
            self._timer = self._terms.later(call_s, lambda: self._guarded(lambda: self._give_up(error)))

    def _waited(self) -> None:
        """The queue took too long."""
        self._give_up(self._terms.health.overloaded(_PRIORITY[self._wanted.purpose], "waited"))

    def _give_up(self, error: FreeholdError) -> None:
        """Nobody can be asked: what the last one said, else why."""
        if self._last is None:
            name = self._names[0].provider
            result = Rented("error", name, error.status, [], b"", None, None, streamed=False, error=error)
            self._last = Came(result, _CANNOT)
        self._tell(None, self._last)

    def _ask(self, permit: Permit, purpose: Purpose | None = None) -> None:
        wanted, terms, course = self._wanted, self._terms, self._course
        at = self._names.index(permit.target)
        target = self._targets[at]
        full = terms.timetable.attempt(permit.target.provider, wanted.task)
        patience = full.within(course.remaining_s)
        if permit.probe and len(self._names) > 1:
            probe_s = terms.health.probe_s(permit.target, streamed=wanted.streamed)
            if probe_s is not None and probe_s < patience.first_byte_s:
                patience = msgspec.structs.replace(patience, first_byte_s=probe_s)
        # The client's own key belongs to the provider it addressed, and goes to no other.
        trusted = target.provider is self._targets[0].provider
        if purpose is None:
            purpose = "fallback" if at and _PRIORITY[wanted.purpose] == LIVE else wanted.purpose
        others = len(self._names) > 1 or wanted.stand_in
        one = Try(self, wanted.dialect, target, permit, purpose, terms.watch, terms.max_body_bytes, others=others)
        self._tries.append(one)
        try:
            one.send(wanted.outgoing.to(target.model, patience, trusted=trusted), full)
        except FreeholdError as error:
            self._not_asked(one, error)
        except Exception as fault:  # noqa: BLE001 -- one call's fault may not cost others their permits
            self.crashed(fault)
        else:
            if not wanted.streamed and self._hedge is None and terms.hedged(wanted.task):
                self._prepare_hedge(permit.target)

    def _not_asked(self, one: Try, error: FreeholdError) -> None:
        """A provider that cannot be asked this: a key is missing, or there is no word for something."""
        self._tries.remove(one)
        one.permit.done("cancelled")
        outcome: Outcome = "error" if error.status >= 500 else "refused"
        self._note(one, outcome, None, error.message)
        if self._last is None or isinstance(error, RestrictedRefused):
            result = Rented(outcome, one.name, error.status, [], b"", None, None, streamed=False, error=error)
            self._last = Came(result, _CANNOT)
        if isinstance(error, RestrictedRefused):
            self._alone(None)
            self._tell(None, self._last)
        elif not self._tries:
            self._follow(self._course.after(one.permit.target, _CANNOT))

    # asking twice

    def _prepare_hedge(self, target: TargetName) -> None:
        after_s = self._terms.health.p95_s(target, streamed=False)
        if after_s is not None and _PRIORITY[self._wanted.purpose] == LIVE:
            self._timer = self._terms.later(after_s, lambda: self._guarded(self._ask_twice))

    def _ask_twice(self) -> None:
        """The try under way takes longer than 19 of 20 did."""
        self._timer = None
        if len(self._tries) == 1 and self._hedge is None:
            permit = self._course.hedge(self._tries[0].permit.target)
            if permit is not None and not self._wanted.afford():
                permit.done("cancelled")
            elif permit is not None:
                self._hedge = permit
                self._ask(permit, "hedge")

    # the end

    def _tell(self, winner: Try | None, came: Came) -> None:
        self._alone(None)
        self._wait_no_longer()
        if self._hedge is not None and came.judgement.verdict == "ok":
            won = winner is not None and winner.permit is self._hedge
            self._terms.health.hedged(self._hedge.target, won=won)
        self._audience.rented(came.result, came.tail)

    def _alone(self, one: Try | None) -> None:
        """Give up all tries but one."""
        for other in tuple(self._tries):
            if other is not one:
                self._drop(other, "another answer was sooner")

    def _drop(self, one: Try, why: str) -> Usage:
        self._tries.remove(one)
        one.cancel()
        one.permit.done("cancelled")
        usage = one.estimate(prompt_tokens(self._wanted.asked.chat))
        self._note(one, "cancelled", usage, why)
        return usage

    def _wait_no_longer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ticket is not None:
            self._terms.health.leave(self._ticket)
            self._ticket = None

    def _note(self, one: Try, outcome: Outcome, usage: Usage | None, error: str, model: str = "") -> None:
        self._terms.tally(one.name, one.purpose, outcome)
        model = model or one.target.model or self._wanted.model
        self.legs.append(one.leg(outcome, self._began, model, usage=usage, error=error))

    def _complaint(self, result: Rented) -> str:
        if result.error is not None:
            return result.error.message
        if result.outcome == "ok":
            return ""
        if result.status < 300:
            return f"the answer is none of {self._wanted.dialect.name}"
        return f"status {result.status}"

    def _guarded(self, what: Callable[[], None]) -> None:
        """Do something on behalf of another call or of time: nobody else would catch its faults."""
        try:
            what()
        except Exception as fault:  # noqa: BLE001 -- see above
            self.crashed(fault)


def _counted(usage: Usage | None) -> bool:
    """Whether a provider has counted at least the prompt."""
    return usage is not None and (usage.prompt_tokens > 0 or not usage.estimated)
