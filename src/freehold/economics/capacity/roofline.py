"""A roofline with overheads: how fast a model would be on a GPU that nobody measured it on.

A step reads the weights it touches and the caches of its sequences, and loses time in every layer: launches, and
exchanges between GPUs where there are several. Eight numbers, learned from measured points of other models by
non-negative least squares on relative error, each family of models counting alike and outliers less. A roofline with
one efficiency for all misses time per token by 37 % in the median; this, by 18 % on models that it has not seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from freehold.market.gpus import Hardware
from freehold.market.models import Point
from freehold.market.serving import ServedModel

_ROUNDS = 15
_LEAST_RESIDUAL = 0.05


class Overheads(NamedTuple):
    """What is lost against the bare roofline.

    Seconds per layer and step, alone and added from 2, 4 and 8 GPUs on; factors on the time that bandwidth and peak
    arithmetic give for weights, caches and prompts; seconds per layer and sequence where experts are chosen.
    """

    layer_s: float
    layer_s_two: float
    layer_s_four: float
    layer_s_eight: float
    weights: float
    cache: float
    expert_layer_s: float
    prompt: float


OVERHEADS = Overheads(4.2038e-5, 2.5875e-5, 1.3258e-5, 3.0499e-5, 1.3037, 0.7653, 8.657e-7, 1.8802)
"""Learned from 2,780 points of ten families on H100, H200 and B200, up to eight GPUs: ai-dynamo/aiconfigurator's
silicon_sample.csv (Apache-2.0), 2026-08-21. `benchmarks/serving_points.py` learns them again."""
ERROR = 0.25
"""Mean relative error of requests a second on models that it was not learned from."""
INTERVAL = (0.6, 1.4)
"""Real over estimated throughput, in at least 85 % of points of such models."""


class Bare(NamedTuple):
    """Times by bandwidth and peak alone, in seconds, and what the overheads apply to."""

    layers: int
    gpus: int
    always_s: float
    experts_s: float
    expert_share: float
    cache_s_per_token: float
    prompt_s_per_token: float


class Sample(NamedTuple):
    """A measured point of a model of some family, on a number of GPUs."""

    family: str
    bare: Bare
    point: Point


def bare(model: ServedModel, gpu: Hardware, gpus: int, bytes_per_parameter: float) -> Bare:
    """A model on GPUs as bandwidth and peak alone would have it."""
    bandwidth = gpus * gpu.bandwidth_gb_s * 1e9
    share = model.experts_used / model.experts if model.experts else 0.0
    experts = (model.params - model.active_params) / (1 - share) if share else 0.0
    return Bare(
        layers=model.layers,
        gpus=gpus,
        always_s=1e9 * bytes_per_parameter * (model.params - experts) / bandwidth,
        experts_s=1e9 * bytes_per_parameter * experts / bandwidth,
        expert_share=share,
        cache_s_per_token=model.cache_bytes() / bandwidth,
        prompt_s_per_token=model.flops_per_token / (gpus * gpu.peak_flops(bytes_per_parameter)),
    )


def layer_s(overheads: Overheads, gpus: int) -> float:
    """Seconds that a step loses in each layer."""
    steps = ((1, overheads.layer_s_two), (2, overheads.layer_s_four), (4, overheads.layer_s_eight))
    return overheads.layer_s + sum(lost for above, lost in steps if gpus > above)


def learn(samples: Sequence[Sample]) -> Overheads:
    """The overheads that meet measured points best. In a closed loop a point's time per token is linear in them."""
    from scipy.optimize import nnls  # slow to load; overheads are learned by benchmarks alone

    rows = np.array([_columns(sample) for sample in samples])
    families = Counter(sample.family for sample in samples)
    alike = np.array([families[sample.family] ** -0.5 for sample in samples])
    weights = alike
    found = np.zeros(len(Overheads._fields))
    for _ in range(_ROUNDS):
        found, _ = nnls(rows * weights[:, None], weights)
        weights = alike / np.sqrt(np.maximum(np.abs(rows @ found - 1), _LEAST_RESIDUAL))
    return Overheads(*(float(value) for value in found))


def _columns(sample: Sample) -> list[float]:
    """What each overhead contributes to the measured time per token, as shares of it."""
    one, point = sample.bare, sample.point
    tpot = point.tpot_ms / 1000
    rate = 1 / point.seconds_per_request
    sequences = rate * tpot * (point.output_tokens - 1)
    touched = one.always_s + one.experts_s * (1 - (1 - one.expert_share) ** sequences)
    held = sequences * (point.prompt_tokens + point.output_tokens / 2)
    columns = [
        one.layers,
        one.layers * (one.gpus > 1),
        one.layers * (one.gpus > 2),
        one.layers * (one.gpus > 4),
        touched,
        held * one.cache_s_per_token,
        sequences * one.layers * (one.expert_share > 0),
        tpot * rate * point.prompt_tokens * one.prompt_s_per_token,
    ]
    return [float(column) / tpot for column in columns]
