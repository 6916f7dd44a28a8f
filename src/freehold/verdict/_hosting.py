"""What hosting adds to a decision's inputs: its replica's throughput, targets that somebody declared, training."""

from __future__ import annotations

from collections.abc import Sequence

from freehold.economics.assumptions import assumed, defaults, exact, given
from freehold.economics.case import Case
from freehold.economics.options import CostModel, HostOpenWeights
from freehold.economics.options.trained_from_scratch import scratch_training
from freehold.vocabulary import Assumption

from .constraints import Constraints

_FIRST_SHARE = 0.5
"""Share of a declared latency that the first token may take; the later ones have the rest."""


def hosting_inputs(options: Sequence[CostModel], case: Case, constraints: Constraints) -> dict[str, Assumption]:
    """Inputs of the fleets, by name; none where nothing is hosted.

    A declared `max_latency_ms` is of the whole answer at the median: half of it is taken as the target of the first
    token and half for the later ones, where that is tighter than the usual targets.
    """
    host = next((one for one in options if isinstance(one, HostOpenWeights)), None)
    if host is None:
        return {}
    low, high = host.replica.interval
    why = f"{host.replica.how}: {host.replica.source.name}"
    training = scratch_training()
    found = {training.name: training}
    found |= {"throughput_ratio": assumed("throughput_ratio", low, 1.0, high, "real over estimated throughput", why)}
    most = constraints.strategy.max_latency_ms
    if most is not None:
        later = max(1.0, case.output_tokens_per_call - 1)
        allowed = {"target_ttft_s": _FIRST_SHARE, "target_tpot_s": (1 - _FIRST_SHARE) / later}
        for name, share in allowed.items():
            usual = defaults()[name]
            if most / 1000 * share < usual.value:
                where = f"declared: max_latency_ms {most:g}"
                found[name] = given(usual, float(exact(round(most / 1000 * share, 6))), where)
    return found
