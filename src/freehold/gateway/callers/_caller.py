"""One virtual key as a gateway process holds it: what it may ask for, and where its rows in the book are."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import Final

from freehold.errors import InvalidKey, KeyScope
from freehold.registry.names import folded
from freehold.vocabulary import VirtualKey

from ._book import Book
from ._periods import Span, span

CHALLENGE: Final = b'www-authenticate: Bearer realm="freehold"\r\n'
"""The header line of every 401: how to say who calls."""

_ANOTHER: Final = "ask whoever gave it to you for another"
_RATES_TAG = 0
_MOST_NAMES = 1024
_NO_ROW = 0


class Caller:
    """Who calls. Read `key`; the rest is for this package."""

    __slots__ = (
        "_book",
        "_models",
        "_rates_row",
        "_seen",
        "_span",
        "_spend_row",
        "_tasks",
        "digest",
        "key",
        "limited",
        "number",
        "owed",
        "owed_ns",
    )

    def __init__(self, key: VirtualKey) -> None:
        self.key = key
        self.number = key.number
        self.digest = bytes.fromhex(key.digest)
        self.limited = key.budget is not None or key.rpm > 0 or key.tpm > 0
        self._models = _patterns(key.models)
        self._tasks = _patterns(tuple(map(folded, key.tasks)))
        self._seen: dict[tuple[str, str], bool] = {}
        self._book: Book | None = None
        self._span = Span(0, 0, -1)
        self._rates_row = self._spend_row = _NO_ROW
        self.owed = self.owed_ns = 0  # tokens that calls used beyond what was taken for them, and the last one when

    def check_valid(self, now_ns: int) -> None:
        """Refuse a key that was revoked or has expired.

        Raises:
            InvalidKey: it was, or has.
        """
        key = self.key
        if key.revoked_at:
            raise InvalidKey(f"the key {key.name} was revoked", hint=_ANOTHER, lines=CHALLENGE)
        if key.expires_at_us and now_ns >= key.expires_at_us * 1000:
            raise InvalidKey(f"the key {key.name} has expired", hint=_ANOTHER, lines=CHALLENGE)

    def check_scope(self, model: str, task: str) -> None:
        """Refuse a model or a task that the key is not for.

        Raises:
            KeyScope: it is not.
        """
        if self._models is None and self._tasks is None:
            return
        allowed = self._seen.get((model, task))
        if allowed is None:
            if len(self._seen) >= _MOST_NAMES:
                self._seen.clear()
            allowed = self._seen[model, task] = _allows(self._models, model) and _allows(self._tasks, folded(task))
        if not allowed:
            if not _allows(self._models, model):
                what, names = "this model", self.key.models
            else:
                # A name that the settings or the caller give is not enough: nobody could tell whether it is true.
                what, names = "this task" if task else "calls of no task that has been found", self.key.tasks
            raise KeyScope(f"the key {self.key.name} is not for {what}", hint=f"it is for {', '.join(names)}")

    def rates_row(self, book: Book, now_ns: int) -> int:
        """Where its limits per minute stand."""
        if self._book is not book:
            self._forget(book)
        if self._rates_row == _NO_ROW:
            self._rates_row = book.row(self.number, _RATES_TAG, now_ns)
        return self._rates_row

    def spend_row(self, book: Book, now_ns: int) -> int:
        """Where what it spent in the present period stands."""
        assert self.key.budget is not None
        if self._book is not book:
            self._forget(book)
        row = self._spend_row
        if not self._span.holds(now_ns) or row == _NO_ROW or not book.is_row(row, self.number, self._span.tag):
            self._span = span(self.key.budget.period, now_ns)
            self._spend_row = book.row(self.number, self._span.tag, now_ns)
        return self._spend_row

    @property
    def span(self) -> Span:
        """The period of `spend_row`."""
        return self._span

    def _forget(self, book: Book) -> None:
        self._book, self._rates_row, self._spend_row = book, _NO_ROW, _NO_ROW


def _patterns(globs: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(translate, globs))) if globs else None


def _allows(pattern: re.Pattern[str] | None, name: str) -> bool:
    return pattern is None or pattern.match(name) is not None
