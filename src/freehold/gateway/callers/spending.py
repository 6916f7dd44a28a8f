"""What keys have spent, for those who only look: the book read without holding a place in it."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from freehold.vocabulary import NANO_USD, Budget, VirtualKey

from ._book import COMMITTED, ESTIMATED, FILE, FOLDER, RESERVED, TAG, USED, WORDS, lock_of, mapped, unavailable
from ._periods import span


class Spending(msgspec.Struct, frozen=True):
    """What one key did with its budget in one period, in US dollars.

    `reserved` may still be spent by calls under way; `estimated` is the part of `spent` that is what calls without
    token counts and calls of processes that were killed may have cost. `resets_at` is ISO 8601 in UTC, "" for a budget
    that never begins anew.
    """

    spent: Decimal
    reserved: Decimal
    estimated: Decimal
    resets_at: str


def spending(home: Path, keys: Iterable[VirtualKey], now_ns: int) -> dict[str, Spending]:
    """What each key that has a budget did with it in the period of a moment, by its id.

    Raises:
        MissingPrerequisite: the book is damaged or cannot be read.
    """
    with_budget = [(key, span(key.budget.period, now_ns)) for key in keys if key.budget is not None]
    found = _rows(home) if with_budget else {}
    made: dict[str, Spending] = {}
    for key, period in with_budget:
        committed, reserved, estimated = found.get((key.number, period.tag), (0, 0, 0))
        ends = datetime.fromtimestamp(period.ends_ns / 1e9, UTC)
        made[key.id] = Spending(
            _usd(committed - reserved),
            _usd(reserved),
            _usd(estimated),
            ends.strftime("%Y-%m-%dT%H:%M:%SZ") if period.ends_ns else "",
        )
    return made


def began_us(budget: Budget, now_ns: int) -> int:
    """When the period of a moment began, in microseconds since the epoch; 0 for a budget in total."""
    return span(budget.period, now_ns).starts_ns // 1000


def _rows(home: Path) -> dict[tuple[int, int], tuple[int, int, int]]:
    """Committed, reserved and estimated by key and period; what processes that have gone reserved is an estimate."""
    file = home / FOLDER / FILE
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unavailable(f"{file} cannot be read: {error.strerror}") from None
    try:
        made, view = mapped(file, descriptor, access=mmap.ACCESS_READ)
        try:
            used = view[USED]
            alive = [is_alive(lock_of(home / FOLDER, process)) for process in range(used)]
            rows: dict[tuple[int, int], tuple[int, int, int]] = {}
            for row in range(WORDS, len(view), WORDS):
                if view[row] and view[row + TAG]:
                    reserved = view[row + RESERVED : row + RESERVED + used].tolist()
                    under_way = sum(amount for amount, lives in zip(reserved, alive, strict=True) if lives)
                    committed = sum(view[row + COMMITTED : row + COMMITTED + used])
                    estimated = view[row + ESTIMATED] + sum(reserved) - under_way
                    rows[view[row], view[row + TAG]] = (committed, under_way, estimated)
            return rows
        finally:
            view.release()
            made.close()
    finally:
        os.close(descriptor)


def is_alive(lock: Path) -> bool:
    """Whether a process holds that lock."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _usd(nano: int) -> Decimal:
    return Decimal(nano) / NANO_USD
