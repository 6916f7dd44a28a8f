"""An outage, rehearsed: recorded traffic against a gateway as it is configured, one provider down for a while.

The providers of the rehearsal play the recording, so that what is measured is the gateway: who answers instead, what
fails, when it goes back. What a second provider's own answers would be worth is not known from a recording, and is
said to be unknown; owned models answer for themselves and are compared with what was recorded. Time is compressed:
what takes longer than the compressed waits allow (`_stage`) would be seen differently in the real time.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import msgspec

from freehold.errors import FreeholdError, MissingPrerequisite, NotFound, UsageError
from freehold.evidence.losses import loss
from freehold.gateway.faults import FAULTS, MIXED, Fault, Outages
from freehold.ledger.importing import read_calls
from freehold.registry import routes
from freehold.vocabulary import ZERO, Call, reasons
from freehold.wire.known import dialect

from ._driving import Heard, drive
from ._stage import Staged, playing, recorded, staged
from .home import Home, Progress, silent

LEAD = 0.15
"""The rehearsal begins so much of the outage's length before it, so that its effect is seen against what was before."""
AFTER = 0.25
"""And goes on so much after it, so that it is seen when the provider is asked again."""
LEAST_PLAYED_S = 1.0
"""An outage lasts at least this long as it is played, whatever the speed asked for."""
MOST_PER_S = 150.0
"""Calls a second of real time; from busier traffic every n-th call is taken."""

_NOT_RENTED = frozenset({reasons.SURE, reasons.CACHE_HIT, reasons.RESTRICTED})
_US = 1_000_000
_CLIENT_S = 30.0


class Agreement(msgspec.Struct, frozen=True):
    """Answers of owned models that stood in, held against the recorded ones by the task's own comparison."""

    compared: int
    agreed: int


class TaskDrill(msgspec.Struct, frozen=True):
    """One task during the outage.

    `exposed` calls would have failed with nobody to stand in: the provider that is down is their first choice, and no
    owned model was sure of them anyway. `failed` calls failed all the same, exposed or not. `stood_in`: who answered
    exposed calls, by provider, or `owned`. `extra_usd`: what they cost more than on a day without an outage, less than
    nothing where they cost less, broken attempts included; `unpriced` of them have no known price.
    """

    task: str
    calls: int
    exposed: int
    failed: int
    stood_in: dict[str, int]
    extra_usd: Decimal
    unpriced: int
    owned: Agreement


class Drill(msgspec.Struct, frozen=True):
    """What an outage of a provider would have meant.

    Times are those of the recorded traffic: `began_at` and `for_s` bound the outage, `back_after_s` is how long after
    it the provider answered again (None: not before the rehearsal ended). `one_in`: every n-th call was taken.
    `availability` is the share of the outage's calls that clients got whole answers to; `without` what it would have
    been with nobody to stand in. `failed_outside`: calls that failed before or after the outage.
    """

    provider: str
    began_at: str
    for_s: float
    speed: float
    faults: tuple[str, ...]
    one_in: int
    calls: int
    availability: float
    without: float
    failed_outside: int
    back_after_s: float | None
    tasks: tuple[TaskDrill, ...]


class Order(NamedTuple):
    """What is to be rehearsed. `log`: other traffic than the ledger's. `faults`: what the provider does while down.

    `speed` is the most: a short outage is played slower, see `paced`.
    """

    provider: str
    for_s: float
    speed: float = 600.0
    log: Path | None = None
    faults: tuple[Fault, ...] = MIXED

    def paced(self) -> Order:
        """The same order, no faster than lets the outage last `LEAST_PLAYED_S`.

        A call takes its milliseconds at any speed: of an outage played in fewer, the calls would arrive after it.
        """
        return self._replace(speed=max(1.0, min(self.speed, self.for_s / LEAST_PLAYED_S)))


class _Window(NamedTuple):
    """The calls of a rehearsal, by time; the outage lies between `from_us` and `until_us`."""

    calls: list[Call]
    from_us: int
    until_us: int
    one_in: int

    @property
    def first_us(self) -> int:
        return self.from_us - round(LEAD * (self.until_us - self.from_us))

    @property
    def last_us(self) -> int:
        return self.until_us + round(AFTER * (self.until_us - self.from_us))

    def outage(self, speed: float) -> tuple[float, float]:
        """When the outage begins and ends, in real seconds of the rehearsal."""
        return (self.from_us - self.first_us) / _US / speed, (self.until_us - self.first_us) / _US / speed

    def due(self, speed: float) -> Iterator[tuple[float, Call]]:
        """Each call with the real second at which it is sent."""
        for call in self.calls:
            yield (call.started_at_us - self.first_us) / _US / speed, call

    def holds(self, call: Call) -> bool:
        """Whether a call was made during the outage."""
        return self.from_us <= call.started_at_us < self.until_us


def outage(home: Home, order: Order, *, progress: Progress = silent) -> Drill:
    """Rehearse an outage in the busiest stretch of the traffic.

    Raises:
        NotFound: the settings name no such provider, or there is no such log.
        MissingPrerequisite: there is no traffic to rehearse with.
    """
    if order.provider not in home.settings.providers:
        close = difflib.get_close_matches(order.provider, home.settings.providers, n=3, cutoff=0.5)
        there = ", ".join(home.settings.providers)
        hint = f"there are: {there}" if there else "[providers.NAME] in freehold.toml adds one"
        hint = f"did you mean {' or '.join(close)}?" if close else hint
        raise NotFound(f"the settings name no provider {order.provider!r}", hint=hint)
    order = order.paced()
    progress("choosing the busiest stretch of the traffic")
    window = _window(_traffic(home, order.log), order)
    faults = Outages([window.outage(order.speed)], order.faults)
    with (
        recorded(window.calls) as recording,
        staged(home.path, home.settings, recording, {order.provider: faults}, order.speed) as stage,
    ):
        progress(f"rehearsing with {len(window.calls):,} calls")
        faults.begin()
        heard = drive(urlsplit(stage.url), window.due(order.speed), timeout_s=_CLIENT_S)
    judge = _Judge(home, stage, order.provider)  # now that the gateway has ended, every call is recorded
    judged = [judge(one) for one in heard]
    return _report(home, order, window, judged)


def elsewhere(home: Home, order: Order, to: str, listen: str, *, progress: Progress = silent) -> Drill:
    """Rehearse the same against a gateway somewhere else, whose provider is played here.

    That gateway must have been told to find the provider at `listen`. Who stood in is known as far as answers say it:
    an owned model, or somebody rented; what that cost is not.

    Args:
        home: whose traffic.
        order: what is to be rehearsed; its provider names nothing here but in the report.
        to: the gateway's address.
        listen: HOST:PORT where the provider is played.
        progress: told what is done.

    Raises:
        UsageError: an address is none.
        MissingPrerequisite: there is no traffic, or no request reached the provider that is played.
        OSError: the address cannot be listened on.
    """
    target, (host, port) = _address(to), _listen(listen)
    order = order.paced()
    window = _window(_traffic(home, order.log), order)
    faults = Outages([window.outage(order.speed)], order.faults)
    with recorded(window.calls) as recording, playing(recording, faults, host, port, order.speed) as url:
        progress(f"playing {order.provider} at {url}, rehearsing with {len(window.calls):,} calls")
        faults.begin()
        heard = drive(target, window.due(order.speed), timeout_s=_CLIENT_S)
    if not faults.failed:
        raise MissingPrerequisite(
            "no request reached the provider that was played during its outage, so that nothing was rehearsed",
            hint=f'set providers.{order.provider}.base_url = "{url}" at that gateway, and start it again',
        )
    judged = [_Judged(one, one.served_by != "owned", one.served_by if one.complete else "") for one in heard]
    return _report(home, order, window, judged)


def _address(to: str) -> SplitResult:
    parts = urlsplit(to)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{to!r} is no address of a gateway", hint="--to http://staging:8080")
    return parts


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{text!r} is no address to listen on", hint="--listen 0.0.0.0:9100")
    return host, int(port)


# the traffic


def _traffic(home: Home, log: Path | None) -> Callable[[], Iterator[Call]]:
    def usable() -> Iterator[Call]:
        for call in read_calls(log) if log is not None else home.calls():
            if call.outcome == "ok" and call.request and call.response:
                yield call

    return usable


def _window(traffic: Callable[[], Iterable[Call]], order: Order) -> _Window:
    """The stretch of the outage's length that holds most calls, with what came before and after."""
    times = sorted(call.started_at_us for call in traffic())
    if not times:
        raise MissingPrerequisite("there are no calls to rehearse with", hint="freehold import LOG, or --log FILE")
    length = round(order.for_s * _US)
    counts = [bisect_left(times, at + length) - number for number, at in enumerate(times)]
    busiest = max(range(len(times)), key=lambda number: counts[number])
    window = _Window([], times[busiest], times[busiest] + length, 1)
    inside = bisect_left(times, window.last_us) - bisect_left(times, window.first_us)
    most = max(1.0, MOST_PER_S * (window.last_us - window.first_us) / _US / order.speed)
    one_in = ceil(inside / most)
    chosen = [call for call in traffic() if window.first_us <= call.started_at_us < window.last_us]
    chosen.sort(key=lambda call: (call.started_at_us, call.id))
    return window._replace(calls=chosen[::one_in], one_in=one_in)


def _tasks(home: Home, calls: Iterable[Call]) -> dict[str, str]:
    """The name of each call's task, "" where it recurs in none."""
    names = {task.id: task.name for task in home.registry.tasks()}
    return {call.id: names.get(match.task_id, "") if match else "" for call, match in home.recognise(calls)}


# what became of a call


class _Judged(NamedTuple):
    """A call of the rehearsal. `by`: who answered it, a provider or `owned`, "" for nobody.

    `extra_usd` None: no price is known of something that it cost, or would have.
    """

    heard: Heard
    exposed: bool
    by: str
    extra_usd: Decimal | None = None
    differs: bool | None = None


class _Judge:
    """Says what became of the calls of one rehearsal."""

    def __init__(self, home: Home, stage: Staged, down: str) -> None:
        self._home, self._stage, self._down = home, stage, down
        self._losses = {one.student_id: loss(one.loss) for one in routes.load(routes.path(home.path)).routes}

    def __call__(self, heard: Heard) -> _Judged:
        record = self._stage.call(heard.call_id)
        targets = self._targets(heard.call)
        by = (record.provider if record.owner == "rented" else record.owner) if record is not None else ""
        by = by if heard.complete and by != "none" else ""
        on_purpose = record is not None and record.reason in _NOT_RENTED
        exposed = next(iter(targets), "") == self._down and not on_purpose and by != self._down
        if record is None or not exposed or not by:
            return _Judged(heard, exposed, by)
        return _Judged(heard, exposed, by, self._extra(record, heard, targets), self._differs(record, heard, by))

    def _targets(self, call: Call) -> dict[str, str]:
        """Whom the gateway would ask for a call, in that order: the model by provider."""
        try:
            found = self._stage.gateway.targets.of(call.model, call.dialect)
        except FreeholdError:
            return {}
        return {one.provider.name: one.model or call.model for one in found}

    def _extra(self, record: Call, heard: Heard, targets: Mapping[str, str]) -> Decimal | None:
        """What a call cost more than its first choice would have charged for it."""
        at = datetime.fromtimestamp(heard.call.started_at_us / 1e6, UTC)
        prices = self._home.prices
        spent = ZERO
        for leg in record.legs:
            usage = leg.usage
            if usage is None and leg.outcome == "ok":
                usage = heard.call.usage  # a stream that was not asked to state them
            if leg.owner == "rented" and usage is not None:
                model = targets.get(leg.provider) or heard.call.model
                usd = prices.price_usage(leg.provider, model, usage, at).usd
                if usd is None:
                    return None
                spent += usd
        usage = heard.call.usage or record.usage
        usual = None if usage is None else prices.price_usage(*next(iter(targets.items())), usage, at).usd
        return None if usual is None else spent - usual

    def _differs(self, record: Call, heard: Heard, by: str) -> bool | None:
        """Whether an owned model that stood in said something else than was recorded; None where nobody can tell."""
        if by != "owned" or heard.text is None or heard.call.owner == "owned":
            return None
        recorded = dialect(heard.call.dialect).answer_text(heard.call.response)
        student = next((leg.model for leg in record.legs if leg.owner == "owned"), "")
        differs = self._losses.get(student)
        return None if recorded is None or differs is None else differs(heard.text, recorded)


# the report


def _report(home: Home, order: Order, window: _Window, judged: Sequence[_Judged]) -> Drill:
    during = [one for one in judged if window.holds(one.heard.call)]
    names = _tasks(home, [one.heard.call for one in during])
    named: dict[str, list[_Judged]] = {}
    for one in during:
        named.setdefault(names.get(one.heard.call.id, ""), []).append(one)
    answered = sum(one.heard.complete for one in during)
    alone = sum(one.heard.complete and not one.exposed for one in during)
    failed = sum(not one.heard.complete for one in judged)
    return Drill(
        provider=order.provider,
        began_at=datetime.fromtimestamp(window.from_us / 1e6, UTC).isoformat(timespec="seconds"),
        for_s=order.for_s,
        speed=order.speed,
        faults=tuple(dict.fromkeys(order.faults)),
        one_in=window.one_in,
        calls=len(during),
        availability=answered / len(during) if during else 1.0,
        without=alone / len(during) if during else 1.0,
        failed_outside=failed - (len(during) - answered),
        back_after_s=_back(window, order.provider, judged),
        tasks=tuple(
            sorted((_task(name, some) for name, some in named.items()), key=lambda one: (-one.calls, one.task))
        ),
    )


def _task(name: str, some: Sequence[_Judged]) -> TaskDrill:
    saved = [one for one in some if one.exposed and one.by]
    compared = [one.differs for one in saved if one.differs is not None]
    return TaskDrill(
        task=name,
        calls=len(some),
        exposed=sum(one.exposed for one in some),
        failed=sum(not one.heard.complete for one in some),
        stood_in=dict(Counter(one.by for one in saved).most_common()),
        extra_usd=sum((one.extra_usd for one in saved if one.extra_usd is not None), ZERO) or ZERO,
        unpriced=sum(one.extra_usd is None for one in saved),
        owned=Agreement(len(compared), len(compared) - sum(compared)),
    )


def _back(window: _Window, down: str, judged: Sequence[_Judged]) -> float | None:
    """Seconds of the log between the outage's end and the first answer of the provider that had been down."""
    after = [one.heard.call.started_at_us for one in judged if one.by == down]
    first = min((at for at in after if at >= window.until_us), default=None)
    return None if first is None else (first - window.until_us) / _US


def in_words(drill: Drill) -> list[str]:
    """The report for a person, but for the figures of each task."""
    length = f"{drill.for_s / 60:,.0f} minutes" if drill.for_s >= 60 else f"{drill.for_s:,.0f} seconds"
    kinds = ", ".join(kind for kind in FAULTS if kind in drill.faults)
    began = drill.began_at[:16].replace("T", " ")
    taken = f", one in {drill.one_in} taken" if drill.one_in > 1 else ""
    whole, alone = f"{100 * drill.availability:.2f} %", f"{100 * drill.without:.2f} %"
    stretch = f"{length} from {began} UTC of the recorded traffic ({kinds})"
    lines = [
        f"{drill.provider} down for {stretch}, played {drill.speed:,.0f} times as fast.",
        f"{drill.calls:,} calls{taken}: clients got a whole answer to {whole}; with nobody to stand in, {alone}.",
    ]
    if drill.back_after_s is not None:
        lines.append(f"{drill.provider} answered again {drill.back_after_s:,.0f} s after its outage.")
    else:
        lines.append(f"{drill.provider} did not answer again before the rehearsal ended.")
    if drill.failed_outside:
        lines.append(f"{drill.failed_outside:,} calls failed before or after the outage.")
    return lines


def worth(task: TaskDrill) -> str:
    """How good the answers were that stood in for a task's usual ones, as far as a rehearsal can tell."""
    said: list[str] = []
    if task.owned.compared:
        agreed = 100 * task.owned.agreed / task.owned.compared
        said.append(f"owned: {agreed:.1f} % of {task.owned.compared:,} as recorded")
    rented = [name for name in task.stood_in if name != "owned"]
    if rented:
        said.append(f"{', '.join(rented)}: not known, its answers were played")
    return "; ".join(said)
