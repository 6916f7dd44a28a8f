"""One call that a product made, and the legs (attempts) it took to answer it."""

from __future__ import annotations

from typing import Literal

import msgspec

Outcome = Literal["ok", "error", "incomplete", "cancelled", "refused"]
"""How a call ended.

`incomplete`: a stream was cut or stalled; it is never a success. `cancelled`: the client left. `refused`: a gate of
ours said no.
"""

ENDED_FREE: frozenset[Outcome] = frozenset({"error", "refused"})
"""Outcomes of requests that cost nothing where the provider states no tokens: it answered with an error."""

Owner = Literal["owned", "rented", "none"]
"""Whose model gave the answer; `none` where nobody did."""

Purpose = Literal["serve", "escalate", "fallback", "hedge", "audit", "shadow"]
"""Why a leg was run. Audits and shadows never reach the client."""

GATEWAY = "gateway"
"""The source of a call that this gateway answered and recorded; every other one was imported."""

TRACE_TAG = "traceparent"
"""The tag of a call whose client sent a W3C trace context: that context."""

SESSION_TAG = "session"
"""The tag of a call that belongs to a session or a conversation: what its client or its log calls it."""

END_USER_TAG = "end_user"
"""The tag that says for which end user or end customer of the product a call was made."""

TEAM_TAG = "team"
"""The tag that says which team, project or organisation of the product's maker pays for a call."""

FEATURE_TAG = "feature"
"""The tag that says which feature, application or agent of the product made a call."""

SPAN_TAG = "span"
"""The tag of a call whose log knows it as a span or an observation: that name, which `PARENT_TAG` of others cites."""

PARENT_TAG = "parent"
"""The tag of a call that was made within a span or an observation: the name of the one that encloses it."""

PROMPT_TAG = "prompt"
"""The tag of a call whose prompt has a name or a version where it is managed."""

UNTIMED_TAG = "untimed"
"""The tag of a call whose log states no time: `started_at_us` is when the log was written, which is all it says."""

DATA_CLASS_TAG = "data_class"
"""The tag of a call that was restricted when it was made: `restricted`. No other call has it."""


BATCH_TIER = "batch"
"""The service tier of a call that was handed in with a batch and answered later."""

CONTENT_TAG = "content_gone"
"""The tag of a call whose content is gone: `expired` by retention, or `erased`."""

ERASURE_TAG = "erasure"
"""The tag of a call whose content was erased: the erasure's name in the audit log."""

Content = Literal["expired", "erased"]
"""Why the content of a call is gone."""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Token counts of one answer, and the terms that they are priced on.

    The whole is the sum of five disjoint counts: `input_tokens` (uncached), `cache_read_tokens`, `cache_write_tokens`
    (kept for five minutes, or for a time that nobody states), `cache_write_1h_tokens` (kept for an hour) and
    `output_tokens`. All others say what a part of one of these was, and are counted in it: `reasoning_tokens` and those
    of `output_` in the output, those of `input_` in the uncached input, those of `cache_read_` in what was read from a
    cache. What is neither audio nor image is text. `web_searches` counts searches of the provider's own that it bills
    by the piece. `service_tier` is the tier that the provider says it answered in, in its own word (`flex`, `priority`,
    `batch`, `fast`, ...; "": the standard one, or none is stated); several words are joined by "+". `estimated` marks
    counts that no provider stated (a cancelled stream, say).
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    cache_write_1h_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    cache_read_audio_tokens: int = 0
    cache_read_image_tokens: int = 0
    output_audio_tokens: int = 0
    output_image_tokens: int = 0
    web_searches: int = 0
    service_tier: str = ""

    @property
    def prompt_tokens(self) -> int:
        """All input tokens, cached or not: what OpenAI calls `prompt_tokens`."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens + self.cache_write_1h_tokens

    @property
    def is_plain(self) -> bool:
        """Whether it is all text, cached for five minutes at most, and without searches."""
        return not (
            self.cache_write_1h_tokens
            or self.input_audio_tokens
            or self.input_image_tokens
            or self.cache_read_audio_tokens
            or self.cache_read_image_tokens
            or self.output_audio_tokens
            or self.output_image_tokens
            or self.web_searches
        )


COUNTS: tuple[str, ...] = tuple(name for name in Usage.__struct_fields__ if name not in {"estimated", "service_tier"})
"""The fields of a `Usage` that are numbers: what a sum of usages sums."""


class Leg(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One attempt at a call, on one model.

    `answer` is kept only for legs that did not reach the client (audit, shadow); the served answer is the call's
    response. `agrees` says, for audit and shadow legs, whether owned and rented answers were equal under the task's
    loss; None where that is not known.
    """

    purpose: Purpose
    owner: Owner
    provider: str
    model: str
    outcome: Outcome
    status: int = 0
    offset_ms: float = 0.0
    latency_ms: float = 0.0
    ttft_ms: float | None = None
    usage: Usage | None = None
    confidence: float | None = None
    in_scope: bool | None = None
    agrees: bool | None = None
    answer: str | None = None
    error: str = ""


class Call(msgspec.Struct, omit_defaults=True, gc=False):
    """One call as the product made it.

    `request` and `response` are JSON bodies as bytes, exactly as they crossed the wire (a streamed response is
    assembled into the body that the same call would have had without streaming). `task` is set only where a person or
    the caller named it; recognising the task of other calls is `tasks`' work, also of those the gateway recognised.
    `template` is the prompt version the gateway recognised. `dialect` is the client's (`freehold.wire.known`). `key` is
    the name of the caller's virtual key, "" where it had none. `reason` is a code that says why the call was answered
    as it was (docs/wire.md lists them). Times: microseconds since the epoch, UTC. What it does not hold: headers,
    secrets, addresses.
    """

    id: str
    started_at_us: int
    latency_ms: float
    provider: str
    model: str
    request: bytes
    response: bytes
    outcome: Outcome = "ok"
    status: int = 200
    owner: Owner = "rented"
    usage: Usage | None = None
    ttft_ms: float | None = None
    streamed: bool = False
    dialect: str = "openai.chat"
    task: str = ""
    template: str = ""
    legs: tuple[Leg, ...] = ()
    gold: str | None = None
    tags: dict[str, str] = {}
    source: str = GATEWAY
    error: str = ""
    key: str = ""
    reason: str = ""
