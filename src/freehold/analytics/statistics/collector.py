"""Gathers one task's calls, one by one, in memory that does not grow with their number (but for one count a minute)."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime

import msgspec

from freehold.analytics import prefixes, seen
from freehold.errors import FreeholdError
from freehold.market.tokens import PriceBook
from freehold.tasks.sampling import Sample
from freehold.tasks.stated import has_body
from freehold.vocabulary import UNTIMED_TAG, Call, Match
from freehold.wire.known import dialect

from . import _arrivals, _content, _forecast, _waiting
from ._content import Find, Sampled
from ._figures import Group, Statistic
from ._runs import Repeats, Runs
from ._waiting import FOLLOWED_S, Waited

MOST_TEXTS = 5_000
"""Texts of at most so many calls, drawn at random, are looked at."""

MOST_TIMES = 20_000
"""Latencies and token counts of at most so many calls, drawn at random, are looked at."""

_MOST_CHARS = 8_000
_MINUTE_US = 60_000_000
_NOTHING = msgspec.Raw(b"")


class TaskStatistics(msgspec.Struct, frozen=True):
    """What one task's calls look like. Times in ISO 8601, UTC, "" where there is no call.

    `read` calls came with bodies; of `sampled` of these the texts were looked at. `untimed` calls have the time at
    which their log was written, so what is said of when calls come is of the log.
    """

    task: str
    since: str
    until: str
    calls: int
    read: int
    sampled: int
    untimed: int
    statistics: tuple[Statistic, ...]


class _Asked(msgspec.Struct):
    """What is asked, under the names that it has in each dialect; a body has those of one."""

    messages: msgspec.Raw = _NOTHING
    system: msgspec.Raw = _NOTHING
    instructions: msgspec.Raw = _NOTHING
    input: msgspec.Raw = _NOTHING
    prompt: msgspec.Raw = _NOTHING
    tools: msgspec.Raw = _NOTHING
    response_format: msgspec.Raw = _NOTHING
    text: msgspec.Raw = _NOTHING
    output_config: msgspec.Raw = _NOTHING
    output_format: msgspec.Raw = _NOTHING


_asked = msgspec.json.Decoder(_Asked)


class Collector:
    """Takes the calls of a log in order of time, and measures those of one task.

    Calls of other tasks count only as what follows in a run. `names` finds personal data beside that which has a form
    of its own (`tasks.names`).
    """

    def __init__(self, task: str, prices: PriceBook | None = None, names: Find | None = None) -> None:
        self._task, self._names = task, names
        self._minutes: Counter[int] = Counter()
        self._texts: Sample[Sampled] = Sample(MOST_TEXTS)
        self._times: Sample[Waited] = Sample(MOST_TIMES)
        self._repeats = Repeats()
        self._runs = Runs(FOLLOWED_S)
        self._prefixes = prefixes.PrefixMeter(prices or PriceBook({}, {}))
        self._first_us = self._last_us = 0
        self._calls = self._untimed = self._answered = self._streamed = self._gold = self._failed = 0

    def pass_by(self, call: Call) -> None:
        """Take a call of another task, or of none, into account."""
        self._runs.add(call, own=False)

    def add(self, call: Call, match: Match | None) -> None:
        """Take one of the task's calls into account. Without a match (or a body) its texts are not looked at."""
        self._runs.add(call, own=True)
        self._calls += 1
        self._first_us = min(self._first_us or call.started_at_us, call.started_at_us)
        self._last_us = max(self._last_us, call.started_at_us)
        self._minutes[call.started_at_us // _MINUTE_US] += 1
        self._untimed += UNTIMED_TAG in call.tags
        self._gold += call.gold is not None
        self._failed += call.outcome != "ok"
        if call.outcome == "ok":
            self._answered += 1
            self._streamed += call.streamed
            usage = call.usage
            counts = (None, None) if usage is None else (usage.prompt_tokens, usage.output_tokens)
            self._times.add(call.id, call.started_at_us, Waited(call.latency_ms, call.ttft_ms, *counts))
        if has_body(call.request):
            self._repeats.add(_digest(call.request))
            self._prefixes.add(seen.look(call, self._task))
            self._keep_texts(call, match)

    def statistics(self) -> TaskStatistics:
        """What has been measured so far."""
        texts, times, read = self._texts.values(), self._times.values(), self._texts.seen
        found = [
            *_arrivals.volume(self._minutes, self._first_us, self._last_us),
            *_waiting.tokens(times, self._answered),
            *self._outcomes(),
            *_arrivals.bursts(self._minutes),
            *_forecast.predictability(self._minutes),
            *_content.narrowness(texts, read),
            *_content.stability(texts, read),
            *_content.overlap(texts, self._repeats.counts(), read),
            *_waiting.need(times, streamed=self._streamed, answered=self._answered, followed=self._runs.followed()),
            *self._cacheable(),
            *_content.personal(texts, read, self._names),
            *self._labelled(),
        ]
        since, until = _iso(self._first_us), _iso(self._last_us)
        return TaskStatistics(self._task, since, until, self._calls, read, len(texts), self._untimed, tuple(found))

    def _keep_texts(self, call: Call, match: Match | None) -> None:
        if not self._texts.wants(call.id):
            self._texts.skip()
            return
        text = "\x1f".join(match.inputs) if match is not None else ""
        answer = None
        if call.outcome == "ok":
            try:
                answer = dialect(call.dialect).answer_text(call.response)
            except (FreeholdError, KeyError):
                answer = None
        kept = Sampled(text[:_MOST_CHARS], None if answer is None else answer[:_MOST_CHARS])
        self._texts.add(call.id, call.started_at_us, kept)

    def _outcomes(self) -> list[Statistic]:
        group = Group("volume")
        group.share("failed_share", self._failed, self._calls, "calls that ended other than well")
        return group.made

    def _cacheable(self) -> list[Statistic]:
        group = Group("cacheable prefix", self._calls)
        rows = self._prefixes.rows()
        prompt, calls = sum(row.prompt_tokens for row in rows), sum(row.calls for row in rows)
        minutes = prefixes.TTL_S // 60
        long = f"a beginning of {prefixes.LEAST_TOKENS:,} tokens or more"
        begun = f"prompt tokens in {long} that a prompt of the {minutes} minutes before shared, of all prompt tokens"
        served = "prompt tokens that providers did serve from a cache, of all"
        sums = (
            ("cacheable_share", sum(row.cacheable_tokens for row in rows), begun),
            ("cached_share", sum(row.cached_tokens for row in rows), served),
        )
        for name, tokens, definition in sums:
            why = "a sum over all calls; tokens of one prompt go together" if prompt else "no prompt can be read"
            group.add(name, tokens / prompt if prompt else None, "share", calls, definition, why=why)
        return group.made

    def _labelled(self) -> list[Statistic]:
        group = Group("gold")
        definition = "calls whose right answer somebody gave"
        group.add("gold", float(self._gold), "calls", self._calls, definition, why="a count of all, no estimate")
        group.share("gold_share", self._gold, self._calls, f"{definition}, of all", why="as if drawn at random")
        return group.made


def _digest(request: bytes) -> int:
    """A digest of what a request asks, whatever its model and sampling; of the whole where it cannot be read."""
    try:
        whole = b"\0".join(map(bytes, msgspec.structs.astuple(_asked.decode(request))))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        whole = request
    return int.from_bytes(hashlib.blake2b(whole, digest_size=8).digest())


def _iso(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="seconds") if at_us else ""
