"""What a log holds, and what an import did with it."""

from __future__ import annotations

from operator import attrgetter

import msgspec

from freehold.vocabulary import ENDED_FREE, UNTIMED_TAG, Call, Usage
from freehold.vocabulary.call import COUNTS

MOST_NAMES = 200
"""Models and providers are counted by name up to so many; the rest together, as `others`."""

EXAMPLES = 10
OTHERS = "others"
_counts = attrgetter(*COUNTS)


class Content(msgspec.Struct):
    """What the calls of a log hold, duplicates included.

    `complete` calls have both bodies, `answers_only` no request, `requests_only` no answer; the rest has neither.
    `untimed` calls state no time, `unmetered` ones no token counts, though they did not fail: what failed without
    stating any cost nothing. `tokens` sums what the others state, by the names of `Usage`. Times are microseconds
    since the epoch, of calls that state one.
    """

    calls: int = 0
    first_us: int | None = None
    last_us: int | None = None
    complete: int = 0
    answers_only: int = 0
    requests_only: int = 0
    untimed: int = 0
    unmetered: int = 0
    models: dict[str, int] = {}
    providers: dict[str, int] = {}
    tokens: dict[str, int] = {}

    def add(self, call: Call) -> None:
        """Count a call."""
        self.calls += 1
        if UNTIMED_TAG in call.tags:
            self.untimed += 1
        else:
            at = call.started_at_us
            if self.first_us is None or at < self.first_us:
                self.first_us = at
            if self.last_us is None or at > self.last_us:
                self.last_us = at
        if call.request:
            if call.response:
                self.complete += 1
            else:
                self.requests_only += 1
        elif call.response:
            self.answers_only += 1
        _count(self.models, call.model)
        _count(self.providers, call.provider)
        if call.usage is not None:
            self._meter(call.usage)
        elif call.outcome not in ENDED_FREE:
            self.unmetered += 1

    def _meter(self, usage: Usage) -> None:
        tokens = self.tokens
        for name, number in zip(COUNTS, _counts(usage), strict=True):
            if number:
                tokens[name] = tokens.get(name, 0) + number

    def shortcomings(self) -> tuple[str, ...]:
        """What cannot be done with these calls, and why, each a sentence."""
        if not self.calls:
            return ()
        said: list[str] = []
        partly = self.calls - self.complete
        if partly:
            of = "no call" if partly == self.calls else f"{self.complete:,} of {self.calls:,} calls"
            parts = [
                f"{number:,} {what}"
                for number, what in (
                    (partly - self.answers_only - self.requests_only, "hold neither"),
                    (self.answers_only, "hold the answer alone"),
                    (self.requests_only, "hold the request alone"),
                )
                if number
            ]
            said.append(
                f"{of} holds both request and answer ({', '.join(parts)}): those feed economics,"
                " and nothing can be learned from them: no tasks, no teaching, no replay"
                if partly == self.calls
                else f"{of} hold both request and answer; the rest ({', '.join(parts)}) feeds economics,"
                " and nothing can be learned from it: no tasks, no teaching, no replay"
            )
        if self.untimed:
            said.append(
                f"{self._some(self.untimed)} state no time: they are dated by the file, and volumes a day say nothing"
            )
        if self.unmetered:
            said.append(f"{self._some(self.unmetered)} state no tokens: what they cost is unknown")
        return tuple(said)

    def _some(self, number: int) -> str:
        return f"all {self.calls:,} calls" if number == self.calls else f"{number:,} of {self.calls:,} calls"


def _count(counts: dict[str, int], name: str) -> None:
    if name not in counts and len(counts) >= MOST_NAMES:
        name = OTHERS
    counts[name] = counts.get(name, 0) + 1


class ImportReport(msgspec.Struct):
    """What an import of one log did, or would do.

    `read` counts records (lines that are not blank) = those that gave calls + `skipped` (of the format, and no call)
    + `rejected`; `added` and `duplicates` count calls. `examples` are the first rejected records: number and reason,
    without content. `reason` says by what the format was known, `lacks` what its calls lack whatever the log, and
    `shortcomings` what this log's calls cannot be used for. `continued_after` records had been read by a run that was
    interrupted; their counts are included.
    """

    log: str
    format: str
    reason: str = ""
    read: int = 0
    added: int = 0
    duplicates: int = 0
    skipped: int = 0
    rejected: int = 0
    examples: list[tuple[int, str]] = []
    lacks: tuple[str, ...] = ()
    shortcomings: tuple[str, ...] = ()
    continued_after: int = 0
    content: Content = msgspec.field(default_factory=Content)

    def reject(self, number: int, reason: str) -> None:
        """Count a record that cannot be imported."""
        self.rejected += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append((number, reason))


class Unread(msgspec.Struct, frozen=True):
    """A file of a folder that is no log, and why."""

    file: str
    reason: str


class Imported(msgspec.Struct, frozen=True):
    """What an import of several logs did, or with `dry_run` would do. Files that were named are logs or errors."""

    dry_run: bool
    logs: tuple[ImportReport, ...]
    unread: tuple[Unread, ...] = ()

    @property
    def read(self) -> int:
        """Records of all logs."""
        return sum(one.read for one in self.logs)

    @property
    def added(self) -> int:
        """Calls of all logs that were added."""
        return sum(one.added for one in self.logs)

    @property
    def duplicates(self) -> int:
        """Calls of all logs that were there already."""
        return sum(one.duplicates for one in self.logs)

    @property
    def rejected(self) -> int:
        """Records of all logs that could not be read."""
        return sum(one.rejected for one in self.logs)
