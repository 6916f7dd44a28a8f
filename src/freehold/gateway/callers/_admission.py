"""A call that was let in: what was reserved for it, and how that is settled."""

from __future__ import annotations

from collections.abc import Callable

from freehold.errors import FreeholdError
from freehold.vocabulary import Owner, Usage

from . import _limits
from ._book import TOKENS, Book
from ._caller import Caller
from ._tariffs import Tariffs


class Admission:
    """What was reserved for one call. End it by exactly one of `settle` and `release`; a second end changes nothing.

    `lines` are the header lines that tell the client of its limits, as they stood when the call was let in. An
    admission that is never ended keeps its reservation until its process has gone, and counts as spent then.
    """

    __slots__ = ("_amount", "_book", "_caller", "_clock", "_extra_nano", "_extra_tokens", "_open", "_rates_row",
                 "_spend_row", "_tag", "_tariffs", "_tokens", "lines")  # fmt: skip

    def __init__(self, caller: Caller, book: Book | None, tariffs: Tariffs, clock: Callable[[], int]) -> None:
        self._caller, self._book, self._tariffs, self._clock = caller, book, tariffs, clock
        self._open = book is not None
        self._rates_row = self._spend_row = self._tag = 0
        self._amount = self._tokens = self._extra_nano = self._extra_tokens = 0
        self.lines = b""

    def hold(self, *, rates_row: int, spend_row: int, amount: int, tokens: int, lines: bytes) -> None:
        """Note what was taken. Called by whoever admits."""
        self._rates_row, self._spend_row = rates_row, spend_row
        self._tag = self._caller.span.tag
        self._amount, self._tokens, self.lines = amount, tokens, lines

    def add(self, usage: Usage, provider: str, model: str) -> None:
        """Count what an attempt cost that was not the last one: a broken stream before its fallback, say."""
        cost = self._nano_usd(usage, provider, model)
        self._extra_nano += self._amount if cost is None else cost
        self._extra_tokens += usage.prompt_tokens + usage.output_tokens

    def settle(self, usage: Usage | None, provider: str, model: str, *, owner: Owner = "rented") -> None:
        """The call is over: count what it did cost instead of what it might have.

        Owned answers cost nothing, and count as a request and as tokens. Where `usage` is None or its price is unknown,
        the reservation stays spent: what cannot be known is never taken for nothing.
        """
        if not self._open:
            return
        book, self._open = self._book, False
        assert book is not None
        if usage is None:
            cost, tokens = None, self._tokens
        else:
            cost = 0 if owner == "owned" else self._nano_usd(usage, provider, model)
            tokens = usage.prompt_tokens + usage.output_tokens
        cost = (self._amount if cost is None else cost) + self._extra_nano
        self._end(book, cost, tokens + self._extra_tokens)

    def release(self) -> None:
        """The call was not made: give back money and tokens. It was a request all the same."""
        if self._open:
            book, self._open = self._book, False
            assert book is not None
            self._end(book, self._extra_nano, self._extra_tokens)

    def _nano_usd(self, usage: Usage, provider: str, model: str) -> int | None:
        if not self._spend_row:
            return 0
        now_ns = self._clock()
        tariff = self._tariffs.of(provider, model, usage.prompt_tokens, now_ns)
        return None if tariff is None else tariff.nano_usd(usage)

    def _end(self, book: Book, cost: int, tokens: int) -> None:
        if book.closed:
            return
        if self._spend_row and book.is_row(self._spend_row, self._caller.number, self._tag):
            book.settle(self._spend_row, self._amount, cost)
        if self._rates_row and tokens != self._tokens:
            self._correct(book, tokens - self._tokens)

    def _correct(self, book: Book, more: int) -> None:
        limit = self._caller.key.tpm
        if not limit:
            return
        now_ns = self._clock()
        try:
            book.lock()
        except FreeholdError:
            return  # the limit stays as it was reserved
        try:
            word = self._rates_row + TOKENS
            full_ns = _limits.after(_limits.current(book.view[word], now_ns), more, limit)
            book.view[word] = _limits.current(full_ns, now_ns)
        finally:
            book.unlock()
