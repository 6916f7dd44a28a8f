"""Reading what customers pay: a table that some billing system exported, or that somebody typed."""

from __future__ import annotations

import calendar
import csv
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec

from freehold.errors import BadRevenue, NotFound
from freehold.vocabulary import ZERO

from .spreadsheets import Fault, amount, day, opened, plain

ROLES = WHO, CUSTOMER, PLAN, AMOUNT, MONTH = ("who", "customer", "plan", "amount", "month")
_CURRENCY = "currency"
_NAMES: Mapping[str, tuple[str, ...]] = {
    WHO: ("end_user", "user", "user_id", "team", "key", "feature"),
    CUSTOMER: ("customer", "customer_id", "customer_name", "account", "account_id", "organisation", "organization"),
    PLAN: ("plan", "plan_name", "product", "tier", "price_id"),
    AMOUNT: (
        *("monthly_usd", "revenue_usd", "amount_usd", "mrr_usd", "monthly", "mrr", "revenue"),
        *("amount_paid", "amount", "price_usd", "price"),
    ),
    MONTH: ("month", "period_start", "date", "day", "created", "paid_at"),
    _CURRENCY: ("currency",),
}
_EXAMPLES = 3
_MOST_USD = Decimal(10) ** 12


class Paid(msgspec.Struct, frozen=True):
    """What one line says that somebody pays.

    `who` is a name as calls have it, `customer` whoever pays for it. `month` is the first day of the month that the
    amount is for; None: it is for each month.
    """

    who: str
    customer: str
    plan: str
    usd: Decimal
    month: date | None

    def within(self, days: Mapping[date, Decimal], months: Decimal) -> Decimal:
        """The part of it that falls into some time.

        Args:
            days: how many days that time has of each month, known by its first day.
            months: how many mean months it is long.
        """
        if self.month is None:
            return self.usd * months
        return self.usd * days.get(self.month, ZERO) / calendar.monthrange(self.month.year, self.month.month)[1]


class Revenue(msgspec.Struct, frozen=True):
    """A table of what customers pay: the column of each role, and what its lines say."""

    path: str
    columns: Mapping[str, str]
    paid: tuple[Paid, ...]


def read_revenue(path: Path, columns: Mapping[str, str]) -> Revenue:
    """Read a file; amounts of several lines on the same name add up.

    Args:
        path: CSV, with commas, semicolons or tabs.
        columns: by role (`who`, `customer`, `plan`, `amount`, `month`), columns that the user names.

    Raises:
        NotFound: there is no such file.
        BadRevenue: it cannot be read; the message names line and column, and quotes no cell.
    """
    if not path.is_file():
        raise NotFound(f"{path} is no file", hint="give the path of a table of what customers pay")
    try:
        with opened(path) as (header, rows):
            roles = _roles(path, header, columns)
            paid, faults = list[Paid](), list[str]()
            for number, row in rows:
                cells = {role: row[place].strip() if place < len(row) else "" for role, place in roles.items()}
                if not any(cells.values()):
                    continue
                try:
                    paid.append(_paid(cells))
                except Fault as fault:
                    faults.append(f"line {number}, column {header[roles[fault.role]]}: {fault.what}")
    except (UnicodeDecodeError, csv.Error):
        raise BadRevenue(f"{path.name} is no CSV that can be read", hint="save it as CSV in UTF-8") from None
    if faults:
        raise BadRevenue(f"{path.name}: {len(faults)} of its lines cannot be read: {'; '.join(faults[:_EXAMPLES])}")
    if not paid:
        raise BadRevenue(
            f"{path.name} holds no line that names somebody", hint="a line of column names, then a line each"
        )
    return Revenue(str(path), {role: header[place] for role, place in roles.items()}, tuple(paid))


def _roles(path: Path, header: list[str], columns: Mapping[str, str]) -> dict[str, int]:
    """The place of each role's column."""
    if not any(header):
        raise BadRevenue(f"{path.name} begins with no line of column names", hint="the first line must name columns")
    places: dict[str, int] = {}
    for place, name in enumerate(header):
        places.setdefault(name, place)
    roles: dict[str, int] = {}
    for role, names in _NAMES.items():
        wanted = (plain(columns[role]),) if role in columns else names
        found = next((places[name] for name in wanted if name in places), None)
        if found is None and role in columns:
            raise BadRevenue(f"{path.name} has no column {columns[role]!r}: it has {', '.join(header[:20])}")
        if found is not None:
            roles[role] = found
    if WHO not in roles and CUSTOMER in roles:
        roles[WHO] = roles.pop(CUSTOMER)
    for role in (WHO, AMOUNT):
        if role not in roles:
            raise BadRevenue(
                f"{path.name}: no column says {'who pays' if role == WHO else 'how much'}; it has"
                f" {', '.join(header[:20])}",
                hint=f"name it: --column {role}=NAME",
            )
    return roles


def _paid(cells: Mapping[str, str]) -> Paid:
    if not cells[WHO]:
        raise Fault(WHO, "names nobody")
    if cells.get(_CURRENCY, "").lower() not in ("", "usd"):
        raise Fault(_CURRENCY, "the amount is not in US dollars, in which all prices here are")
    usd = amount(AMOUNT, cells[AMOUNT]) if cells[AMOUNT] else Decimal(0)
    if not abs(usd) <= _MOST_USD:
        raise Fault(AMOUNT, "is no amount that somebody pays")
    month = None
    if stated := cells.get(MONTH, ""):
        month = day(MONTH, f"{stated}-01" if len(stated) == len("2026-01") else stated).replace(day=1)
    return Paid(cells[WHO], cells.get(CUSTOMER) or cells[WHO], cells.get(PLAN, ""), usd, month)
