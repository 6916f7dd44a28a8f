"""Trying another rented model on a task's own calls, before anything is switched: what is as good, what breaks.

A random sample of the recorded calls is asked again of the other model, under a budget that is checked before every
call. Its answers are kept, so that running again pays only for what is missing, and are compared with the recorded ones
by the scorer that certificates use, and with gold where there is gold. What it measured goes into the registry, where
the verdict finds it (`rivals`).
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from freehold.economics.quality import RivalQuality
from freehold.errors import GateRefused, MissingPrerequisite, RestrictedRefused, UpstreamFailed, UsageError
from freehold.evidence import losses, rivals
from freehold.gateway.renting import Renter, resolve
from freehold.gateway.restrictions import Restrictions
from freehold.tasks.sampling import Sample, digest
from freehold.verdict.constraints import residency
from freehold.vocabulary import ZERO, Call, Match, Rehearsal, Task
from freehold.wire.known import EMBEDDINGS

from . import _comparing, declaring
from ._asking import Asking, Done, Wanted, first_error, price_of
from ._comparing import Pair
from ._kept import NOT_CARRIED_TAG, KeptAnswers
from ._purse import Purse
from .certifying import first
from .examples import escalated
from .home import Home, Progress, silent
from .rivals import judge, loss_of

CALLS = 400
BUDGET_USD = Decimal(1)
AT_ONCE = 8

Against = Literal["recorded", "gold"]


class Order(NamedTuple):
    """What to rehearse. `model`: PROVIDER/MODEL, an alias, or a model of the default provider.

    `against` "": gold where the task's settings say so, else the recorded answers.
    """

    model: str
    calls: int = CALLS
    budget_usd: Decimal = BUDGET_USD
    seed: int = 0
    against: str = ""
    at_once: int = AT_ONCE
    allow_unknown_price: bool = False


class Plan(msgspec.Struct, frozen=True):
    """What a rehearsal is going to do. `to_ask` calls have no answer yet.

    `expected_usd` prices their recorded tokens at the other model's prices, `worst_usd` is what is reserved for them in
    all; None: the price is unknown. `held_back`: drawn, and never sent.
    """

    task: str
    kind: str
    provider: str
    model: str
    today: str
    against: Against
    loss: str
    population: int
    drawn: int
    held_back: int
    with_gold: int
    kept: int
    to_ask: int
    expected_usd: Decimal | None
    worst_usd: Decimal | None
    budget_usd: Decimal
    played: bool


class Rehearsed(NamedTuple):
    """A rehearsal and what was planned for it.

    `judged`: what it says under the task's promise (`alpha`, `delta`). `stopped`: why it ended before all was asked, ""
    where it did not.
    """

    plan: Plan
    rehearsal: Rehearsal
    judged: RivalQuality | None
    alpha: float
    delta: float
    stopped: str


class _Drawn(NamedTuple):
    """The sample, in the order in which it is asked, so that whatever a budget leaves is random too."""

    calls: list[tuple[Call, str]]
    population: int
    today: tuple[str, str]


def rehearse(
    home: Home, task: Task, order: Order, *, environ: Mapping[str, str] | None = None, progress: Progress = silent
) -> Rehearsed:
    """Rehearse, and keep what was measured in the registry.

    Raises:
        UsageError: the number of calls, the budget or `against` makes no sense.
        RestrictedRefused: the task is restricted, or may not be processed where the provider does.
        NotFound: the model's name names no provider.
        MissingPrerequisite: there are no calls with bodies (or none with gold), a key or a recording is missing.
        GateRefused: the budget carries no call, a price is unknown, or another rehearsal is under way.
        UpstreamFailed: no call was answered.
    """
    return asyncio.run(_Run(home, task, order, os.environ if environ is None else environ, progress).run())


def plan(home: Home, task: Task, order: Order, *, environ: Mapping[str, str] | None = None) -> Plan:
    """What `rehearse` would do and may cost; nothing is sent. Raises as it does, but for what only sending shows."""
    run = _Run(home, task, order, os.environ if environ is None else environ, silent)

    async def only_plan() -> Plan:
        async with run.renting():
            return run.plan()

    return asyncio.run(only_plan())


class _Run:
    """One rehearsal, step by step."""

    def __init__(self, home: Home, task: Task, order: Order, environ: Mapping[str, str], progress: Progress) -> None:
        _check(order)
        self._home, self._task, self._order, self._environ, self._progress = home, task, order, environ, progress
        declared, default = home.task_settings(task), home.settings.certificate
        if declared.data_class == "restricted":
            raise RestrictedRefused(
                f"{task.name} is restricted: none of its calls may be sent to a rented model, for a rehearsal either",
                hint=f'change data_class in [tasks."{task.name}"] of freehold.toml, or judge an owned model on it',
            )
        usual = "gold" if (declared.against or default.against) == "gold" else "recorded"
        self._against: Against = "gold" if (order.against or usual) == "gold" else "recorded"
        self._provider, self._model = resolve(home.settings, environ, order.model)
        self._contract = home.registry.contract(task.id)
        self._loss: losses.LossName = loss_of(home, task)
        progress("drawing the sample")
        self._drawn = _draw(home, task, order, gold_only=self._against == "gold")
        self._check_place()
        home.registry.publish()  # what the settings restrict since, the test of every call must know
        self._restrictions = Restrictions(home.loaded)
        self._restrictions.refresh()
        self._store = KeptAnswers(home.path, home.settings.ledger)
        self._renter: Renter = None  # type: ignore[assignment] -- `renting` makes it
        self._sample: list[tuple[Call, str]] = []
        self._before: dict[str, Call] = {}
        self._wanted: list[Wanted] = []

    @asynccontextmanager
    async def renting(self) -> AsyncGenerator[None]:
        """With a renter that is ready; made inside the event loop."""
        self._renter = Renter(self._home.loaded, self._provider, self._model, self._environ, self._restrictions)
        try:
            await self._renter.prepare()
            yield
        finally:
            self._renter.close()

    def plan(self) -> Plan:
        """Leave out what may not leave and what is answered already, and price the rest."""
        drawn = self._drawn
        self._sample = [one for one in drawn.calls if not self._renter.held_back(one[0])]
        self._before = self._store.of(self._task.id, self._provider, self._model)
        missing = [(call, version) for call, version in self._sample if call.id not in self._before]
        self._wanted = [Wanted(call, version, self._renter.worst_usd(call)) for call, version in missing]
        price = price_of(self._home.prices, self._provider, self._model)
        expected = [ZERO if self._renter.played else price(call.usage) for call, _ in missing]
        return Plan(
            task=self._task.name,
            kind=self._task.kind,
            provider=self._provider,
            model=self._model,
            today="/".join(drawn.today),
            against=self._against,
            loss=self._loss,
            population=drawn.population,
            drawn=len(drawn.calls),
            held_back=len(drawn.calls) - len(self._sample),
            with_gold=sum(call.gold is not None for call, _ in self._sample),
            kept=len(self._sample) - len(missing),
            to_ask=len(missing),
            expected_usd=_sum(expected),
            worst_usd=_sum([one.worst_usd for one in self._wanted]),
            budget_usd=self._order.budget_usd,
            played=self._renter.played,
        )

    async def run(self) -> Rehearsed:
        async with self.renting():
            plan = self.plan()
            self._check_plan(plan)
            done = await self._ask() if self._wanted else _NOTHING
        pairs = self._pairs(done)
        if not any(pair.new is not None for pair in pairs):
            raise _unanswered(plan, done)
        self._progress("comparing the answers")
        rehearsal = self._measured(plan, done, pairs)
        self._home.registry.add_rehearsal(rehearsal)
        declared, default = self._home.task_settings(self._task), self._home.settings.certificate
        alpha, delta = first(declared.alpha, default.alpha), first(declared.delta, default.delta)
        whose = "gold" if self._against == "gold" else "teacher"
        judged = judge(rehearsal, alpha=alpha, delta=delta, against=whose)
        return Rehearsed(plan, rehearsal, judged, alpha, delta, done.stopped)

    async def _ask(self) -> Done:
        purse = Purse(self._order.budget_usd)
        price = price_of(self._home.prices, self._provider, self._model)
        with self._store.keeping(self._task.id, self._provider, self._model) as keep:
            asking = Asking(self._renter, purse, price, keep, self._progress)
            try:
                return await asking.run(self._wanted, self._order.at_once)
            except BaseExceptionGroup as group:
                raise first_error(group) from None

    def _check_place(self) -> None:
        """Calls that are to stay somewhere go to no new provider that is not known to be there."""
        if self._provider == self._drawn.today[0]:
            return
        ruling = residency(declaring.constraints(self._home, self._task, self._drawn.today), self._provider)
        if ruling.state != "fits":
            raise RestrictedRefused(
                f"{self._task.name} may not be sent there: {ruling.why}",
                hint=f"set providers.{self._provider}.processes_in in freehold.toml, if it is so",
            )

    def _check_plan(self, plan: Plan) -> None:
        if plan.held_back == plan.drawn:
            raise RestrictedRefused(
                f"all {plan.drawn:,} calls drawn hold restricted text, or nobody can tell: none may be sent",
                hint="freehold tasks, then freehold doctor",
            )
        if not plan.to_ask or plan.played:
            return
        unknown = [one for one in self._wanted if one.worst_usd is None]
        if unknown and not self._order.allow_unknown_price:
            raise GateRefused(
                f"nobody knows what {plan.provider}/{plan.model} costs, so that no budget can hold",
                hint=f'set [prices."{plan.provider}/{plan.model}"] in freehold.toml, or pass --allow-unknown-price',
                code="price_unknown",
            )
        first = self._wanted[0].worst_usd or ZERO
        if first > plan.budget_usd and not plan.kept:
            enough = (plan.worst_usd or first).quantize(Decimal("0.01"), rounding="ROUND_CEILING")
            raise GateRefused(
                f"a budget of {plan.budget_usd} USD carries no call: the first may cost up to {first:.6f} USD",
                hint=f"--budget {enough} is enough for all {plan.to_ask:,}, whatever they turn out to cost",
                code="budget_too_small",
            )

    def _pairs(self, done: Done) -> list[Pair]:
        """The sample with its answers; what nobody answered or was asked is left out, what was refused is not."""
        after = self._store.of(self._task.id, self._provider, self._model)
        return [
            Pair(call, version, after.get(call.id))
            for call, version in self._sample
            if call.id in after or call.id in done.refused
        ]

    def _measured(self, plan: Plan, done: Done, pairs: Sequence[Pair]) -> Rehearsal:
        now = datetime.now(UTC)
        found = _comparing.compare(pairs, self._loss, against_gold=self._against == "gold")
        other = (self._provider, self._model)
        tokens = _comparing.tokens(pairs, self._home.prices, self._drawn.today, other, now)
        answered = [pair for pair in pairs if pair.new is not None]
        versions = tuple(sorted({pair.template_id for pair in pairs}))
        sample = _comparing.sample_digest(pairs)
        times = [pair.call.started_at_us for pair in pairs]
        return Rehearsal(
            id=f"reh_{secrets.token_hex(6)}",
            task_id=self._task.id,
            provider=self._provider,
            model=self._model,
            today=plan.today,
            made_at=now.isoformat(timespec="seconds"),
            seed=self._order.seed,
            population=plan.population,
            wanted=plan.drawn - plan.held_back,
            answered=len(answered),
            refused=len(pairs) - len(answered),
            failed=len(done.failed),
            held_back=plan.held_back,
            loss=self._loss,
            agreed=found.agreed,
            gold=found.gold,
            look=self._look(sample, versions),
            sample=sample,
            template_ids=versions,
            contract_version=self._contract.version if self._contract else "",
            calls_from_us=min(times),
            calls_to_us=max(times),
            breaches=_comparing.breaches(pairs, self._contract),
            disagreements=found.disagreements,
            not_carried=_not_carried(answered),
            input_ratio=tokens.input_ratio,
            output_ratio=tokens.output_ratio,
            token_ratio=tokens.token_ratio,
            latency=rivals.latency([one.new.latency_ms for one in answered if one.new is not None]),
            today_latency=rivals.latency([one.call.latency_ms for one in answered if one.call.latency_ms > 0]),
            spent_usd=done.spent_usd,
            usd_per_call=tokens.usd_per_call,
            today_usd_per_call=tokens.today_usd_per_call,
            played=plan.played,
            errors=done.errors,
        )

    def _look(self, sample: str, versions: Sequence[str]) -> int:
        """How many samples of this model on these prompt versions have been looked at, this one included."""
        mine = [
            one
            for one in self._home.registry.rehearsals(self._task.id)
            if one.name == f"{self._provider}/{self._model}"
        ]
        before = {one.sample for one in mine if not set(versions).isdisjoint(one.template_ids)}
        return len(before | {sample})


_NOTHING = Done({}, frozenset(), frozenset(), {}, ZERO, "")


def _check(order: Order) -> None:
    if order.calls < 1:
        raise UsageError(f"--calls is {order.calls}, and must be at least 1", hint=f"--calls {CALLS}")
    if not order.budget_usd.is_finite() or order.budget_usd < 0:
        raise UsageError("--budget must be an amount of US dollars, 0 or more", hint=f"--budget {BUDGET_USD}")
    if order.against not in ("", "recorded", "gold"):
        raise UsageError(f"{order.against!r} is nothing to compare with", hint="--against recorded or --against gold")
    if not 1 <= order.at_once <= 64:
        raise UsageError(f"--at-once is {order.at_once}, and must lie between 1 and 64", hint=f"--at-once {AT_ONCE}")


def _draw(home: Home, task: Task, order: Order, *, gold_only: bool) -> _Drawn:
    """A random sample of the calls that today's model answered.

    Today's model is the one that answered most. Left out are calls that an owned model was asked first and was not sure
    of: they are the hard ones. The draw depends on a call's id and the seed alone: a larger sample holds a smaller one.
    """
    seen: Counter[str] = Counter()
    by_model: dict[tuple[str, str], Sample[tuple[Call, str]]] = {}
    for call, match in home.recognised(task_id=task.id):
        why = _unusable(call, match, gold_only=gold_only)
        seen[why] += 1
        if not why and match is not None:
            sample = by_model.setdefault((call.provider, call.model), Sample(order.calls))
            sample.add(f"{order.seed}/{call.id}", call.started_at_us, (call, match.template_id))
    if not by_model:
        raise _nothing_to_ask(task, seen)
    today = max(by_model, key=lambda name: (by_model[name].seen, name))
    chosen = sorted(by_model[today].values(), key=lambda one: digest(f"{order.seed}/{one[0].id}"))
    return _Drawn(chosen, by_model[today].seen, today)


_NO_BODY, _NO_GOLD = "no body", "no gold"


def _unusable(call: Call, match: Match | None, *, gold_only: bool) -> str:
    """Why a call cannot be drawn; "" where it can."""
    if call.outcome != "ok" or call.owner != "rented" or match is None or call.dialect == EMBEDDINGS.name:
        return "not answered by a rented model"
    if not call.request or not call.response:
        return _NO_BODY
    if escalated(call):
        return "an owned model was not sure of it"
    return _NO_GOLD if gold_only and call.gold is None else ""


def _nothing_to_ask(task: Task, seen: Counter[str]) -> MissingPrerequisite:
    if seen[_NO_GOLD]:
        return MissingPrerequisite(
            f"none of the {seen[_NO_GOLD]:,} calls of {task.name} that could be asked again has a person's answer",
            hint="freehold gold CALL ANSWER, or --against recorded",
        )
    if seen[_NO_BODY]:
        return MissingPrerequisite(
            f"{seen[_NO_BODY]:,} calls of {task.name} are recorded without content: there is nothing to ask again",
            hint="record or import calls with bodies (docs/imports.md)",
        )
    return MissingPrerequisite(
        f"no recorded call of {task.name} has its content and a rented model's answer",
        hint="freehold import LOG, or freehold up",
    )


def _unanswered(plan: Plan, done: Done) -> UpstreamFailed:
    told = ", ".join(f"{n:,} x {why}" for why, n in done.errors.items())
    why = done.stopped or "every call failed"
    return UpstreamFailed(
        f"{plan.provider}/{plan.model} answered none of {plan.to_ask:,} calls: {why}{f' ({told})' if told else ''}",
        hint="check the model's name and the provider's key; what was answered is kept, so run it again",
        code="rehearsal_unanswered",
    )


def _not_carried(answered: Sequence[Pair]) -> dict[str, int]:
    """What the requests asked for that the other model's interface could not be told, the most frequent first."""
    lost: Counter[str] = Counter()
    for pair in answered:
        if pair.new is not None:
            lost.update(filter(None, pair.new.tags.get(NOT_CARRIED_TAG, "").split(", ")))
    return dict(lost.most_common())


def _sum(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """The sum; None where any part is unknown."""
    known = [usd for usd in amounts if usd is not None]
    return sum(known, ZERO) if len(known) == len(amounts) else None
