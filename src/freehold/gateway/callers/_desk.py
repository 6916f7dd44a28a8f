"""Who may call now, and for how much: the keys as published, the book, the prices."""

from __future__ import annotations

import contextlib
import hmac
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from freehold.errors import FreeholdError, InvalidKey, MissingPrerequisite
from freehold.registry import keys
from freehold.settings import Settings
from freehold.vocabulary import KeyTable

from . import _limits, _refusals
from ._admission import Admission, Claim
from ._book import REQUESTS, TOKENS, Book, unavailable
from ._caller import CHALLENGE, Caller
from ._presented import Headers, presented
from ._tariffs import Tariffs

_SWEEP_NS: Final = 1_000_000_000
_SOON_NS: Final = 500_000_000
"""When the list prices are loaded after a start, if no call needs them earlier."""
_AGAIN_NS: Final = 10_000_000_000
"""When they are tried again where they could not be loaded."""
_UNREAD: Final = (0, 0, 0)
_HOW: Final = "send one as Authorization: Bearer fh-..., x-api-key or api-key; freehold keys create NAME makes it"


class Callers:
    """The keys of one home, for one gateway process and one thread. `prepare` before the first call, then `refresh`.

    Keys that were read once stay in force when their file vanishes or cannot be read. A call under a budget or a limit
    that cannot be kept (a damaged book, prices not loaded yet) is refused with 503 and never let through uncounted.

    Args:
        home: whose keys.
        settings: `gateway.require_key`, `gateway.reserve_output_tokens`, the providers' addresses and `prices`.
        clock: nanoseconds since the epoch.
    """

    def __init__(self, home: Path, settings: Settings, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._home = home
        self._required = settings.gateway.require_key
        self._output_tokens = settings.gateway.reserve_output_tokens
        self._tariffs = Tariffs(settings.prices, {name: one.base_url for name, one in settings.providers.items()})
        self._file = keys.path(home)
        self._seen: tuple[int, int, int] | None = None
        self._digest = keys.digester(b"")
        self._callers: dict[bytes, Caller] = {}
        self._budgets = self._limits = False
        self._book: Book | None = None
        self._loader: threading.Thread | None = None
        self._prepared = False
        self._load_from_ns = 0
        self._swept_ns = 0
        self._owing: set[Caller] = set()
        self.version = 0
        self.fault: FreeholdError | None = None
        """What is wrong with the keys' file, for people; None while all is well."""
        self.book_fault: FreeholdError | None = None
        """What is wrong with the book of budgets; None while all is well."""
        self.price_fault: FreeholdError | None = None
        """Why the list prices could not be loaded; None while all is well."""

    def prepare(self) -> None:
        """Read the keys, before the first call. Not on the event loop.

        Where one has a budget, the list prices are loaded soon after, or by the first call that needs one, which waits
        for them as it would if this had.
        """
        self.refresh(background=False)

    def refresh(self, *, background: bool = True) -> None:
        """Read the keys again where they have changed, and look after the book. Some system calls; never raises.

        With `background`, what takes long is done in a thread, and until then calls under a budget get a 503.
        """
        seen = _signature(self._file)
        if seen != self._seen:
            self._seen = seen
            self._read(vanished=seen is None)
        if self._limits:
            self._look_after_book()
        self._pay()
        if self._budgets and not self._tariffs.ready:
            self._look_after_prices(background=background)

    def close(self) -> None:
        """Leave the book. Calls that are not settled by then count as spent at what was reserved for them."""
        if self._book is not None:
            self._pay()
            self._book.close()
            self._book = None

    def identify(self, headers: Headers) -> Caller | None:
        """Who calls; None where no virtual key came and none is required.

        Raises:
            InvalidKey: the key is unknown, expired or revoked, or one is required and there is none.
            MissingPrerequisite: the keys have never been readable.
        """
        key = presented(headers)
        if key is None:
            if self._required:
                raise InvalidKey("this gateway answers calls with a virtual key alone", hint=_HOW, lines=CHALLENGE)
            return None
        if not self._callers and self.fault is not None:
            raise self.fault.with_traceback(None)
        digest = self._digest(key)
        caller = self._callers.get(digest)
        # The look-up is by a digest that nobody outside can aim at; the comparison takes the same time for any two.
        if caller is None or not hmac.compare_digest(caller.digest, digest):
            raise InvalidKey("this virtual key is not known here", hint="freehold keys list", lines=CHALLENGE)
        caller.check_valid(self._clock())
        return caller

    def admit(self, caller: Caller, claim: Claim) -> Admission:
        """Let a call in, and reserve what it may cost: all of its prompt, and for each choice the longest answer.

        Raises:
            KeyScope, PriceUnknown, RateLimited, BudgetExhausted: the call is refused, and nothing is reserved.
            MissingPrerequisite: budgets or prices cannot be had at present.
        """
        now_ns = self._clock()
        caller.check_scope(claim.model, claim.task)
        if not caller.limited:
            return Admission(caller, claim, None, self._tariffs, self._clock, self._owe)
        book = self._opened()
        admission = Admission(caller, claim, book, self._tariffs, self._clock, self._owe)
        # A limit below nothing is none: it would reserve less than nothing, and some servers take -1 for "no limit".
        limit = claim.output_limit
        longest = self._output_tokens if limit is None or limit < 0 else limit
        output_tokens = max(claim.choices, 1) * longest
        amount = self._worst(caller, claim, output_tokens, now_ns)
        tokens = min(claim.prompt_tokens + output_tokens, caller.key.tpm)
        self._take(admission, book, amount, tokens, now_ns)
        return admission

    def count(self, caller: Caller, dialect: str) -> bytes:
        """Count what is no call (a file, a list of models) among a key's requests; the header lines of what is left.

        Raises:
            RateLimited: the requests of this minute are used up.
            MissingPrerequisite: the account cannot be kept at present.
        """
        if not caller.key.rpm:
            return b""
        book, rpm, now_ns = self._opened(), caller.key.rpm, self._clock()
        row = caller.rates_row(book, now_ns)
        book.lock()
        try:
            full_ns = _limits.taken(book.view[row + REQUESTS], 1, rpm, now_ns)
            wait = _limits.wait_ns(full_ns, now_ns)
            if not wait:
                book.view[row + REQUESTS] = full_ns
        finally:
            book.unlock()
        if wait:
            full_ns = _limits.current(book.view[row + REQUESTS], now_ns)
            raise _refusals.limited(caller, wait, 0, _limits.lines(dialect, now_ns, rpm, full_ns, 0, 0))
        return _limits.lines(dialect, now_ns, rpm, full_ns, 0, 0)

    def _opened(self) -> Book:
        if self._book is None:
            fault = self.book_fault or unavailable("the budgets are being opened", hint="try again in a second")
            raise fault.with_traceback(None)
        return self._book

    def _worst(self, caller: Caller, claim: Claim, output_tokens: int, now_ns: int) -> int:
        """The most that a call may cost at whoever answers it, in nanodollars; 0 for a key without a budget."""
        if caller.key.budget is None:
            return 0
        if not self._tariffs.ready and not all(self._tariffs.states(*target, now_ns) for target in claim.targets):
            self._need_prices()
        most = 0
        for provider, model in claim.targets:
            tariff = self._tariffs.of(provider, model, claim.prompt_tokens, now_ns)
            if tariff is None:
                raise _refusals.unpriced(caller, provider)
            most = max(most, tariff.worst_nano_usd(claim.prompt_tokens, output_tokens))
        return most

    def _take(self, admission: Admission, book: Book, amount: int, tokens: int, now_ns: int) -> None:
        """Compare with every limit and take from each, or from none."""
        caller = admission.caller
        rpm, tpm, budget = caller.key.rpm, caller.key.tpm, caller.key.budget
        rates_row = caller.rates_row(book, now_ns) if rpm or tpm else 0
        spend_row = caller.spend_row(book, now_ns) if budget is not None else 0
        committed = reserved = 0
        over = False
        book.lock()
        try:
            view = book.view
            requests = _limits.taken(view[rates_row + REQUESTS], 1, rpm, now_ns) if rpm else 0
            tokens_full = _limits.taken(self._full(caller, view, rates_row), tokens, tpm, now_ns) if tpm else 0
            wait = _limits.wait_ns(max(requests, tokens_full), now_ns)
            if budget is not None and not wait:
                committed = book.committed(spend_row)
                over = committed + amount > budget.limit_nano_usd
                reserved = book.reserved(spend_row) if over else 0
            if not wait and not over:
                if rpm:
                    view[rates_row + REQUESTS] = requests
                if tpm:
                    view[rates_row + TOKENS] = tokens_full
                if budget is not None:
                    book.reserve(spend_row, amount)
        finally:
            book.unlock()
        if over:
            raise _refusals.exhausted(caller, committed - reserved, reserved, amount)
        dialect = admission.claim.dialect
        if wait:
            waits = _limits.wait_ns(requests, now_ns), _limits.wait_ns(tokens_full, now_ns)
            requests = _limits.current(view[rates_row + REQUESTS], now_ns)
            tokens_full = _limits.current(view[rates_row + TOKENS], now_ns)
            lines = _limits.lines(dialect, now_ns, rpm, requests, tpm, tokens_full)
            raise _refusals.limited(caller, *waits, lines)
        lines = _limits.lines(dialect, now_ns, rpm, requests, tpm, tokens_full)
        admission.hold(spend_row=spend_row, amount=amount, tokens=tokens, lines=lines)

    def _owe(self, caller: Caller, tokens: int) -> None:
        """Note what a call used beyond what was taken for it (less, where negative).

        It goes into the book with the key's next call here or with the next look, a fifth of a second later: the lock
        would cost every call more than all else that is done to settle it.
        """
        caller.owed += tokens
        caller.owed_ns = self._clock()
        self._owing.add(caller)

    def _full(self, caller: Caller, view: memoryview[int], rates_row: int) -> int:
        """When a key's bucket of tokens is full again, with what was owed to the book. The caller holds the lock."""
        full_ns = view[rates_row + TOKENS]
        if caller.owed:
            then_ns = caller.owed_ns
            full_ns = _limits.current(_limits.taken(full_ns, caller.owed, caller.key.tpm, then_ns), then_ns)
            view[rates_row + TOKENS] = full_ns
            caller.owed = 0
            self._owing.discard(caller)
        return full_ns

    def _pay(self) -> None:
        """Put what is owed into the book."""
        book, now_ns = self._book, self._clock()
        for caller in tuple(self._owing) if book is not None else ():
            assert book is not None
            with contextlib.suppress(FreeholdError):
                row = caller.rates_row(book, now_ns)
                book.lock()
                try:
                    self._full(caller, book.view, row)
                finally:
                    book.unlock()

    def _read(self, *, vanished: bool) -> None:
        if vanished:
            if self.version:
                self.fault = MissingPrerequisite(
                    f"{self._file} has vanished", hint="freehold doctor", code="keys_unreadable"
                )
            return
        try:
            table = keys.load(self._file)
            pepper = keys.pepper(self._home) if table.keys else b""
        except FreeholdError as error:
            self.fault = error
            self._seen = _UNREAD  # it may be readable at the next look, without having changed
            return
        self._adopt(table, pepper)

    def _adopt(self, table: KeyTable, pepper: bytes) -> None:
        self.version, self.fault, self._digest = table.version, None, keys.digester(pepper)
        made = [Caller(key) for key in table.keys]
        self._callers = {caller.digest: caller for caller in made}
        valid = [caller for caller in made if not caller.key.revoked_at]
        self._limits = any(caller.limited for caller in valid)
        self._budgets = any(caller.key.budget is not None for caller in valid)

    def _look_after_prices(self, *, background: bool) -> None:
        now_ns = time.monotonic_ns()
        if not background:
            self._prepared = True
            self._load_from_ns = now_ns + _SOON_NS
            self._tariffs.states("", "", self._clock())  # what every price needs is loaded here, off the event loop
        elif now_ns >= self._load_from_ns and (self._loader is None or not self._loader.is_alive()):
            self._loader = threading.Thread(target=self._load_prices, name="freehold-prices", daemon=True)
            with contextlib.suppress(RuntimeError):  # no thread to be had: at the next look again
                self._loader.start()

    def _need_prices(self) -> None:
        """Have the list prices for a call that needs one.

        Soon after a start the call loads them, or waits for the thread that does, and every other call with it: some
        tenths of a second, in which the gateway would else not have listened yet. Where the first budget was given
        later, the call is refused until they are there.

        Raises:
            MissingPrerequisite: they are being loaded, or cannot be.
        """
        if not self._prepared:
            raise unavailable("the prices are being loaded", hint="try again in a second")
        if self.price_fault is None:
            if self._loader is not None and self._loader.is_alive():
                self._loader.join()
            else:
                self._load_prices()
        if self.price_fault is not None:
            raise self.price_fault.with_traceback(None)

    def _load_prices(self) -> None:
        """Load the list prices, or note why that is not possible, for the calls that need one."""
        try:
            self._tariffs.load()
        except Exception as error:  # noqa: BLE001 - they are another package's, whatever is wrong with it
            self._load_from_ns = time.monotonic_ns() + _AGAIN_NS
            self.price_fault = unavailable(
                f"the list prices cannot be loaded ({type(error).__name__})",
                hint="install genai-prices anew, or state the price under [prices]",
            )
        else:
            self.price_fault = None

    def _look_after_book(self) -> None:
        now_ns = time.monotonic_ns()
        try:
            if self._book is not None and not self._book.intact():
                self._book.restore()
                self.close()
            if self._book is None:
                self._book = Book(self._home)
            elif now_ns - self._swept_ns > _SWEEP_NS:
                self._swept_ns = now_ns
                self._book.sweep()
            self.book_fault = None
        except FreeholdError as error:
            self.book_fault = error
        except OSError as error:  # no descriptor left, say: at the next look again
            self.book_fault = unavailable(f"the budgets cannot be opened: {error.strerror}")


def _signature(file: Path) -> tuple[int, int, int] | None:
    try:
        there = os.stat(file)  # noqa: PTH116 -- a few times a second
    except OSError:
        return None
    return there.st_ino, there.st_mtime_ns, there.st_size
