"""Calls as clients make them, for what is measured over many: bodies, counts, tags and times at will."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from freehold.analytics.seen import Seen, look
from freehold.market.tokens import PriceBook
from freehold.settings import PriceSettings
from freehold.vocabulary import Call, Usage

START_US = 1_790_000_000_000_000
_NUMBERS = count()


def prices(**changed: Any) -> PriceBook:
    """One model, "m": 10 dollars a million tokens of input, 1 cached, 12.5 written, 30 of output; half in batches."""
    rates = {
        "input_usd_per_mtok": 10,
        "cached_usd_per_mtok": 1,
        "cache_write_usd_per_mtok": "12.5",
        "output_usd_per_mtok": 30,
        "tier_factors": {"batch": "0.5"},
        "date": "2026-11-01",
    }
    from msgspec import convert

    return PriceBook({"m": convert(rates | changed, PriceSettings, strict=False)})


def said(
    messages: str | list[dict[str, Any]],
    answer: str | None = "yes",
    *,
    at_s: float = 0.0,
    task: str = "t",
    tools: list[dict[str, Any]] | None = None,
    finish: str = "stop",
    message: dict[str, Any] | None = None,
    **fields: Any,
) -> Seen:
    """A chat call that began `at_s` seconds after the start and took one. `answer` None: it failed."""
    turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    request: dict[str, Any] = {"model": "m", "messages": turns}
    if tools:
        request["tools"] = tools
    choice = {"index": 0, "message": message or {"role": "assistant", "content": answer}, "finish_reason": finish}
    response = {"error": {"message": "no"}} if answer is None else {"object": "chat.completion", "choices": [choice]}
    body = json.dumps(request).encode()
    usage = Usage(input_tokens=len(body) // 4, output_tokens=len(answer or "") // 4 or 1)
    call = Call(
        id=f"call-{next(_NUMBERS):08d}",
        started_at_us=START_US + round(at_s * 1e6),
        latency_ms=1000.0,
        provider="p",
        model="m",
        request=body,
        response=json.dumps(response).encode(),
        usage=usage if answer is not None else None,
        outcome="ok" if answer is not None else "error",
    )
    for name, value in fields.items():
        setattr(call, name, value)
    return look(call, task)
