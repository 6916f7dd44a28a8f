"""Virtual keys: made, listed with what they have spent, revoked."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Literal, get_args

import msgspec

from freehold.errors import UsageError
from freehold.gateway.callers.rebuilding import rebuild as rebuild_book
from freehold.gateway.callers.spending import Spending, began_us, spending
from freehold.vocabulary import GATEWAY, NANO_USD, ZERO, Budget, Call, Period, Usage, VirtualKey

from .home import Home
from .promoting import whoever

_BUDGET = re.compile(r"\$?\s*([0-9.]+)\s*(?:usd|\$)?(?:\s*/\s*([a-z]+))?", re.IGNORECASE)
_AGE = re.compile(r"([0-9]+)([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}
_MOST_USD = Decimal(1_000_000_000)
_MOST_A_MINUTE = 1_000_000_000


class Limits(msgspec.Struct, frozen=True):
    """What a key is to be for, as a person writes it: `budget` as `50usd/month`, `expires` as `90d` or a date."""

    budget: str = ""
    rpm: int = 0
    tpm: int = 0
    expires: str = ""
    models: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    team: str = ""


class KeyRow(msgspec.Struct, frozen=True):
    """One key, for people. Money in US dollars; None where the key has no budget, 0 for no limit, "" for never."""

    name: str
    id: str
    status: Literal["active", "expired", "revoked"]
    team: str
    budget_usd: Decimal | None
    period: str
    spent_usd: Decimal | None
    reserved_usd: Decimal | None
    estimated_usd: Decimal | None
    resets_at: str
    rpm: int
    tpm: int
    models: tuple[str, ...]
    tasks: tuple[str, ...]
    created_at: str
    expires_at: str
    revoked_at: str


def create(home: Home, name: str, limits: Limits, *, by: str = "") -> tuple[KeyRow, str]:
    """Make a key. Returns what is kept of it, and the key itself, which nobody can be shown again.

    Raises:
        UsageError: the name is taken, or a limit makes no sense.
        MissingPrerequisite: the secret that keys are kept under is gone.
    """
    now = datetime.now(UTC)
    for option, value in (("--rpm", limits.rpm), ("--tpm", limits.tpm)):
        if not 0 <= value <= _MOST_A_MINUTE:
            raise UsageError(f"{option} is {value}", hint=f"1 to {_MOST_A_MINUTE} a minute, 0 for no limit")
    wanted = VirtualKey(
        id="",
        name=name,
        digest="",
        created_at="",
        team=limits.team,
        models=limits.models,
        tasks=limits.tasks,
        budget=parse_budget(limits.budget) if limits.budget else None,
        rpm=limits.rpm,
        tpm=limits.tpm,
        expires_at_us=parse_expiry(limits.expires, now) if limits.expires else 0,
    )
    key, secret = home.registry.add_virtual_key(wanted, by=by or whoever())
    return _rows(home, [key])[0], secret


def listed(home: Home) -> list[KeyRow]:
    """Every key that was ever made, oldest first, with what it spent in the present period.

    Raises:
        MissingPrerequisite: what was spent cannot be read.
    """
    return _rows(home, home.registry.virtual_keys())


def revoke(home: Home, name: str, *, by: str = "", reason: str = "") -> KeyRow:
    """Take a key back. Running gateways refuse it within a second; calls under way end.

    Raises:
        NotFound: there is no such key.
    """
    return _rows(home, [home.registry.revoke_virtual_key(name, by=by or whoever(), reason=reason)])[0]


class Rebuilt(msgspec.Struct, frozen=True):
    """An account that was made anew: the keys with budgets, calls that were counted, and those nobody could price."""

    keys: list[KeyRow]
    calls: int
    unpriced: int


def rebuild(home: Home, now_ns: int | None = None) -> Rebuilt:
    """Make the account of budgets anew from the gateway's calls, for the period that each key is in now.

    Imported calls do not count, whatever key their log names: no budget here paid for them. Calls that the ledger does
    not hold (dropped, or killed before they were recorded) are not in it, nor are those without token counts or price,
    which the account had kept at what was reserved for them.

    Raises:
        MissingPrerequisite: a gateway of this home is running, or the account cannot be written.
        LedgerUnavailable: the ledger cannot be read.
    """
    now_ns = time.time_ns() if now_ns is None else now_ns
    begun = {
        key.name: (key, began_us(key.budget, now_ns)) for key in home.registry.virtual_keys() if key.budget is not None
    }
    spent = dict.fromkeys((key for key, _ in begun.values()), 0)
    counted = unpriced = 0
    if begun:
        earliest = min(since_us for _, since_us in begun.values())
        for call in home.ledger.calls(since_us=earliest, bodies=False, sources=(GATEWAY,)):
            key, since_us = begun.get(call.key, (None, 0))
            if key is None or call.started_at_us < since_us:
                continue
            usd = _cost(home, call)
            counted += usd is not None
            unpriced += usd is None
            spent[key] += int(((usd or ZERO) * NANO_USD).to_integral_value(ROUND_CEILING))
    rebuild_book(home.path, spent, now_ns)
    return Rebuilt(_rows(home, list(spent), now_ns), counted, unpriced)


def _cost(home: Home, call: Call) -> Decimal | None:
    """What a call cost its key, by its legs; None where a part of it cannot be told."""
    paid = [leg for leg in call.legs if leg.owner == "rented" and leg.purpose not in {"audit", "shadow"}]
    total = ZERO
    for leg in paid:
        if leg.usage is None and leg.outcome != "ok":
            continue
        usd = home.prices.price_leg(call, leg, leg.usage or Usage()).usd
        if usd is None or leg.usage is None:
            return None
        total += usd
    return total


def parse_budget(text: str) -> Budget:
    """`50usd/month`, `0.5usd/day`, `200usd` (in total).

    Raises:
        UsageError: it is no such thing.
    """
    found = _BUDGET.fullmatch(text.strip())
    word = (found.group(2) or "total").lower() if found else ""
    period = next((one for one in get_args(Period) if one == word), None)
    try:
        usd = Decimal(found.group(1)) if found else Decimal(0)
    except InvalidOperation:
        usd = Decimal(0)
    nano = usd * NANO_USD
    if period is None or not 0 < usd <= _MOST_USD or nano != nano.to_integral_value():
        raise UsageError(f"{text!r} is no budget", hint="as in --budget 50usd/month; or /day, /week, /total")
    return Budget(int(nano), period)


def parse_expiry(text: str, now: datetime) -> int:
    """`90d`, `12h`, `4w` from now on, a date (to the end of that day, UTC) or a moment, in microseconds.

    Raises:
        UsageError: it is no such thing, or has passed.
    """
    age = _AGE.fullmatch(text.strip().lower())
    moment: datetime | None = None
    try:
        if age:
            moment = now + timedelta(hours=int(age.group(1)) * _HOURS[age.group(2)])
        elif len(text.strip()) == len("2026-01-31"):
            day = date.fromisoformat(text.strip())
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        else:
            moment = datetime.fromisoformat(text.strip())
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment <= now:
        raise UsageError(f"{text!r} is no time to come", hint="as in --expires 90d or --expires 2031-12-31")
    return int(moment.timestamp() * 1e6)


def _rows(home: Home, keys: Sequence[VirtualKey], now_ns: int | None = None) -> list[KeyRow]:
    now_ns = time.time_ns() if now_ns is None else now_ns
    spent = spending(home.path, keys, now_ns)
    return [_row(key, spent.get(key.id), now_ns) for key in keys]


def _row(key: VirtualKey, spent: Spending | None, now_ns: int) -> KeyRow:
    expired = key.expires_at_us and key.expires_at_us * 1000 <= now_ns
    expires = datetime.fromtimestamp(key.expires_at_us / 1e6, UTC).isoformat() if key.expires_at_us else ""
    return KeyRow(
        name=key.name,
        id=key.id,
        status="revoked" if key.revoked_at else "expired" if expired else "active",
        team=key.team,
        budget_usd=None if key.budget is None else Decimal(key.budget.limit_nano_usd) / NANO_USD,
        period="" if key.budget is None else key.budget.period,
        spent_usd=None if spent is None else spent.spent,
        reserved_usd=None if spent is None else spent.reserved,
        estimated_usd=None if spent is None else spent.estimated,
        resets_at="" if spent is None else spent.resets_at,
        rpm=key.rpm,
        tpm=key.tpm,
        models=key.models,
        tasks=key.tasks,
        created_at=key.created_at,
        expires_at=expires,
        revoked_at=key.revoked_at,
    )
