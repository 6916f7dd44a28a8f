"""What single passes over a task's calls found, for the decision: facts alone, without what reads calls."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from freehold.vocabulary import ZERO


class Glanced(msgspec.Struct, frozen=True):
    """What `looked_at` of `of` calls with bodies hold.

    `personal`: calls with personal data, of the `kinds`. `answers`: those answered in full; `distinct` different ones.
    """

    looked_at: int = 0
    of: int = 0
    personal: int = 0
    kinds: tuple[str, ...] = ()
    answers: int = 0
    distinct: int = 0


class Leaner(msgspec.Struct, frozen=True):
    """What was seen of `calls` answered by rented models.

    `waited`: somebody is seen to wait for them (`batching`): they were streamed, or another call of the same task
    followed in the same run, the calls of other tasks not being looked at; `waited_at_most` bounds their share (exact,
    the upper end of a 95 % interval; 1 where nobody asked); `known_runs` state what they belong to,
    without which nobody can see what follows; `batched` are batched already. `eligible` have prompts that a provider
    caches, and `cache_usd` is what reading from its cache would have saved of all calls, at the price of their own
    time: an upper bound where its machines do not share one. None: a price of it is unknown.
    """

    calls: int = 0
    waited: int = 0
    known_runs: int = 0
    batched: int = 0
    eligible: int = 0
    cache_usd: Decimal | None = ZERO
    waited_at_most: float = 1.0
