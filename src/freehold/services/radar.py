"""The rented models in use, and which of them are about to go: calls, spend and tasks beside what is known of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

from freehold.market import retirements, sunsets
from freehold.market.retirements import STATUSES, Notice, Risk, Used
from freehold.vocabulary import ENDED_FREE, ZERO, Call, Leg

from . import model_lists
from .home import Home
from .model_lists import ModelList

IN_USE_DAYS = 30
"""A model counts as in use that was called within so many days of the newest call."""
REFUSALS = 3
"""So many calls in a row answered with 404, and none answered since, mean that a model is gone; one 410 does."""
_GONE = (404, 410)
_SERVING = frozenset({"serve", "escalate", "fallback", "hedge", "audit"})


class ModelRow(msgspec.Struct, frozen=True):
    """One rented model: what it was used for, and what is known of its end.

    `spend_usd` adds up the calls whose price is known, `unpriced` counts the others. Days in ISO 8601.
    """

    provider: str
    model: str
    calls: int
    failed: int
    spend_usd: Decimal
    unpriced: int
    tasks: tuple[str, ...]
    first_seen: str
    last_seen: str
    in_use: bool
    risk: Risk


class Fetched(msgspec.Struct, frozen=True):
    """A provider's list of models: when it was last fetched, how many it held, and why it could not be had."""

    provider: str
    fetched_on: str
    models: int
    error: str


class Models(msgspec.Struct, frozen=True):
    """Every rented model that was called, those at risk first, then by spend; and the lists that were asked for."""

    as_of: str
    models: tuple[ModelRow, ...]
    lists: tuple[Fetched, ...]


class _Seen:
    """What was seen of one model of one provider."""

    def __init__(self) -> None:
        self.calls = self.failed = self.unpriced = 0
        self.spend = ZERO
        self.tasks: dict[str, None] = {}
        self.first_us = self.last_us = self.answered_us = self.refused_us = 0
        self.refusals = 0

    def add(self, home: Home, call: Call, leg: Leg) -> None:
        at = call.started_at_us
        self.calls += 1
        self.first_us = self.first_us or at
        self.last_us = at
        if leg.outcome == "ok":
            self.answered_us = at
            self.refusals = 0
        else:
            self.failed += 1
        if leg.status in _GONE:
            self.refused_us = at if not self.refusals else self.refused_us
            self.refusals += REFUSALS if leg.status == 410 else 1
        if leg.usage is None:
            self.unpriced += leg.outcome not in ENDED_FREE
            return
        priced = home.prices.price_usage(leg.provider, leg.model, leg.usage, _moment(at)).usd
        self.unpriced += priced is None
        self.spend += priced or ZERO


class _Model(NamedTuple):
    provider: str
    name: str


def models(home: Home, *, today: date | None = None) -> Models:
    """Every rented model in the ledger with its risk; one pass over all calls."""
    seen: dict[_Model, _Seen] = {}
    names = {task.id: task.name for task in home.registry.tasks()}
    newest_us = 0
    for call, match in home.recognised():
        newest_us = max(newest_us, call.started_at_us)
        for leg in _rented(call):
            one = seen.setdefault(_Model(leg.provider, leg.model), _Seen())
            one.add(home, call, leg)
            if match is not None and match.task_id in names:
                one.tasks.setdefault(names[match.task_id])
    lists = model_lists.read(home.path)
    known = _known(home, lists)
    day = today or datetime.now(UTC).date()
    rows = [_row(home, model, one, newest_us, lists, known, day) for model, one in seen.items()]
    rows.sort(key=lambda row: (STATUSES.index(row.risk.status), not row.in_use, -row.spend_usd, -row.calls, row.model))
    fetched = [Fetched(one.provider, one.fetched_on, one.present, one.error) for one in lists]
    return Models(day.isoformat(), tuple(rows), tuple(fetched))


def at_risk(home: Home, *, today: date | None = None) -> list[tuple[str, str, Risk]]:
    """The models in use that will be or were shut down, by provider and name, the nearest first; fast, from totals."""
    found = home.ledger.query(
        "SELECT provider, model, max(started_at_us), max(started_at_us) FILTER (outcome = 'ok') FROM calls"
        " WHERE owner != 'owned' AND model != '' GROUP BY ALL"
    ).rows
    newest_us = max((row[2] for row in found), default=0)
    lists = model_lists.read(home.path)
    known = _known(home, lists)
    day = today or datetime.now(UTC).date()
    risks: list[tuple[str, str, Risk]] = []
    for provider, model, last_us, answered_us in found:
        if not _in_use(last_us, newest_us):
            continue
        used = _used(home, _Model(provider, model), answered_us or 0, lists)
        risk = retirements.assess(used, known, day)
        if risk.status in ("retired", "overdue", "retiring", "vanished"):
            risks.append((provider, model, risk))
    risks.sort(key=lambda one: (one[2].shutdown or day, one[0], one[1]))
    return risks


def in_words(risk: Risk) -> str:
    """What is known of a model's end, as what can be said after its name; "" where nothing is."""
    days = abs(risk.days_left or 0)
    match risk.status:
        case "gone":
            said = "every call to it has been refused as unknown of late"
        case "retired":
            said = f"was to be shut down on {risk.shutdown}, {_days(days)} ago"
        case "overdue":
            said = f"was to be shut down on {risk.shutdown} and answered after that: the date moved, or another answers"
        case "retiring":
            said = f"will be shut down on {risk.shutdown}, in {_days(days)}"
        case "vanished":
            said = "is no longer in its provider's list of models"
        case "deprecated":
            said = "is deprecated; its provider states no date"
        case "watch":
            near = f"from {risk.not_before} on" if (risk.days_left or 0) > 0 else f"since {risk.not_before}"
            said = f"may be shut down {near}; nothing is announced"
        case _:
            return ""
    if risk.replacement:
        said += f"; recommended instead: {risk.replacement}"
    return f"{said} (its maker's date; this platform sets its own)" if risk.borrowed else said


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _rented(call: Call) -> Iterator[Leg]:
    """The requests to rented models that a call took; of a call without recorded attempts, the call itself."""
    for leg in call.legs:
        if leg.owner == "rented" and leg.purpose in _SERVING and leg.model:
            yield leg
    if not call.legs and call.owner != "owned" and call.model and call.outcome != "refused":
        yield Leg("serve", "rented", call.provider, call.model, call.outcome, call.status, usage=call.usage)


def _row(
    home: Home,
    model: _Model,
    seen: _Seen,
    newest_us: int,
    lists: list[ModelList],
    known: list[Notice],
    day: date,
) -> ModelRow:
    used = _used(home, model, seen.answered_us, lists)
    settings = home.settings.providers.get(model.provider)
    if seen.refusals >= REFUSALS and not (settings is not None and settings.kind == "recorded"):
        used = msgspec.structs.replace(used, refused_since=_moment(seen.refused_us).date())
    return ModelRow(
        provider=model.provider,
        model=model.name,
        calls=seen.calls,
        failed=seen.failed,
        spend_usd=seen.spend,
        unpriced=seen.unpriced,
        tasks=tuple(seen.tasks),
        first_seen=_moment(seen.first_us).date().isoformat(),
        last_seen=_moment(seen.last_us).date().isoformat(),
        in_use=_in_use(seen.last_us, newest_us),
        risk=retirements.assess(used, known, day),
    )


def _used(home: Home, model: _Model, answered_us: int, lists: list[ModelList]) -> Used:
    settings = home.settings.providers.get(model.provider)
    kind, url = (settings.kind, settings.base_url) if settings is not None else ("", "")
    vanished: date | None = None
    for one in lists:
        listed = one.models.get(model.name)
        if one.provider == model.provider and listed is not None and listed.last_seen != one.fetched_on:
            vanished = date.fromisoformat(one.fetched_on)
    return Used(
        model.provider,
        retirements.vendor_of(model.provider, kind, url),
        model.name,
        answered_on=_moment(answered_us).date() if answered_us else None,
        vanished_on=vanished,
    )


def _known(home: Home, lists: list[ModelList]) -> list[Notice]:
    """Everything that any source says, of any model."""
    return [*retirements.notices(home.path), *model_lists.notices(lists), *_headers(sunsets.read(home.path))]


def _headers(noted: Iterable[sunsets.Sunset]) -> Iterator[Notice]:
    for one in noted:
        yield Notice(
            one.provider,
            (one.model,),
            f"headers of {one.provider}'s answers" + (f", {one.link}" if one.link else ""),
            as_of=_date(one.seen_at),
            announced=_date(one.deprecated),
            shutdown=_date(one.sunset),
            kind="header",
        )


def _date(text: str) -> date | None:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        return None


def _in_use(last_us: int, newest_us: int) -> bool:
    return last_us >= newest_us - timedelta(days=IN_USE_DAYS) // timedelta(microseconds=1)


def _moment(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1e6, UTC)
