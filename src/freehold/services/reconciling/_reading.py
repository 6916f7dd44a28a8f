"""Reading a provider's invoice or usage export: which columns it has, and what each of its lines says."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from freehold.errors import BadInvoice, NotFound
from freehold.services.spreadsheets import Fault, amount, day, opened, plain
from freehold.vocabulary import BATCH_TIER, COUNTS, Usage
from freehold.wire.tiers import service_tier

from ._forms import AMOUNT, BATCH, CALLS, CATEGORY, CURRENCY, DAY, FORMS, MODEL, TIER, Form, category, charge

_EXAMPLES = 3
_MOST_COLUMNS = 2000


class Line(msgspec.Struct, frozen=True):
    """One line: what was charged for a model on a day (UTC, as the file states it), or what was used.

    `usd` None: it states no money. `usage` None: no tokens. `digits`: how many stand behind the amount's point.
    """

    day: str
    model: str
    category: str
    usd: Decimal | None
    usage: Usage | None
    calls: int | None
    digits: int


class Taken(msgspec.Struct, frozen=True):
    """What a file was taken for: its form, the column of each role, and how many of its lines say something."""

    path: str
    form: str
    provider: str
    columns: dict[str, str]
    lines: int
    empty: int


def read_invoice(path: Path, columns: Mapping[str, str]) -> tuple[Taken, list[Line]]:
    """Read a file.

    Args:
        path: CSV, with commas, semicolons or tabs.
        columns: by role (`day`, `model`, `amount`), columns that the user names.

    Raises:
        NotFound: there is no such file.
        BadInvoice: it cannot be read as one; the message names the line and the column.
    """
    if not path.is_file():
        raise NotFound(f"{path} is no file", hint="give the path of an invoice")
    try:
        with opened(path) as (header, rows):
            form, roles = _recognised(path, header, columns)
            lines, empty = _lines(path, form, roles, header, rows)
    except (UnicodeDecodeError, csv.Error):
        raise BadInvoice(
            f"{path.name} is no CSV that can be read", hint="save it as CSV in UTF-8, with a line of column names"
        ) from None
    if not lines:
        raise BadInvoice(f"{path.name} holds no line with an amount or a count", hint="export it again")
    named = {role: header[place] for role, place in roles.items()}
    return Taken(str(path), form.name, form.provider, named, len(lines), empty), lines


def _recognised(path: Path, header: list[str], columns: Mapping[str, str]) -> tuple[Form, dict[str, int]]:
    """The form of a file, and the place of each role's column."""
    if not any(header) or len(header) > _MOST_COLUMNS:
        raise BadInvoice(f"{path.name} begins with no line of column names", hint="the first line must name columns")
    places: dict[str, int] = {}
    for place, name in enumerate(header):
        places.setdefault(name, place)
    form = next(one for one in FORMS if one.fits(frozenset(header)))
    roles = {
        role: next(places[name] for name in names if name in places)
        for role, names in form.roles.items()
        if any(name in places for name in names)
    }
    for role, name in columns.items():
        if plain(name) not in places:
            raise BadInvoice(f"{path.name} has no column {name!r}: it has {', '.join(header[:20])}")
        roles[role] = places[plain(name)]
    missing = [role for role in (DAY, MODEL) if role not in roles]
    if AMOUNT not in roles and "output_tokens" not in roles:
        missing.append(AMOUNT)
    if missing:
        raise BadInvoice(
            f"{path.name}: no column is known for the {' and the '.join(missing)}; it has {', '.join(header[:20])}",
            hint=f"name it: --{missing[0]}-column NAME",
        )
    return form, roles


def _lines(
    path: Path, form: Form, roles: Mapping[str, int], header: list[str], rows: Iterator[tuple[int, list[str]]]
) -> tuple[list[Line], int]:
    found: list[Line] = []
    empty, faults = 0, list[str]()
    for number, row in rows:
        cells = {role: row[place].strip() if place < len(row) else "" for role, place in roles.items()}
        try:
            line = _line(form, cells)
        except Fault as fault:
            where = header[roles[fault.role]] if fault.role in roles else fault.role
            faults.append(f"line {number}, column {where}: {fault.what}")
            continue
        empty += line is None
        if line is not None:
            found.append(line)
    if faults:
        some = "; ".join(faults[:_EXAMPLES])
        raise BadInvoice(
            f"{path.name}: {len(faults)} of its lines cannot be read: {some}",
            hint="mend these lines, or name other columns with --day-column, --model-column and --amount-column",
        )
    return found, empty


def _line(form: Form, cells: Mapping[str, str]) -> Line | None:
    """What a line says; None where it says nothing (exports have lines for days without any use)."""
    usd = amount(AMOUNT, cells[AMOUNT]) if cells.get(AMOUNT) else None
    usage = _usage(cells)
    if usd is None and usage is None:
        return None
    if usd is not None and cells.get(CURRENCY, "usd").lower() not in ("usd", ""):
        raise Fault(CURRENCY, "the amount is not in US dollars, in which all prices here are")
    calls = _count(CALLS, cells[CALLS]) if cells.get(CALLS) else None
    model = cells[MODEL].partition(", ")[0] if form.name == "OpenAI costs export" else cells[MODEL]
    kind = category(cells.get(CATEGORY, ""))
    if kind == "usage" and usage is None and calls is None:
        kind = charge(cells[MODEL])
    return Line(day(DAY, cells[DAY]).isoformat(), model, kind, usd, usage, calls, 0 if usd is None else _digits(usd))


def _usage(cells: Mapping[str, str]) -> Usage | None:
    counts = {role: _count(role, cells[role]) for role in (*COUNTS, "prompt_tokens") if cells.get(role)}
    if not counts:
        return None
    prompt = counts.pop("prompt_tokens", None)
    if prompt is not None and "input_tokens" not in counts:
        cached = sum(
            counts.get(name, 0) for name in ("cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens")
        )
        counts["input_tokens"] = max(0, prompt - cached)
    tier = service_tier(cells.get(TIER, "").replace("message", "standard"))
    if cells.get(BATCH, "").lower() in ("true", "1", "yes"):
        tier = BATCH_TIER
    return msgspec.structs.replace(Usage(service_tier=tier), **counts)


def _count(role: str, text: str) -> int:
    try:
        value = Decimal(text.replace(",", ""))
        whole = int(value)
    except (InvalidOperation, ValueError, OverflowError):
        raise Fault(role, "is no number") from None
    if whole != value or whole < 0:
        raise Fault(role, "is no whole number")
    return whole


def _digits(value: Decimal) -> int:
    """The digits behind an amount's point."""
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
