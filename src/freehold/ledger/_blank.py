"""A call without its content: what is left for counting, pricing and plotting."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from freehold.vocabulary import (
    CONTENT_TAG,
    DATA_CLASS_TAG,
    ERASURE_TAG,
    FEATURE_TAG,
    PROMPT_TAG,
    TEAM_TAG,
    UNTIMED_TAG,
    Call,
    Content,
)

from ._rows import GOLD, Row, to_call, to_row
from ._seal import Edit

NOT_OF_A_PERSON = frozenset(
    {TEAM_TAG, FEATURE_TAG, PROMPT_TAG, DATA_CLASS_TAG, UNTIMED_TAG, CONTENT_TAG, ERASURE_TAG, "stated_cost_usd"}
)
"""Tags that survive an erasure: they say what a call was for and what it cost, and not whose it was. All others go,
those included that nobody knows the meaning of."""


def edit_of(change: Callable[[Call], Call | None]) -> Edit:
    """What a change of calls is for rows; a call that comes back as it was costs nothing more."""

    def edit(row: Row) -> Row | None:
        call = to_call(row, row[GOLD])
        left = change(call)
        if left is call:
            return row
        return None if left is None else (*to_row(0, left)[1:], left.request, left.response)

    return edit


def has_content(call: Call) -> bool:
    """Whether a call still holds anything that was asked or answered."""
    return bool(call.request or call.response or any(leg.answer is not None for leg in call.legs))


def without_content(call: Call, why: Content) -> Call:
    """The call without what was asked and answered; gold and tags stay."""
    legs = tuple(msgspec.structs.replace(leg, answer=None) for leg in call.legs)
    tags = {**call.tags, CONTENT_TAG: why}
    return msgspec.structs.replace(call, request=b"", response=b"", legs=legs, tags=tags)


def erased(call: Call, erasure: str) -> Call:
    """The call without its content, its gold and every tag that may say whose it was."""
    bare = without_content(call, "erased")
    bare.tags = {name: value for name, value in bare.tags.items() if name in NOT_OF_A_PERSON}
    bare.tags[ERASURE_TAG] = erasure
    bare.gold = None
    return bare
