"""How fast one replica is: a decode step, a token of prompt, and how many sequences fit.

    step = a + b x sequences + c x tokens in their caches + d x share of experts touched
    prompt token = p

Five numbers, fitted to measured points of a closed loop by non-negative least squares on relative error; where nothing
was measured, from a roofline with overheads that grow with tensor parallelism. Order of sources: the user's own points,
the catalogue's for that model and GPU, the roofline. Each says what it is and how far off it was. A point that would
mean more than 60 % of the chip's peak is no measurement of serving (reused prompts, wrong units), and is refused.

Not promised: time to the first token, which estimators of this kind miss by half; throughput is what it is for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from freehold.economics.arrays import FloatArray
from freehold.errors import UsageError
from freehold.market.gpus import Hardware, hardware
from freehold.market.models import Point
from freehold.market.serving import Measured, ServedModel, measured
from freehold.vocabulary import Source

from .roofline import ERROR, INTERVAL, OVERHEADS, Overheads, bare, layer_s

MOST_OF_PEAK = 0.6
"""Share of the peak arithmetic beyond which a throughput is not believed."""

_SIZES = (1, 2, 4, 8)
_WIDEST = 2.5
_LEAST_WIDTH = 0.1
_MEMORY_USED = 0.9
_MOST_SEQUENCES = 256
_LEAST_POINTS = 4


Estimate = Callable[[ServedModel, Hardware, int, float], Measured | None]
"""Points of a model on so many of a GPU at so many bytes per parameter that nobody measured; None where it has none."""

_ESTIMATED_ERROR, _ESTIMATED_WIDTH = 0.12, 0.3
"""How far aiconfigurator 0.12.0 was off against measured throughput: the mean of five sets of 12 to 166 points,
a sixth left out that was measured badly, and the widest ninth decile among them, rounded up."""


class Replica(msgspec.Struct, frozen=True):
    """One replica as the simulation sees it; times in seconds.

    `cache_tokens`: prompt and output tokens that fit beside the weights. `first_token_s`: latency of an answer's first
    token that occupies nothing. `expert_share`: share of the experts that one token touches; 0 without experts.
    `error`: mean relative error of the throughput against measured points; `interval`: real over estimated throughput
    in at least 85 % of points that it was not fitted to. `refused`: points left out, and why.
    """

    name: str
    gpu: str
    gpus: int
    step_s: float
    step_s_per_sequence: float
    step_s_per_token: float
    step_s_per_experts: float
    expert_share: float
    prompt_s_per_token: float
    first_token_s: float
    cache_tokens: float
    source: Source
    how: str
    error: float
    interval: tuple[float, float] = (1.0, 1.0)
    refused: tuple[str, ...] = ()

    def step(self, sequences: FloatArray, tokens: FloatArray) -> FloatArray:
        """Seconds of a decode step of so many sequences that hold so many tokens in all."""
        touched = 1 - (1 - self.expert_share) ** sequences
        fixed = self.step_s + self.step_s_per_experts * touched
        return fixed + self.step_s_per_sequence * sequences + self.step_s_per_token * tokens

    def slots(self, tokens_per_sequence: float) -> int:
        """Sequences at once: what fits into memory at their mean length, at most what engines take."""
        return int(max(1, min(_MOST_SEQUENCES, self.cache_tokens / max(1.0, tokens_per_sequence))))

    def faster(self, factor: float) -> Replica:
        """The same replica, its steps and prompts so many times as fast; the latency of a first token stays."""
        return msgspec.structs.replace(
            self,
            step_s=self.step_s / factor,
            step_s_per_sequence=self.step_s_per_sequence / factor,
            step_s_per_token=self.step_s_per_token / factor,
            step_s_per_experts=self.step_s_per_experts / factor,
            prompt_s_per_token=self.prompt_s_per_token / factor,
        )

    def sustained(self, prompt_tokens: float, output_tokens: float, tpot_s: float) -> float:
        """Requests a second of equal size that one replica carries at a time per output token of at most `tpot_s`.

        A steady state, without queues or chance; for bounds and for what a fleet's use is measured against.
        """
        tokens = prompt_tokens + output_tokens / 2
        sequences = np.arange(1, self.slots(prompt_tokens + output_tokens) + 1, dtype=np.float64)
        step = self.step(sequences, sequences * tokens)
        # In a steady state a request takes its prompt's time alone and a share of each of its steps.
        seconds = prompt_tokens * self.prompt_s_per_token + output_tokens * step / sequences
        per_token = step * seconds / np.maximum(seconds - prompt_tokens * self.prompt_s_per_token, 1e-12)
        fine = per_token <= tpot_s
        return float((1 / seconds)[fine].max()) if fine.any() else 0.0


def replica_for(
    model: ServedModel,
    gpu: Hardware,
    gpus: int = 0,
    bytes_per_parameter: float = 0,
    points: Sequence[Point] = (),
    *,
    estimate: Estimate | None = None,
) -> Replica:
    """The best-founded replica of a model on a GPU: the caller's points, the catalogue's, estimates, or a roofline.

    `gpus` 0: as many as were measured, else the fewest that hold it. `bytes_per_parameter` 0: as measured, else as
    `usual_bytes` has it. `estimate` is asked where nothing was measured.

    Raises:
        UsageError: it does not fit, or every point given is refused.
    """
    known = [m for m in measured(model.name, gpu.name) if gpus in (0, m.gpus) and bytes_per_parameter in (0, m.bytes)]
    if points:
        size = bytes_per_parameter or usual_bytes(model, gpu)
        own = Measured(
            model.name, gpu.name, gpus or least_gpus(model, gpu, size), size, "own points", "", tuple(points)
        )
        return replica_from_points(model, own)
    if known:
        return replica_from_points(model, known[0])
    size = bytes_per_parameter or usual_bytes(model, gpu)
    held = gpus or least_gpus(model, gpu, size)
    found = estimate(model, gpu, held, size) if estimate is not None else None
    if found is not None and len(found.points) >= _LEAST_POINTS:
        return _as_estimated(replica_from_points(model, found), found)
    return replica_from_roofline(model, gpu, held, size)


def _as_estimated(replica: Replica, found: Measured) -> Replica:
    """A fit to estimates is off by what they are, too."""
    error = max(replica.error, _ESTIMATED_ERROR)
    low, high = replica.interval
    interval = (min(low, 1 - _ESTIMATED_WIDTH), max(high, 1 + _ESTIMATED_WIDTH))
    how = f"fitted to {len(found.points)} estimates of aiconfigurator; this model was not measured on that GPU"
    return msgspec.structs.replace(replica, how=how, error=error, interval=interval)


def least_gpus(model: ServedModel, gpu: Hardware, bytes_per_parameter: float) -> int:
    """GPUs, in powers of two up to eight, whose memory holds the weights and some caches.

    Raises:
        UsageError: eight do not.
    """
    for gpus in _SIZES:
        if _room_gb(model, gpu, gpus, bytes_per_parameter) > 0.1 * model.weight_gb(bytes_per_parameter):
            return gpus
    raise UsageError(f"{model.name} does not fit into eight {gpu.name}", hint="a GPU with more memory: --gpu H200")


def refusal(model: ServedModel, gpu: Hardware, measurement: Measured, point: Point) -> str:
    """Why a point is not believed; "" where it is."""
    rate = 1 / point.seconds_per_request
    work = rate * (point.prompt_tokens + point.output_tokens) * model.flops_per_token
    share = work / (measurement.gpus * gpu.peak_flops(measurement.bytes))
    if share <= MOST_OF_PEAK:
        return ""
    name = f"{point.prompt_tokens} in, {point.output_tokens} out, {point.clients} clients"
    return f"{name}: would be {share:.0%} of the peak of {gpu.name}, more than serving reaches"


def replica_from_points(model: ServedModel, measurement: Measured) -> Replica:
    """Fitted to measured points.

    Raises:
        UsageError: fewer than four of them are to be believed.
    """
    gpu = hardware(measurement.gpu)
    reasons = {point: refusal(model, gpu, measurement, point) for point in measurement.points}
    points = [point for point, reason in reasons.items() if not reason]
    refused = tuple(reason for reason in reasons.values() if reason)
    if len(points) < _LEAST_POINTS:
        why = f"; {refused[0]}" if refused else ""
        raise UsageError(
            f"{len(points)} usable points of {model.name} on {gpu.name}, and it takes {_LEAST_POINTS}{why}",
            hint="measure a closed loop at several prompt lengths and numbers of clients",
        )
    share = model.experts_used / model.experts if model.experts else 0.0
    step, prompt_s = _fit(points, share)
    first = [p.ttft_ms / 1000 - p.prompt_tokens * prompt_s for p in points if p.clients <= 8]
    replica = Replica(
        name=f"{model.name} on {measurement.gpus} {gpu.name}",
        gpu=gpu.name,
        gpus=measurement.gpus,
        step_s=step[0],
        step_s_per_sequence=step[1],
        step_s_per_token=step[2],
        step_s_per_experts=step[3],
        expert_share=share,
        prompt_s_per_token=prompt_s,
        first_token_s=max(0.0, float(np.median(first))) if first else 0.0,
        cache_tokens=_cache_tokens(model, gpu, measurement.gpus, measurement.bytes),
        source=Source(measurement.source, measurement.as_of),
        how=f"fitted to {len(points)} measured points",
        error=0.0,
        refused=refused,
    )
    error = _error(replica, points)
    # Points that a fit has not seen lie further off than those it has.
    width = min(0.9, max(_LEAST_WIDTH, _WIDEST * error))
    return msgspec.structs.replace(replica, error=error, interval=(1 - width, 1 + width))


def replica_from_roofline(
    model: ServedModel, gpu: Hardware, gpus: int, bytes_per_parameter: float, overheads: Overheads = OVERHEADS
) -> Replica:
    """From memory bandwidth and peak arithmetic, and what is lost against them, more of it with more GPUs.

    Raises:
        UsageError: the weights do not fit.
    """
    one, lost = bare(model, gpu, gpus, bytes_per_parameter), overheads
    return Replica(
        name=f"{model.name} on {gpus} {gpu.name}",
        gpu=gpu.name,
        gpus=gpus,
        step_s=model.layers * layer_s(lost, gpus) + lost.weights * one.always_s,
        step_s_per_sequence=model.layers * lost.expert_layer_s if one.expert_share else 0.0,
        step_s_per_token=lost.cache * one.cache_s_per_token,
        step_s_per_experts=lost.weights * one.experts_s,
        expert_share=one.expert_share,
        prompt_s_per_token=lost.prompt * one.prompt_s_per_token,
        first_token_s=0.0,
        cache_tokens=_cache_tokens(model, gpu, gpus, bytes_per_parameter),
        source=Source(f"{model.source}; {gpu.source}", max(model.as_of, gpu.as_of)),
        how="a roofline with overheads learned from other models; this one was not measured",
        error=ERROR,
        interval=INTERVAL,
    )


def closed_loop(replica: Replica, point: Point) -> tuple[float, float]:
    """Time per output token in ms and requests a second that a closed loop like the point's would show."""
    clients, prompt, output = point.clients, point.prompt_tokens, max(2, point.output_tokens)
    prompt_s, context = prompt * replica.prompt_s_per_token, prompt + output / 2
    low, high = 1e-7, 60.0
    for _ in range(80):  # the time per token at which the clients' cycle and the replica's work agree
        tpot = (low + high) / 2
        cycle = prompt_s + replica.first_token_s + tpot * (output - 1)
        decoding = np.array(clients * tpot * (output - 1) / cycle)
        busy = min(0.999, clients / cycle * prompt_s)
        needed = float(replica.step(decoding, decoding * context)) / (1 - busy)
        low, high = (tpot, high) if needed > tpot else (low, tpot)
    return 1000 * high, clients / (prompt_s + replica.first_token_s + high * (output - 1))


def _error(replica: Replica, points: Sequence[Point]) -> float:
    return float(np.mean([abs(closed_loop(replica, p)[1] * p.seconds_per_request - 1) for p in points]))


def _fit(points: Sequence[Point], expert_share: float) -> tuple[tuple[float, float, float, float], float]:
    """The step's four numbers and a prompt token's.

    In a closed loop the time per token is a step, drawn out by the prompts computed in between: tpot = step + tpot x
    rate x prompt x p. Rate and sequences follow from the point itself, so that it is linear in all five.
    """
    tpot = np.array([p.tpot_ms for p in points]) / 1000
    rate = np.array([1 / p.seconds_per_request for p in points])
    prompt = np.array([p.prompt_tokens for p in points], dtype=np.float64)
    output = np.array([p.output_tokens for p in points], dtype=np.float64)
    sequences = rate * tpot * (output - 1)
    columns = [
        np.ones_like(tpot),
        sequences,
        sequences * (prompt + output / 2),
        (1 - (1 - expert_share) ** sequences) if expert_share else np.zeros_like(tpot),
        tpot * rate * prompt,
    ]
    from scipy.optimize import nnls  # slow to load, and a fit that is at hand (`computed`) takes none

    solved, _ = nnls(np.stack(columns, axis=1) / tpot[:, None], np.ones_like(tpot))
    a, b, c, d, p = (float(value) for value in solved)
    return (a, b, c, d), p


def usual_bytes(model: ServedModel, gpu: Hardware) -> float:
    """Bytes per parameter unless somebody says otherwise: as published, else one where the chip computes with one."""
    return model.bytes or (1 if gpu.fp8_tflops else 2)


def _room_gb(model: ServedModel, gpu: Hardware, gpus: int, bytes_per_parameter: float) -> float:
    return gpus * gpu.memory_gb * _MEMORY_USED - model.weight_gb(bytes_per_parameter)


def _cache_tokens(model: ServedModel, gpu: Hardware, gpus: int, bytes_per_parameter: float) -> float:
    room = _room_gb(model, gpu, gpus, bytes_per_parameter)
    if room <= 0:
        hint = f"--gpus {least_gpus(model, gpu, bytes_per_parameter)}"
        raise UsageError(f"{model.name} does not fit into {gpus} {gpu.name}", hint=hint)
    return room * 1e9 / model.cache_bytes()
