"""Calls to fill ledgers with, and the stores they are read from."""

from __future__ import annotations

import json

from freehold.vocabulary import Call, Leg, Usage

START_US = 1_790_000_000_000_000


def make_call(n: int, *, size: int = 200, **fields: object) -> Call:
    """The n-th call: one second after the one before it, every seventh with everything that a call can hold."""
    request = json.dumps({"model": "m", "messages": [{"role": "user", "content": f"question {n} " + "x" * size}]})
    response = json.dumps({"choices": [{"message": {"role": "assistant", "content": f"answer {n}"}}]})
    call = Call(
        id=f"call-{n:08d}",
        started_at_us=START_US + n * 1_000_000,
        latency_ms=10.5 + n,
        provider="somewhere",
        model="m",
        request=request.encode(),
        response=response.encode(),
        usage=Usage(input_tokens=n, output_tokens=7),
    )
    if n % 7 == 0:
        call.usage = Usage(1, 2, 3, 4, 5, estimated=True)
        call.outcome, call.status, call.owner, call.error = "incomplete", 502, "none", "upstream_failed"
        call.ttft_ms, call.streamed, call.task, call.template = 1.25, True, "täsk", "t-1"
        call.key, call.reason = "team ä", "unsure"
        call.gold, call.tags = "right ✓", {"team": "a", "ключ": "b"}
        call.legs = (Leg("audit", "rented", "p", "m", "ok", answer="yes", agrees=False, usage=Usage(1)),)
        call.response = b"\xff\x00 no JSON"
    if n % 11 == 0:
        call.usage = None
    for name, value in fields.items():
        setattr(call, name, value)
    return call
