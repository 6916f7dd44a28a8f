"""How long callers wait, and what the log shows of whether they have to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ._figures import Group, Statistic

FOLLOWED_S = 60


class Waited(NamedTuple):
    """What is kept of one sampled call: how long it took, how long until its first byte (None: not known), tokens."""

    latency_ms: float
    ttft_ms: float | None
    prompt_tokens: int | None
    output_tokens: int | None


def need(waited: Sequence[Waited], *, streamed: int, answered: int, followed: tuple[int, int]) -> list[Statistic]:
    """Latency measured, and signs of somebody waiting: streaming, and calls of a run that follow at once."""
    group = Group("latency need", answered)
    latencies = [one.latency_ms for one in waited if one.latency_ms > 0]
    for q in (0.5, 0.95, 0.99):
        definition = f"within which {100 * q:g} % of successful calls were answered, request to last byte"
        group.quantile(f"latency_ms_p{round(100 * q)}", latencies, q, "ms", definition)
    firsts = [one.ttft_ms for one in waited if one.ttft_ms is not None]
    for q in (0.5, 0.95):
        definition = f"within which {100 * q:g} % of answers had begun"
        group.quantile(f"ttft_ms_p{round(100 * q)}", firsts, q, "ms", definition)
    group.share("streamed_share", streamed, answered, "successful calls that were streamed: somebody reads along")
    group.share(
        "followed_share",
        *followed,
        f"calls of a run (trace or session) after whose answer its next call came within {FOLLOWED_S} s",
        why="" if followed[1] else "no call says which trace or session it is of",
    )
    return group.made


def tokens(waited: Sequence[Waited], answered: int) -> list[Statistic]:
    """Tokens a call, as providers counted them."""
    group = Group("volume", answered)
    prompts = [float(one.prompt_tokens) for one in waited if one.prompt_tokens is not None]
    outputs = [float(one.output_tokens) for one in waited if one.output_tokens is not None]
    group.mean("prompt_tokens", prompts, "tokens", "mean of a call's prompt, cached or not, as counted")
    group.mean("output_tokens", outputs, "tokens", "mean of an answer, as the provider counted")
    return group.made
