"""Comparing a provider's invoice with the ledger: per day and model, and why the two differ, to the last cent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec

from freehold.errors import MissingPrerequisite, UsageError
from freehold.services.home import Home
from freehold.vocabulary import ZERO

from . import _parts
from ._parts import Billed, Valuer, explain
from ._reading import Line, Taken, read_invoice
from ._spent import Hours, Spent, by_day, model_key, spent_by_hour

_DOMAINS = {"openai": "api.openai.com", "anthropic": "api.anthropic.com", "aws": "amazonaws.com"}
_SHIFTS = range(-14, 13)
"""Hours by which an invoice's days may begin before those of UTC."""
_BETTER = 2
"""How many times smaller the differences must become before days are taken to begin at another hour."""
_STEADY_DAYS = 3
_STEADY = Decimal("0.005")


class Row(msgspec.Struct, frozen=True):
    """One model on one day, as the invoice and as the ledger has it.

    `model` is the invoice's name of it, "" for all models together. `invoice_usd` None: it states no money, and the
    price of its tokens is unknown here. `ledger_usd` is exact for the calls whose price is known; `unpriced_calls` are
    the others. `parts` add up to `difference_usd` exactly.
    """

    day: str
    model: str
    invoice_usd: Decimal | None
    ledger_usd: Decimal
    difference_usd: Decimal | None
    parts: dict[str, Decimal]
    invoice_calls: int | None
    ledger_calls: int
    unpriced_calls: int


class Reconciled(msgspec.Struct, frozen=True):
    """An invoice against the ledger.

    `files` say what each file was taken for. `providers`: whose calls were compared, none for all. `stated`: the
    invoice states money; else its tokens are valued at our prices. `day_begins_h`: hours by which its days were found
    to begin before those of UTC. `parts` add up to `difference_usd` exactly; rows without an amount are in none of the
    sums.
    """

    files: list[Taken]
    providers: list[str]
    first_day: str
    last_day: str
    stated: bool
    day_begins_h: int
    invoice_usd: Decimal
    ledger_usd: Decimal
    difference_usd: Decimal
    parts: dict[str, Decimal]
    rows: list[Row]


def reconcile(
    home: Home, paths: Sequence[Path], *, provider: str = "", columns: Mapping[str, str] | None = None
) -> Reconciled:
    """Compare invoices or usage exports of one provider with the ledger.

    A file with money and one with tokens of the same days make one invoice. Only days between the invoice's first and
    last are compared.

    Args:
        home: whose ledger.
        paths: CSV files; see `docs/cost.md` for the forms that are known.
        provider: whose calls, by the name in the settings; by default those of the provider that the form names.
        columns: by role (`day`, `model`, `amount`), columns that the user names.

    Raises:
        NotFound, BadInvoice: a file cannot be read.
        UsageError: no file was given, or the files are of different providers.
        MissingPrerequisite: the ledger holds no call of these days and this provider.
    """
    if not paths:
        raise UsageError("no invoice was given", hint="freehold reconcile INVOICE.csv")
    files: list[Taken] = []
    lines: list[Line] = []
    for path in paths:
        taken, read = read_invoice(path, columns or {})
        files.append(taken)
        lines += read
    whose = {taken.provider for taken in files if taken.provider}
    if len(whose) > 1:
        raise UsageError(
            f"the files are of different providers: {', '.join(sorted(whose))}", hint="give those of one at a time"
        )
    providers = _providers(home, provider, next(iter(whose), ""))
    first, last = min(line.day for line in lines), max(line.day for line in lines)
    hours = _hours(home, first, last, providers)
    return _compared(home, files, lines, hours, sorted(providers), first, last)


def _providers(home: Home, asked: str, catalogue: str) -> frozenset[str]:
    """Names in the settings and the ledger of the provider whose invoice it is; none: of every provider."""
    if asked:
        return frozenset({asked})
    domain = _DOMAINS.get(catalogue, "")
    known = {name for name, one in home.settings.providers.items() if domain and domain in one.address}
    return frozenset(known | {catalogue, *({"bedrock"} if catalogue == "aws" else ())}) if catalogue else frozenset()


def _hours(home: Home, first: str, last: str, providers: frozenset[str]) -> Hours:
    """The ledger's side, with a day before and after, so that days may begin at another hour."""
    since = datetime.fromisoformat(first).replace(tzinfo=UTC) - timedelta(days=1)
    until = datetime.fromisoformat(last).replace(tzinfo=UTC) + timedelta(days=2)
    calls = home.ledger.calls(
        since_us=int(since.timestamp()) * 1_000_000, until_us=int(until.timestamp()) * 1_000_000, bodies=False
    )
    hours = spent_by_hour(calls, home.prices, providers)
    if not hours:
        whose = f" of {', '.join(sorted(providers))}" if providers else ""
        raise MissingPrerequisite(
            f"the ledger holds no call{whose} between {first} and {last}",
            hint="freehold import LOG, or --provider NAME for the calls of another provider",
        )
    return hours


def _compared(
    home: Home, files: list[Taken], lines: list[Line], hours: Hours, providers: list[str], first: str, last: str
) -> Reconciled:
    charges = [line for line in lines if line.category == "usage"]
    stated = any(line.usd is not None for line in lines)
    by_model = any(line.model for line in charges)
    if not by_model:
        hours = _without_models(hours)
    known = {model for _, model in hours}
    billed = _billed(charges, known, by_model=by_model)
    if not stated:
        _valued(home, billed, by_day(hours))
    shift = _shift(billed, hours, first, last)
    rows = _rows(home, billed, hours, shift, first, last)
    rows += [
        Row(day, "", usd, ZERO, usd, {name: usd}, None, 0, 0)
        for (day, name), usd in _beside(lines, by_model=by_model).items()
    ]
    rows.sort(key=lambda row: (row.day, row.model))
    sums: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    compared = [row for row in rows if row.difference_usd is not None]
    for row in compared:
        for name, usd in row.parts.items():
            sums[name] += usd
    invoice = sum((row.invoice_usd or ZERO for row in compared), ZERO)
    ledger = sum((row.ledger_usd for row in compared), ZERO)
    parts = dict(sorted(((name, usd) for name, usd in sums.items() if usd), key=lambda part: -abs(part[1])))
    return Reconciled(
        files, providers, first, last, stated, shift, invoice, ledger, invoice - ledger, parts, rows
    )  # fmt: skip


def _without_models(hours: Hours) -> Hours:
    whole: Hours = {}
    for (hour, _), spent in hours.items():
        whole.setdefault((hour, ""), Spent()).merge(spent)
    return whole


def _billed(charges: Sequence[Line], known: set[str], *, by_model: bool) -> dict[tuple[str, str], Billed]:
    """The invoice by day and model. A model's line may be a sentence that has its name in it."""
    found: dict[tuple[str, str], Billed] = {}
    for line in charges:
        if by_model and not line.model:
            continue
        one = found.setdefault((line.day, _matching(line.model, known)), Billed())
        one.name = one.name or line.model
        if line.usd is not None:
            one.usd = (one.usd or ZERO) + line.usd
            one.tolerance += Decimal(5).scaleb(-line.digits - 1)
        if line.calls is not None:
            one.calls = (one.calls or 0) + line.calls
        if line.usage is not None:
            one.usages = [*one.usages, line.usage]
    return found


def _matching(name: str, known: set[str]) -> str:
    key = model_key(name)
    if key in known:
        return key
    inside = [one for one in known if one and one in key]
    return max(inside, key=len, default=key)


def _beside(lines: Sequence[Line], *, by_model: bool) -> dict[tuple[str, str], Decimal]:
    """What an invoice charges besides models: taxes, credits, and what it names no model for."""
    names = {"tax": _parts.TAXES, "credit": _parts.CREDITS}
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    for line in lines:
        if line.usd and (line.category != "usage" or (by_model and not line.model)):
            sums[line.day, names.get(line.category, _parts.NO_MODEL)] += line.usd
    return sums


def _valued(home: Home, billed: Mapping[tuple[str, str], Billed], days: Mapping[tuple[str, str], Spent]) -> None:
    """Give the tokens of a usage export an amount at our prices, where these are known."""
    names = {model: spent.names.most_common(1)[0][0] for (_, model), spent in days.items()}
    for (day, model), one in billed.items():
        if model in names:
            one.usd = Valuer(home.prices, names[model], day).in_their_tiers(one.usages)


def _shift(billed: Mapping[tuple[str, str], Billed], hours: Hours, first: str, last: str) -> int:
    """Hours by which the invoice's days begin before ours: what makes the differences much smaller, else none."""

    def off(shift: int) -> Decimal:
        days = by_day(hours, shift)
        keys = billed.keys() | {key for key in days if first <= key[0] <= last}
        sums = ((billed[key].usd or ZERO) if key in billed else ZERO for key in keys)
        return sum(
            (abs(usd - (days[key].usd if key in days else ZERO)) for key, usd in zip(keys, sums, strict=True)), ZERO
        )

    if first == last:
        return 0
    plain = off(0)
    best = min(_SHIFTS, key=lambda shift: (off(shift), abs(shift)))
    return best if off(best) * _BETTER < plain else 0


def _rows(
    home: Home, billed: Mapping[tuple[str, str], Billed], hours: Hours, shift: int, first: str, last: str
) -> list[Row]:
    ours, shifted = by_day(hours), by_day(hours, shift)
    steady = _steady(billed, shifted)
    keys = billed.keys() | {key for key in (*ours, *shifted) if first <= key[0] <= last}
    rows: list[Row] = []
    for day, model in sorted(keys):
        one, spent = billed.get((day, model), Billed()), shifted.get((day, model), Spent())
        plain = ours.get((day, model), Spent())
        name = spent.names.most_common(1)[0][0] if spent.names else ("", model)
        parts = _row_parts(
            one, spent, Valuer(home.prices, name, day), listed=(day, model) in billed, steady=model in steady
        )
        moved = spent.usd - plain.usd
        if parts is not None and moved:
            parts = {_parts.DAY_SHIFT: moved, **parts}
        usd = None if parts is None else (one.usd or ZERO)
        rows.append(
            Row(
                day,
                one.name or name[1],
                usd,
                plain.usd,
                None if usd is None else usd - plain.usd,
                parts or {},
                one.calls,
                plain.calls,
                plain.unpriced,
            )
        )
    return rows


def _row_parts(one: Billed, spent: Spent, value: Valuer, *, listed: bool, steady: bool) -> dict[str, Decimal] | None:
    """Why the two differ; None where the invoice's amount is not known."""
    if not listed:
        return {_parts.ABSENT: -spent.usd} if spent.usd else {}
    if one.usd is None:
        return None
    if not spent.calls:
        return {_parts.MISSING: one.usd} if one.usd else {}
    return explain(one, spent, value, steady=steady)


def _steady(billed: Mapping[tuple[str, str], Billed], days: Mapping[tuple[str, str], Spent]) -> frozenset[str]:
    """Models whose invoice is the same multiple of the ledger's cost on every one of at least three days."""
    ratios: defaultdict[str, list[Decimal]] = defaultdict(list)
    for (day, model), one in billed.items():
        spent = days.get((day, model))
        if one.usd and spent is not None and spent.usd:
            ratios[model].append(one.usd / spent.usd)
    return frozenset(
        model
        for model, found in ratios.items()
        if len(found) >= _STEADY_DAYS and max(found) - min(found) <= _STEADY * max(found)
    )
