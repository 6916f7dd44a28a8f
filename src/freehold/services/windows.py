"""Which calls a question is about: from when, until when, and at most how many of the newest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from freehold.vocabulary import Call

from .home import Home


class Window(msgspec.Struct, frozen=True):
    """A stretch of time in microseconds since the epoch, the end excluded; None: as far as the ledger goes."""

    since_us: int | None = None
    until_us: int | None = None


class Looked(msgspec.Struct, frozen=True):
    """What a figure rests on: `calls` of the `of_calls` in the window, the newest ones, between two moments (ISO 8601).

    Both moments are "" where there was no call.
    """

    calls: int
    of_calls: int
    since: str
    until: str


def newest(home: Home, window: Window, most: int) -> tuple[Iterator[Call], int]:
    """The newest calls of a window, at most about `most` of them, oldest first; and how many the window holds.

    Calls at the very moment where the cut falls all come in.
    """
    until_us = window.until_us if home.until_us is None else min(window.until_us or home.until_us, home.until_us)
    bounds = (window.since_us or 0, until_us if until_us is not None else 2**62)
    where = "WHERE started_at_us >= ? AND started_at_us < ?"
    ((held,),) = home.ledger.query(f"SELECT count(*) FROM calls {where}", bounds).rows  # noqa: S608 - no user's text
    since_us = window.since_us
    if held > most:
        cut = f"SELECT started_at_us FROM calls {where} ORDER BY started_at_us DESC LIMIT 1 OFFSET ?"  # noqa: S608
        ((since_us,),) = home.ledger.query(cut, (*bounds, most - 1)).rows
    return home.ledger.calls(since_us=since_us, until_us=until_us), held


def moment(us: int) -> str:
    """Microseconds since the epoch as ISO 8601, to the second."""
    return datetime.fromtimestamp(us // 1_000_000, UTC).isoformat(timespec="seconds")
