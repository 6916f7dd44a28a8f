"""What was sent along and not used: tools nobody calls, history sent again, passages the answer does not touch.

Tokens are told by bytes: a part of a prompt has its share of the prompt's own tokens. What no lexical measure can see
(a passage that changed the answer without lending it a word) is counted as unused, so passages are measured only in
tasks whose answers mostly do take their words from one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal
from typing import Any, cast

import msgspec

from freehold.evidence.intervals import upper
from freehold.market.rates import Rates
from freehold.market.tokens import PriceBook
from freehold.vocabulary import ZERO, Usage
from freehold.wire import canonical
from freehold.wire.known import DIALECTS

from ._moments import at
from .conversations import Conversations
from .seen import Seen, prompt_pieces
from .waste import Tally, Wasted

_PASSAGES_FROM = 3
_PASSAGE_CHARS = 200
_EXTRACTIVE = 0.5
_DIGITS = 12
_APART = re.compile(r"\n\s*\n|\n-{3,}\n|\n={3,}\n")
_WORDS = re.compile(r"\w+")
_encode = msgspec.json.encode


class UnusedTool(msgspec.Struct, frozen=True):
    """A tool that was offered in `calls` calls of a task and called in none.

    `rate_high` is the upper end of the exact one-sided 95 % interval of how often it is called.
    """

    task: str
    tool: str
    calls: int
    rate_high: float


class _Tool:
    __slots__ = ("calls", "tally", "used")

    def __init__(self) -> None:
        self.calls = 0
        self.used = False
        self.tally = Tally()


class ContextMeter:
    """Takes calls in order of time, and keeps sums and digests only."""

    def __init__(self, prices: PriceBook) -> None:
        self._prices = prices
        self._calls: dict[str, int] = defaultdict(int)
        self._tools: dict[str, dict[str, _Tool]] = defaultdict(dict)
        self._resent: dict[str, Tally] = defaultdict(Tally)
        self._passages: dict[str, Tally] = defaultdict(Tally)
        self._touched: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        self.conversations = Conversations()

    def add(self, seen: Seen) -> None:
        """Count one call; those without a body do not count."""
        call, chat = seen.call, seen.chat
        if chat is None or call.owner != "rented" or call.outcome != "ok":
            return
        self._calls[seen.task] += 1
        usage = call.usage or Usage()
        pieces = prompt_pieces(chat)
        whole = sum(map(len, pieces)) or 1
        answer = DIALECTS[call.dialect].answer_text(call.response) if call.response else None
        turn = self.conversations.add(seen, answer)
        per_byte = usage.prompt_tokens / whole
        if turn.before:
            known = sum(map(len, pieces[: turn.before + 1]))
            tokens = max(0, round(known * per_byte) - usage.cache_read_tokens)
            if tokens:
                self._resent[seen.task].add(tokens, self._input_usd(seen, tokens))
        self._offered(seen, answer, per_byte)
        if answer:
            self._read_passages(seen, answer, per_byte)

    def rows(self) -> list[Wasted]:
        """One row for every task and kind that was found, the dearest first."""
        found: list[Wasted] = []
        for task, tools in self._tools.items():
            unused = [tool for tool in tools.values() if not tool.used]
            if unused:
                calls = max(tool.calls for tool in unused)
                usd = sum((tool.tally.usd for tool in unused), ZERO)
                tokens = sum(tool.tally.tokens for tool in unused)
                unpriced = max(tool.tally.unpriced for tool in unused)
                found.append(Wasted(task, "unused_tools", calls, self._calls[task], tokens, usd, unpriced, True))
        for kind, tallies in (("resent_history", self._resent), ("unused_passages", self._extractive())):
            found += [
                Wasted(task, kind, t.calls, self._calls[task], t.tokens, t.usd, t.unpriced, estimated=True)
                for task, t in tallies.items()
                if t.calls
            ]
        return sorted(found, key=lambda row: (-row.usd, -row.tokens, row.task, row.kind))

    def unused_tools(self) -> list[UnusedTool]:
        """The tools that no answer called, by task and name."""
        return [
            UnusedTool(task, name, tool.calls, upper(0, tool.calls))
            for task, tools in sorted(self._tools.items())
            for name, tool in sorted(tools.items())
            if not tool.used
        ]

    def _extractive(self) -> dict[str, Tally]:
        """Only tasks whose answers mostly take their words from a passage."""
        return {
            task: tally
            for task, tally in self._passages.items()
            if self._touched[task][0] >= _EXTRACTIVE * self._touched[task][1]
        }

    def _offered(self, seen: Seen, answer: str | None, per_byte: float) -> None:
        chat = seen.chat
        if chat is None or not chat.tools:
            return
        tools = self._tools[seen.task]
        called = _called(answer)
        for one in chat.tools:
            name = _name(one)
            tool = tools.setdefault(name, _Tool())
            tool.calls += 1
            tool.used = tool.used or name in called
            if not tool.used:
                tokens = round(len(_encode(one)) * per_byte)
                tool.tally.add(tokens, self._share_usd(seen, tokens))

    def _read_passages(self, seen: Seen, answer: str, per_byte: float) -> None:
        assert seen.chat is not None
        texts = [message.text for message in seen.chat.messages if message.role in ("user", "tool")]
        passages = [part for text in texts for part in _APART.split(text) if len(part) >= _PASSAGE_CHARS]
        if len(passages) < _PASSAGES_FROM:
            return
        wanted = _shingles(answer)
        if not wanted:
            return
        untouched = [part for part in passages if wanted.isdisjoint(_shingles(part))]
        counts = self._touched[seen.task]
        counts[0] += len(untouched) < len(passages)
        counts[1] += 1
        if untouched and len(untouched) < len(passages):
            tokens = round(sum(len(part.encode()) for part in untouched) * per_byte)
            self._passages[seen.task].add(tokens, self._share_usd(seen, tokens))

    def _input_usd(self, seen: Seen, tokens: int) -> Decimal | None:
        """What these tokens cost, none of which a cache served."""
        rates = self._rates(seen)
        return None if rates is None else (tokens * rates.input_usd_per_mtok).scaleb(-6)

    def _share_usd(self, seen: Seen, tokens: int) -> Decimal | None:
        """Their share of what the whole prompt cost, since nobody says which of its tokens a cache served."""
        rates, usage = self._rates(seen), seen.call.usage
        if rates is None or usage is None:
            return None
        prompt = Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            cache_write_1h_tokens=usage.cache_write_1h_tokens,
        )
        usd = rates.usd(prompt, calls=0)
        return None if usd is None else round(usd * tokens / max(1, prompt.prompt_tokens), _DIGITS)

    def _rates(self, seen: Seen) -> Rates | None:
        call, usage = seen.call, seen.call.usage
        if usage is None:
            return None
        moment = at(call.started_at_us)
        return self._prices.rates(call.provider, call.model, moment, usage.prompt_tokens, usage.service_tier)


def _called(answer: str | None) -> frozenset[str]:
    return frozenset(one.name for one in canonical.read(answer, tools=True).calls) if answer else frozenset()


def _name(tool: Any) -> str:
    if not isinstance(tool, dict):
        return str(tool)
    fields = cast("dict[str, Any]", tool)
    inner = fields.get("function")
    function = cast("dict[str, Any]", inner) if isinstance(inner, dict) else fields
    return str(function.get("name") or function.get("type") or "")


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = _WORDS.findall(text.lower())
    return set(zip(words, words[1:], words[2:], strict=False))
