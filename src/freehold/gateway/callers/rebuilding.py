"""A new book in the place of one that is damaged or lost, while no gateway runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from freehold.errors import MissingPrerequisite
from freehold.vocabulary import VirtualKey

from ._book import FILE, FOLDER, PROCESSES, Book, lock_of
from ._periods import span
from .spending import is_alive


def rebuild(home: Path, spent_nano_usd: Mapping[VirtualKey, int], now_ns: int) -> None:
    """Begin the book anew with what each key has spent in the period of a moment; limits per minute begin unused.

    What lay there is kept beside it under another name.

    Raises:
        MissingPrerequisite: a gateway process of this home is running, or the book cannot be written.
    """
    folder = home / FOLDER
    if any(is_alive(lock_of(folder, process)) for process in range(PROCESSES)):
        raise MissingPrerequisite("a gateway of this home is running", hint="stop it first, and start it afterwards")
    file = folder / FILE
    if file.exists():
        moment = datetime.fromtimestamp(now_ns / 1e9, UTC)
        file.rename(file.with_name(f"{FILE}.before-{moment:%Y%m%dT%H%M%S}"))
    book = Book(home)
    try:
        for key, amount in spent_nano_usd.items():
            if key.budget is not None:
                row = book.row(key.number, span(key.budget.period, now_ns).tag, now_ns)
                book.lock()
                try:
                    book.reserve(row, amount)
                finally:
                    book.unlock()
                book.settle(row, amount, amount)
    finally:
        book.close()
