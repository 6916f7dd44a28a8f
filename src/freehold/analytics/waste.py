"""Tokens that were paid for and brought nothing: failed attempts, answers cut off, requests asked again word for word.

Each kind has one definition, `KINDS`, which is shown beside its figures. The kinds overlap (a request that is asked
again may fail again), so they are never summed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from freehold.market.tokens import PriceBook
from freehold.vocabulary import ZERO, Call, Leg, Usage
from freehold.wire.known import DIALECTS

from .seen import Seen, rented_legs

KINDS: Mapping[str, str] = {
    "failed": "attempts that ended in an error, broke off or were left by the client, and still cost tokens",
    "second_tries": "attempts beyond the first of a call that the client waited for: retries, fallbacks, hedges",
    "cut_off": "answers that ended because the limit of tokens was reached",
    "asked_again": "requests word for word as one answered within a day before: an exact-match cache would serve them",
    "tried_again": "requests word for word as one that had failed within ten minutes before",
    "unused_tools": "definitions of tools that no answer of the task ever called, sent along with every call",
    "resent_history": "the part of a prompt that the conversation's call before held already, and no cache served",
    "unused_passages": "passages without three words in a row of the answer, in tasks that answer from passages",
}
"""What may be wasted, and how each is told."""

_AGAIN_US = 86_400_000_000
_TRIED_US = 600_000_000
_WAITED_FOR = frozenset({"serve", "escalate", "fallback", "hedge"})
_KEPT = 1_000_000


class Wasted(msgspec.Struct, frozen=True):
    """One kind of waste in one task.

    `calls` of `of_calls` are concerned. `tokens` and `usd` are what they cost that brought nothing; `unpriced` calls
    are not in that sum. `estimated`: the tokens are a share of the call's own, told by its bytes.
    """

    task: str
    kind: str
    calls: int
    of_calls: int
    tokens: int
    usd: Decimal
    unpriced: int
    estimated: bool


class Tally:
    """What one kind of waste in one task comes to."""

    __slots__ = ("calls", "tokens", "unpriced", "usd")

    def __init__(self) -> None:
        self.calls = self.tokens = self.unpriced = 0
        self.usd = ZERO

    def add(self, tokens: int, usd: Decimal | None) -> None:
        """Count one call; None where its cost is unknown."""
        self.calls += 1
        self.tokens += tokens
        self.unpriced += usd is None
        self.usd += usd or ZERO


class WasteMeter:
    """Takes calls in order of time, and keeps digests and sums only."""

    def __init__(self, prices: PriceBook) -> None:
        self._prices = prices
        self._tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
        self._calls: dict[str, int] = defaultdict(int)
        self._answered: dict[bytes, int] = {}
        self._failed: dict[bytes, int] = {}

    def add(self, seen: Seen) -> None:
        """Count one call."""
        call = seen.call
        self._calls[seen.task] += 1
        self._attempts(seen)
        if call.owner == "owned" or not call.request:
            return
        if call.usage is not None and call.outcome == "ok" and _cut_off(call):
            self._count(seen, "cut_off", call.usage.output_tokens, call.usage)
        self._repeats(seen)

    def rows(self) -> list[Wasted]:
        """One row for every task and kind that was found, the dearest first."""
        found = [
            Wasted(task, kind, t.calls, self._calls[task], t.tokens, t.usd, t.unpriced, estimated=False)
            for (task, kind), t in self._tallies.items()
        ]
        return sorted(found, key=lambda row: (-row.usd, -row.tokens, row.task, row.kind))

    def _attempts(self, seen: Seen) -> None:
        waited = 0
        for leg in rented_legs(seen.call):
            usage = leg.usage
            if leg.purpose in _WAITED_FOR:
                waited += 1
            if usage is None or not (usage.prompt_tokens or usage.output_tokens):
                continue
            if leg.outcome != "ok":
                self._tallies[seen.task, "failed"].add(_all(usage), self._cost(seen.call, leg, usage))
            elif waited > 1 and leg.purpose in _WAITED_FOR:
                self._tallies[seen.task, "second_tries"].add(_all(usage), self._cost(seen.call, leg, usage))

    def _repeats(self, seen: Seen) -> None:
        call = seen.call
        key = hashlib.blake2b(call.model.encode() + b"\n" + call.request, digest_size=12).digest()
        now = call.started_at_us
        usage = call.usage or Usage()
        if now - self._failed.get(key, -_TRIED_US - 1) <= _TRIED_US:
            self._count(seen, "tried_again", _all(usage), usage)
        elif call.outcome == "ok" and now - self._answered.get(key, -_AGAIN_US - 1) <= _AGAIN_US:
            self._count(seen, "asked_again", _all(usage), usage)
        if call.outcome == "ok":
            self._answered[key] = now
            self._failed.pop(key, None)
        elif call.outcome in ("error", "incomplete"):
            self._failed[key] = now
        if len(self._answered) > _KEPT:
            self._answered = {k: at for k, at in self._answered.items() if at > now - _AGAIN_US}
            self._failed = {k: at for k, at in self._failed.items() if at > now - _TRIED_US}

    def _count(self, seen: Seen, kind: str, tokens: int, usage: Usage) -> None:
        leg = Leg("serve", "rented", seen.call.provider, seen.call.model, "ok")
        self._tallies[seen.task, kind].add(tokens, self._cost(seen.call, leg, usage))

    def _cost(self, call: Call, leg: Leg, usage: Usage) -> Decimal | None:
        return self._prices.price_leg(call, leg, usage).usd


def _all(usage: Usage) -> int:
    return usage.prompt_tokens + usage.output_tokens


def _cut_off(call: Call) -> bool:
    dialect = DIALECTS.get(call.dialect)
    return dialect is not None and bool(call.response) and dialect.finish_reason(call.response) == "length"
