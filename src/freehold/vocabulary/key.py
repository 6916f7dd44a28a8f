"""Virtual keys: who may call through the gateway, what for, and for how much money.

Only a digest of a key is ever here. The key itself is shown once, when it is made.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Period = Literal["day", "week", "month", "total"]
"""What a budget is counted over: UTC days, weeks that begin on Monday, calendar months, or the whole life of a key."""

NANO_USD = 1_000_000_000
"""A US dollar in the unit in which budgets are counted: whole nano-dollars, so that sums are exact."""


class Budget(msgspec.Struct, frozen=True):
    """The most that a key's calls may cost in one period, in nano-dollars."""

    limit_nano_usd: int
    period: Period


class VirtualKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """One virtual key.

    `digest` is the HMAC-SHA-256 of the key in hexadecimal (`freehold.registry.keys`). `models` and `tasks` are glob
    patterns; empty ones allow everything. `rpm` and `tpm` are requests and tokens a minute, 0 for no limit. Times are
    ISO 8601 in UTC; `expires_at_us` is in microseconds since the epoch, 0 for never. `revoked_at` "" while it is valid.
    `team` is a label and limits nothing.
    """

    id: str
    name: str
    digest: str
    created_at: str
    team: str = ""
    models: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    budget: Budget | None = None
    rpm: int = 0
    tpm: int = 0
    expires_at_us: int = 0
    revoked_at: str = ""

    @property
    def number(self) -> int:
        """The id as a positive number of 63 bits, by which the budgets' file knows the key."""
        return int(self.id.removeprefix("key_"), 16)


class KeyTable(msgspec.Struct, frozen=True):
    """Every key that was ever made, revoked ones included. `version` grows with every publication."""

    version: int
    keys: tuple[VirtualKey, ...] = ()
