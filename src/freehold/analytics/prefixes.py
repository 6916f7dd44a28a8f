"""What a provider's prompt cache would have served of the recorded prompts, and what that is worth.

Method: providers cache the beginning of a prompt in blocks (OpenAI from 1,024 tokens on, in steps of 128; Anthropic
from 1,024 on most models, at marks the client sets) and keep it for some minutes after its last use. Prompts are cut
into blocks of about 128 tokens, each known by a digest of itself and all before it; the leading blocks that a prompt of
the same model began with within `TTL_S` could have been read. Tokens are told from bytes by the call's own counts. An
estimate: where a provider's machines spread calls of one prompt, less is read; what it really read is in the counts of
the calls, and shown beside.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from decimal import Decimal

import msgspec

from freehold.market.rates import Rates
from freehold.market.tokens import PriceBook
from freehold.vocabulary import ZERO, Source, Usage

from ._moments import at
from .seen import Seen, prompt_pieces

TTL_S = 300
"""Seconds since its last use for which a prefix counts as cached: the shorter of what the large providers state."""

LEAST_TOKENS = 1024
"""Prompts shorter than this are cached by nobody."""

_BLOCK_TOKENS = 128
_TYPICAL_BYTES_PER_TOKEN = 4.0
_SHORTEST_LINE = 16
_KEPT = 400_000


class Cacheable(msgspec.Struct, frozen=True):
    """What prompt caching would do for one task's calls to one model in one service tier ("": the standard one).

    `eligible` calls have prompts of 1,024 tokens or more. Tokens of all prompts; what a cache could have served of
    them; what it could have, were all that varies to stand last (an upper bound: lines that a prompt of the five
    minutes before held anywhere); and what it did serve. `saved_usd` is what those that it could and did not serve
    would have saved of `prompt_usd`, after what writing them costs where a provider asks for that; None where a price
    is unknown. `estimated` calls state no token counts: theirs are bytes divided by four.
    """

    task: str
    provider: str
    model: str
    calls: int
    eligible: int
    estimated: int
    prompt_tokens: int
    cacheable_tokens: int
    reordered_tokens: int
    cached_tokens: int
    prompt_usd: Decimal | None
    saved_usd: Decimal | None
    price: Source
    service_tier: str = ""


class _Sums:
    __slots__ = (
        "cacheable",
        "cached",
        "calls",
        "eligible",
        "estimated",
        "last_us",
        "missed",
        "prompt",
        "reordered",
        "written",
    )

    def __init__(self) -> None:
        self.calls = self.eligible = self.estimated = self.last_us = 0
        self.prompt = self.cached = 0
        self.cacheable = self.missed = self.reordered = self.written = 0.0


class _Block:
    """The last use of a prefix, and whether its being there has been paid for."""

    __slots__ = ("paid", "used_us")

    def __init__(self, used_us: int) -> None:
        self.used_us = used_us
        self.paid = False


class PrefixMeter:
    """Takes calls in order of time, and keeps digests and sums only.

    Args:
        prices: as the user pays them.
        apart: whether a prompt is held against those of its own task alone, so that a task's row does not depend on
            which others are looked at.
    """

    def __init__(self, prices: PriceBook, *, apart: bool = False) -> None:
        self._prices = prices
        self._apart = apart
        self._sums: dict[tuple[str, str, str, str], _Sums] = defaultdict(_Sums)
        self._blocks: dict[bytes, _Block] = {}
        self._lines: dict[bytes, int] = {}

    def add(self, seen: Seen) -> None:
        """Count one call; those without a body, and those that no rented model answered, do not count."""
        call, chat = seen.call, seen.chat
        if chat is None or call.owner != "rented" or call.outcome not in ("ok", "incomplete"):
            return
        tier = call.usage.service_tier if call.usage is not None else ""
        sums = self._sums[seen.task, call.provider, call.model, tier]
        sums.calls += 1
        sums.last_us = max(sums.last_us, call.started_at_us)
        prompt = b"\n".join(prompt_pieces(chat))
        tokens = call.usage.prompt_tokens if call.usage is not None else 0
        if not tokens:
            sums.estimated += 1
            tokens = round(len(prompt) / _TYPICAL_BYTES_PER_TOKEN)
        cached = call.usage.cache_read_tokens if call.usage is not None else 0
        sums.prompt += tokens
        sums.cached += cached
        if tokens < LEAST_TOKENS:
            return
        sums.eligible += 1
        shared = f"{seen.task if self._apart else ''}\n{call.provider}/{call.model}"
        root = hashlib.blake2b(shared.encode(), digest_size=32).digest()
        known, fresh = self._walk(root, prompt, tokens, call.started_at_us)
        lines = self._lines_known(root, prompt, call.started_at_us) * tokens / len(prompt)
        if known < LEAST_TOKENS:
            known = 0.0
        sums.cacheable += known
        sums.reordered += max(known, lines if lines >= LEAST_TOKENS else 0.0)
        sums.missed += max(0.0, known - cached)
        sums.written += fresh if known else 0.0

    def rows(self) -> list[Cacheable]:
        """One row for every task, model and service tier, those that would save most first."""
        found = [self._row(key, sums) for key, sums in self._sums.items()]
        return sorted(found, key=lambda row: (-(row.saved_usd or ZERO), -row.cacheable_tokens, row.task, row.model))

    def _walk(self, root: bytes, prompt: bytes, tokens: int, now_us: int) -> tuple[float, float]:
        """Tokens at the prompt's beginning that were there, and those of them that somebody must have written first."""
        size = max(1, round(_BLOCK_TOKENS * len(prompt) / tokens))
        chain = root
        known = fresh = 0.0
        leading = True
        for start in range(0, len(prompt) - size + 1, size):
            chain = hashlib.blake2b(prompt[start : start + size], key=chain, digest_size=12).digest()
            block = self._blocks.get(chain)
            if block is None:
                self._blocks[chain] = _Block(now_us)
                leading = False
                continue
            if leading and now_us - block.used_us <= TTL_S * 1_000_000:
                known += _BLOCK_TOKENS
                if not block.paid:
                    block.paid = True
                    fresh += _BLOCK_TOKENS
            else:
                leading, block.paid = False, False
            block.used_us = now_us
        if len(self._blocks) + len(self._lines) > _KEPT:
            self._forget(now_us)
        return known, fresh

    def _lines_known(self, root: bytes, prompt: bytes, now_us: int) -> int:
        """Bytes of the prompt's lines that a prompt of the last minutes held, wherever it held them."""
        known = 0
        for line in prompt.split(b"\\n"):  # a line's end within JSON
            if len(line) < _SHORTEST_LINE:
                continue
            digest = hashlib.blake2b(line, key=root, digest_size=12).digest()
            if now_us - self._lines.get(digest, -TTL_S * 1_000_000 - 1) <= TTL_S * 1_000_000:
                known += len(line)
            self._lines[digest] = now_us
        return known

    def _forget(self, now_us: int) -> None:
        oldest = now_us - TTL_S * 1_000_000
        self._blocks = {chain: block for chain, block in self._blocks.items() if block.used_us >= oldest}
        self._lines = {digest: used_us for digest, used_us in self._lines.items() if used_us >= oldest}

    def _row(self, key: tuple[str, str, str, str], sums: _Sums) -> Cacheable:
        task, provider, model, tier = key
        moment = at(sums.last_us)
        mean = sums.prompt // max(sums.calls, 1)
        rates = self._prices.rates(provider, model, moment, mean, tier)
        whole = saved = None
        if rates is not None:
            whole = rates.usd(Usage(sums.prompt - sums.cached, sums.cached))
            saved = _saved(sums, rates)
        source = rates.source if rates is not None else Source(f"unknown: no price of {provider}/{model}", "")
        return Cacheable(
            task,
            provider,
            model,
            sums.calls,
            sums.eligible,
            sums.estimated,
            sums.prompt,
            round(sums.cacheable),
            round(sums.reordered),
            sums.cached,
            whole,
            saved,
            source,
            tier,
        )


def _saved(sums: _Sums, rates: Rates) -> Decimal | None:
    """What reading would have saved, less what writing costs more than other input where its price is stated."""
    if rates.cache_read_usd_per_mtok is None:
        return None
    missed, written = round(sums.missed), round(min(sums.written, sums.missed))
    read = missed * (rates.input_usd_per_mtok - rates.cache_read_usd_per_mtok)
    extra = (rates.cache_write_usd_per_mtok or ZERO) - rates.input_usd_per_mtok
    return max(ZERO, (read - written * max(ZERO, extra)).scaleb(-6))
