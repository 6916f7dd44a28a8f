"""What the settings say of resilience, in the form the machinery takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from freehold.settings import Settings

Priority = Literal[0, 1, 2, 3, 4]
LIVE: Priority = 0
HEDGE: Priority = 1
SHADOW: Priority = 2
AUDIT: Priority = 3
TEACHER: Priority = 4
PRIORITIES = 5
"""Somebody waits for a live call, and perhaps for a hedge. The others can wait, and are shed first, the last of them
first of all."""

PRIORITY_NAMES = ("live", "hedge", "shadow", "audit", "teacher")


class TargetName(NamedTuple):
    """A model at a provider: what is asked, fails, is ejected and comes back."""

    provider: str
    model: str


class Policy(NamedTuple):
    """How calls are tried, held back and shed; docs/settings.md describes each by the same name.

    `ceilings`: requests that a provider is sent at once, by its name, where its settings bound them.
    """

    retries: int = 2
    retry_share: float = 0.2
    retry_wait_s: float = 20.0
    max_in_flight: int = 2000
    max_queued: int = 1000
    queue_timeout_s: float = 10.0
    eject_after: int = 5
    eject_s: float = 5.0
    ceilings: Mapping[str, int] = {}


def policy(settings: Settings) -> Policy:
    """The policy that the settings describe."""
    one = settings.gateway
    return Policy(
        one.retries,
        one.retry_share,
        one.retry_wait_s,
        one.max_in_flight,
        one.max_queued,
        one.queue_timeout_s,
        one.eject_after,
        one.eject_s,
        {name: p.max_in_flight for name, p in settings.providers.items() if p.max_in_flight is not None},
    )
