"""Why a key does not carry a call, in words and header lines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from freehold.errors import BudgetExhausted, PriceUnknown, RateLimited
from freehold.vocabulary import Budget

from . import _limits
from ._caller import Caller

_FINAL: Final = b"x-should-retry: false\r\n"  # OpenAI's and Anthropic's SDKs would try a 429 again
_MICRO: Final = 1_000_000


def limited(caller: Caller, wait_requests: int, wait_tokens: int, lines: bytes) -> RateLimited:
    """Too many requests or tokens: which, and when to come back. `lines` say what is left of each limit."""
    key, wait = caller.key, max(wait_requests, wait_tokens)
    what = f"{key.rpm} requests" if wait_requests == wait else f"{key.tpm} tokens"
    return RateLimited(
        f"the key {key.name} may use {what} a minute",
        hint=f"try again in {_limits.whole_seconds(wait)} s",
        lines=_limits.retry_lines(wait) + lines,
    )


def exhausted(caller: Caller, spent: int, reserved: int, amount: int) -> BudgetExhausted:
    """The budget does not carry the call: for good, or as long as others under way may cost what they reserved."""
    budget = caller.key.budget
    assert budget is not None
    passing = spent + amount <= budget.limit_nano_usd
    ends_ns = caller.span.ends_ns
    anew = f"; it begins anew at {datetime.fromtimestamp(ends_ns / 1e9, UTC):%Y-%m-%dT%H:%M:%SZ}" if ends_ns else ""
    return BudgetExhausted(
        f"the key {caller.key.name} has spent {usd(spent)} of its {in_words(budget)}, {usd(reserved)} more is reserved "
        f"by calls under way, and this one may cost {usd(amount)}{anew}",
        hint="try again when these are over" if passing else "freehold keys list shows every budget",
        lines=_limits.retry_lines(1_000_000_000) if passing else _FINAL,
    )


def unpriced(caller: Caller, provider: str) -> PriceUnknown:
    """A key with a budget, and a model that has no price."""
    return PriceUnknown(
        f"the key {caller.key.name} has a budget, and nobody knows what this model costs at {provider}",
        hint=f'set [prices."{provider}/MODEL"] in freehold.toml',
        lines=_FINAL,
    )


def usd(nano_usd: int) -> str:
    """An amount for people, to the microdollar and not shorter than cents."""
    whole, fraction = divmod(-(-nano_usd // 1000), _MICRO)
    return f"${whole}.{f'{fraction:06d}'.rstrip('0').ljust(2, '0')}"


def in_words(budget: Budget) -> str:
    """A budget for people: `$50.00 a month`."""
    return usd(budget.limit_nano_usd) + (" in total" if budget.period == "total" else f" a {budget.period}")
