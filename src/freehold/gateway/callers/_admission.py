"""What a call asks for; and a call that was let in: what was reserved for it, and how that is settled."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

import msgspec

from freehold.errors import FreeholdError
from freehold.vocabulary import Call, Leg, Owner, Usage

from ._book import Book
from ._caller import Caller
from ._tariffs import Tariffs

_OURS = frozenset({"audit", "shadow"})
"""Attempts that the operator wants and no caller pays for."""


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What a call asks for.

    Args:
        dialect: the client's, for the words of the header lines.
        model: the model as the client names it, which is what a key's scope is about.
        targets: who may be paid, as pairs of the provider's name in the settings and the model's name there: the first
            choice, then its fallbacks. The dearest of them is reserved for.
        task: the task's name, "" where it is not known.
        prompt_tokens: an estimate from above; where the prompt turns out longer, the call may cost more than was
            reserved, which is counted exactly and shown.
        output_limit: what the request allows for one answer; None: `gateway.reserve_output_tokens`.
        choices: how many answers it asks for.
    """

    dialect: str
    model: str
    targets: tuple[tuple[str, str], ...]
    task: str = ""
    prompt_tokens: int = 0
    output_limit: int | None = None
    choices: int = 1


class Admission:
    """What was reserved for one call. End it by exactly one of `settle_call`, `settle` and `release`.

    A second end changes nothing. `lines` are the header lines that tell the client of its limits, as they stood when
    the call was let in. An admission that is never ended keeps its reservation until its process has gone, and counts
    as spent then.
    """

    __slots__ = ("_amount", "_book", "_clock", "_extra_nano", "_extra_tokens", "_open", "_owe", "_spend_row", "_tag",
                 "_tariffs", "_tokens", "_unit", "caller", "claim", "lines")  # fmt: skip

    def __init__(
        self,
        caller: Caller,
        claim: Claim,
        book: Book | None,
        tariffs: Tariffs,
        clock: Callable[[], int],
        owe: Callable[[Caller, int], None],
    ) -> None:
        self.caller, self.claim = caller, claim
        self._book, self._tariffs, self._clock, self._owe = book, tariffs, clock, owe
        self._open = book is not None
        self._spend_row = self._tag = 0
        self._amount = self._unit = self._tokens = self._extra_nano = self._extra_tokens = 0
        self.lines = b""

    def hold(self, *, spend_row: int, amount: int, tokens: int, lines: bytes) -> None:
        """Note what was taken. Called by whoever admits."""
        self._spend_row, self._tag = spend_row, self.caller.span.tag
        self._amount = self._unit = amount
        self._tokens, self.lines = tokens, lines

    def extend(self) -> bool:
        """Reserve the worst case once more, for a second attempt beside the first (a hedge).

        False: the budget does not carry it, and nothing changed. True where the key has no budget. Never raises.
        """
        if not self._open or not self._spend_row:
            return True
        book, budget = self._book, self.caller.key.budget
        assert book is not None
        assert budget is not None
        try:
            book.lock()
        except FreeholdError:
            return False
        try:
            if not self._has_row(book) or book.committed(self._spend_row) + self._unit > budget.limit_nano_usd:
                return False
            book.reserve(self._spend_row, self._unit)
        finally:
            book.unlock()
        self._amount += self._unit
        return True

    def add(self, usage: Usage, provider: str, model: str) -> None:
        """Count what an attempt cost that was not the last one: a broken stream before its fallback, say."""
        cost = self._nano_usd(usage, provider, model)
        self._extra_nano += self._unit if cost is None else cost
        self._extra_tokens += usage.prompt_tokens + usage.output_tokens

    def settle(self, usage: Usage | None, provider: str, model: str, *, owner: Owner = "rented") -> None:
        """The call is over: count what it did cost instead of what it might have.

        Owned answers cost nothing, and count as a request and as tokens. Where `usage` is None or its price is unknown,
        the reservation stays spent: what cannot be known is never taken for nothing. The price is that of the claim's
        target at that provider, since answers name their models as they like; `model` serves where there is none.
        """
        if not self._open:
            return
        if usage is None:
            cost, tokens = None, self._tokens
        else:
            cost = 0 if owner == "owned" else self._nano_usd(usage, provider, model)
            tokens = usage.prompt_tokens + usage.output_tokens
        unknown = self._unit if cost is None else 0
        self._end((cost or 0) + unknown + self._extra_nano, tokens + self._extra_tokens, unknown)

    def settle_call(self, call: Call, legs: Iterable[Leg]) -> None:
        """The same, from what became of the call and of each attempt at it.

        Attempts that failed and state no tokens cost nothing: no provider charges for a refusal. Audits and shadows are
        not the caller's.
        """
        unknown = False
        for leg in legs:
            if leg.owner == "rented" and leg.purpose not in _OURS:
                unknown = leg.usage is None and leg.outcome == "ok"
                if leg.usage is not None:
                    self.add(self._with_prompt(leg.usage), leg.provider, leg.model)
        if call.owner == "owned":
            self.settle(call.usage, "owned", "", owner="owned")
        elif unknown:
            self.settle(None, "", "")
        else:
            self.release()

    def release(self) -> None:
        """The call was not made: give back money and tokens. It was a request all the same."""
        if self._open:
            self._end(self._extra_nano, self._extra_tokens)

    def _with_prompt(self, usage: Usage) -> Usage:
        """Counts of an attempt that was broken off tell of its output alone; its prompt was paid for all the same."""
        if usage.estimated and not usage.prompt_tokens:
            return msgspec.structs.replace(usage, input_tokens=self.claim.prompt_tokens)
        return usage

    def _nano_usd(self, usage: Usage, provider: str, model: str) -> int | None:
        if not self._spend_row:
            return 0
        if (provider, model) not in self.claim.targets:
            model = next((name for at, name in self.claim.targets if at == provider), model)
        tariff = self._tariffs.of(provider, model, usage.prompt_tokens, self._clock(), usage.service_tier)
        return None if tariff is None else tariff.nano_usd(usage)

    def _has_row(self, book: Book) -> bool:
        return book.is_row(self._spend_row, self.caller.number, self._tag)

    def _end(self, cost: int, tokens: int, unknown: int = 0) -> None:
        book, self._open = self._book, False
        assert book is not None
        if book.closed:
            return
        if self._spend_row and self._has_row(book):
            book.settle(self._spend_row, self._amount, cost)
            if unknown:
                self._note_unknown(book, unknown)
        if tokens != self._tokens and self.caller.key.tpm:
            self._owe(self.caller, tokens - self._tokens)

    def _note_unknown(self, book: Book, amount: int) -> None:
        """Say of what nobody could count that it is an estimate: only a word about what is counted already."""
        with contextlib.suppress(FreeholdError):
            book.lock()
            try:
                if self._has_row(book):
                    book.guess(self._spend_row, amount)
            finally:
                book.unlock()
