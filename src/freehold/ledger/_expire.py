"""Retention: content, and later the calls themselves, go when their time is over.

Which call is kept how long is for the caller to say; here segments are rewritten when that is due. A segment is left
alone until its last such call is due, or the first is overdue by a day, so that it is rewritten once and not every
minute; the manifest notes when to look again, for which rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from freehold.vocabulary import Call

from . import feedback
from ._blank import edit_of, has_content, without_content
from ._layout import Layout
from ._manifest import Listing, Manifest, SegmentEntry
from ._rows import GOLD, to_call
from ._seal import Sealer
from ._snapshot import Filter, Snapshot, read_gold

if TYPE_CHECKING:
    import duckdb

DAY_US = 86_400 * 1_000_000
NEVER_US = 2**62


class Keep(NamedTuple):
    """How long a call is kept from its start, in microseconds; `NEVER_US`: for good.

    `call` is what becomes of it when its content goes: the same, or one that says what was recognised in it.
    """

    content_us: int
    call_us: int
    call: Call


class Rules(NamedTuple):
    """Retention as a caller wants it.

    `keep` decides per call and the gold that holds for it, `shortest_us` is the least it ever says, and `name` tells
    one state of the rules from another. `reads_content`: it needs the bodies to decide.
    """

    name: str
    shortest_us: int
    reads_content: bool
    keep: Callable[[Call, str | None], Keep]


class Expired(msgspec.Struct, frozen=True):
    """What was due: segments rewritten, calls that lost their content, calls that are gone.

    `next_us` is when something more is due (microseconds since the epoch), None for never.
    """

    segments: int = 0
    contents: int = 0
    calls: int = 0
    next_us: int | None = None


class _Due(NamedTuple):
    contents: int
    calls: int
    at_us: int
    """When the segment is to be rewritten; `NEVER_US` for never."""


class Expirer:
    """Expires from one ledger. Whoever uses it is `alone`."""

    def __init__(
        self,
        layout: Layout,
        manifest: Manifest,
        engine: Callable[[], duckdb.DuckDBPyConnection],
        rules: Rules,
        now_us: int,
    ) -> None:
        self._layout = layout
        self._manifest = manifest
        self._engine = engine
        self._rules = rules
        self._now_us = now_us
        self._gold: Mapping[str, str] = read_gold(layout, None)
        self._sealer = Sealer(layout, manifest)

    def look(self, *, note: bool = True) -> Iterator[tuple[SegmentEntry, _Due]]:
        """Segments that are to be rewritten now, with what is due in them; then, last, when the next one is.

        With `note`, what is not due yet is noted, and not read again until it is.
        """
        noted = self._manifest.looked_at(self._rules.name)
        for segment in self._manifest.listing().segments:
            soonest = segment.first_us + self._rules.shortest_us
            at_us = max(soonest, noted.get(segment.name, 0))
            due = _Due(0, 0, at_us)
            if at_us <= self._now_us:
                due = self._read(segment)
                if note and due.at_us > self._now_us:
                    self._manifest.look_again(segment.name, self._rules.name, due.at_us)
            yield segment, due

    def write(self, segment: SegmentEntry) -> None:
        """Rewrite a segment without what is due in it; the gold and feedback of calls that go, go first."""
        gone: list[str] = []

        def change(call: Call) -> Call | None:
            kept = self._keep(call)
            if call.started_at_us + kept.call_us <= self._now_us:
                gone.append(call.id)
                return None
            if has_content(call) and call.started_at_us + kept.content_us <= self._now_us:
                return without_content(kept.call, "expired")
            return call

        written = self._sealer.write((segment,), edit_of(change))
        feedback.forget(self._layout, gone)
        self._sealer.install(written)
        self._sealer.publish(written)

    def _keep(self, call: Call) -> Keep:
        return self._rules.keep(call, self._gold.get(call.id, call.gold))

    def _read(self, segment: SegmentEntry) -> _Due:
        contents = calls = 0
        first = last = None
        with Snapshot(self._layout, Listing((), (segment,)), self._engine) as snapshot:
            for row in snapshot.rows(Filter()):
                call = to_call(row, row[GOLD])
                kept = self._keep(call)
                content_us = kept.content_us if has_content(call) else NEVER_US
                at_us = call.started_at_us + min(content_us, kept.call_us)
                calls += call.started_at_us + kept.call_us <= self._now_us
                contents += call.started_at_us + content_us <= self._now_us < call.started_at_us + kept.call_us
                if at_us < NEVER_US:
                    first = at_us if first is None else min(first, at_us)
                    last = at_us if last is None else max(last, at_us)
        at_us = NEVER_US if first is None or last is None else min(last, first + DAY_US)
        return _Due(contents, calls, at_us)
