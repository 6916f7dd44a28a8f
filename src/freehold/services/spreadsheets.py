"""Reading tables that people export from other tools: CSV with a line of names, amounts and days in several spellings.

What is wrong with a cell is said without quoting it: such tables hold names of customers.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

_EPOCH = re.compile(r"\d{9,11}(\.0+)?")
_AMOUNT = re.compile(r"-?(\d{1,3}(,\d{3})+|\d+)?(\.\d+)?([eE][+-]?\d+)?")


class Fault(Exception):
    """What is wrong with one cell."""

    def __init__(self, role: str, what: str) -> None:
        super().__init__(what)
        self.role, self.what = role, what


class Opened(NamedTuple):
    """A table: the names of its columns in small letters, and its other lines, each with its number in the file."""

    header: list[str]
    rows: Iterator[tuple[int, list[str]]]


@contextmanager
def opened(path: Path) -> Generator[Opened]:
    """A CSV file in UTF-8, with commas, semicolons or tabs, whichever its first line has most of.

    Raises:
        UnicodeDecodeError, csv.Error: it is none; while it is read, too.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        delimiter = max(",;\t", key=first.count)
        file.seek(0)
        rows = csv.reader(file, delimiter=delimiter)
        header = [plain(name) for name in next(rows, [])]
        yield Opened(header, ((rows.line_num, row) for row in rows))


def plain(name: str) -> str:
    """A column's name in small letters: `lineItem/UsageStartDate` is `line_item_usage_start_date`."""
    name = name.strip().strip("\ufeff")
    if "/" in name:
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("/", "_")
    return name.lower().replace(" ", "_")


def amount(role: str, text: str) -> Decimal:
    """An amount of money. `(1.20)` is negative, as accountants write it.

    Raises:
        Fault: it is none.
    """
    bare = text.replace("$", "").replace("US", "").replace(" ", "")
    if bare.startswith("(") and bare.endswith(")"):
        bare = f"-{bare[1:-1]}"
    if not re.search(r"\d", bare) or not _AMOUNT.fullmatch(bare):
        raise Fault(role, "is no amount of dollars, as 1234.56")
    return Decimal(bare.replace(",", ""))


def day(role: str, text: str) -> date:
    """A day (UTC) from a date, a time or seconds since the epoch.

    Raises:
        Fault: it is none.
    """
    try:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC).date()
        moment = datetime.fromisoformat(text.replace("UTC", "+00:00").replace(" +", "+"))
    except (ValueError, OverflowError, OSError):
        raise Fault(role, "is no day, as 2026-01-31") from None
    return (moment.astimezone(UTC) if moment.tzinfo is not None else moment).date()
