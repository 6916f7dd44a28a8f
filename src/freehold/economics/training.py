"""What training a model costs: from arithmetic to GPU hours to money, with everything beside the final run.

Method: 6 FLOP per parameter and token (forward 2, backward 4; Kaplan et al. 2020), 4 where the weights stay frozen
(LoRA: no gradients of the weights), and 12 x layers x width x context per token for attention where the shape is given
(as in llm-foundry's and PaLM's accounting; it has no weights, so that frozen ones save nothing there). GPU hours =
FLOP / (peak x MFU), money = hours x price x runs + evaluation + data + people. People are counted whole and in half
months begun. Floats inside, `Decimal` at the border. Not promised: that a run of this size converges, is good, or can
be had at the price in the quantity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

import msgspec
import numpy as np

from freehold.errors import UsageError
from freehold.market.gpus import Hardware
from freehold.market.models import Gpu
from freehold.vocabulary import Assumption, Range, Source

from .arrays import FloatArray, Inputs, money, money_range
from .assumptions import assumed, at_values, draw, exact, given, rented_or_stated
from .workload import MONTH_HOURS

SCENARIOS = 1001
TOKENS_PER_PARAMETER = 20
"""Tokens per parameter at which a training budget is spent best (Hoffmann et al. 2022): a lower bound for a model that
is to be served much, where a smaller model trained for longer is cheaper in the end."""

_NODE = 8
_LONGEST_DAYS = 30
_STATE_BYTES, _FROZEN_BYTES, _USABLE = 16, 2.2, 0.8
_JUDGEMENT = "judgement, no measurement"

_TEAMS: tuple[tuple[float, int, int, int, float, float, float], ...] = (
    # FLOP of the final run up to which; engineers low, value, high; months beside the run low, value, high
    (1e19, 1, 1, 1, 0.5, 0.5, 1),
    (1e21, 1, 1, 2, 0.5, 1, 2),
    (1e22, 2, 3, 5, 1, 2, 4),
    (1e23, 3, 6, 12, 2, 4, 6),
    (1e24, 8, 15, 30, 3, 6, 9),
    (1e25, 20, 40, 80, 6, 9, 12),
    (math.inf, 50, 100, 200, 6, 12, 18),
)
_INPUTS: tuple[tuple[str, float, float, float, str, str], ...] = (
    (
        "mfu",
        0.25,
        0.36,
        0.45,
        "share of the peak that 6ND uses",
        "Llama 2 and 3 model cards 28 to 43 %, MPT-7B 36 %, llm-foundry's own measurements 36 to 46 %",
    ),
    ("runs", 1.2, 1.5, 2, "GPU hours of all runs over those of the final one", "failed runs, restarts, ablations"),
    ("evaluation_share", 0.02, 0.05, 0.15, "GPU hours of evaluation over those of the final run", _JUDGEMENT),
    ("data_usd_per_btok", 2, 10, 50, "USD per billion tokens: fetching, filtering, deduplicating", _JUDGEMENT),
    ("engineer_usd_per_year", 140_000, 200_000, 280_000, "USD a year, all costs", _JUDGEMENT),
)


class Shape(msgspec.Struct, frozen=True):
    """What the attention term needs: layers, width of the residual stream, tokens of context in training."""

    layers: int
    width: int
    context: int


class TrainingPlan(msgspec.Struct, frozen=True):
    """A final run.

    `active_params`: those that a token passes through, where experts are many; None: all. `gpus` None: one where that
    holds the training state and is done in a day, else the fewest in whole nodes of eight that hold it and are done in
    thirty days. `frozen`: adapters alone learn.
    """

    params: float
    tokens: float
    gpu: Hardware
    active_params: float | None = None
    epochs: float = 1
    shape: Shape | None = None
    frozen: bool = False
    gpus: int | None = None

    @property
    def seen_tokens(self) -> float:
        """Tokens that pass through the model, repetitions included."""
        return self.tokens * self.epochs


class Flops(msgspec.Struct, frozen=True):
    """Arithmetic of the final run. `attention` is 0 where no shape was given: 6ND alone, the usual convention."""

    parameters: float
    attention: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.parameters + self.attention


class TrainingCost(msgspec.Struct, frozen=True):
    """What a model costs to train: P10, P50, P90 over scenarios of the inputs that nobody gave.

    `parts_usd` has each part's own range; `split_usd` are the parts of the median, which they add up to. `gpu_hours`
    and `days` are those of the final run; `cash_usd` is everything but people.
    """

    params: Decimal
    tokens: Decimal
    flops: Flops
    gpu: str
    gpus: int
    peak_tflops: float
    gpu_hours: Range
    days: Range
    usd: Range
    cash_usd: Range
    parts_usd: dict[str, Range]
    split_usd: dict[str, Decimal]
    inputs: tuple[Assumption, ...]
    sources: tuple[Source, ...]
    notes: tuple[str, ...]
    scenarios: int
    seed: int


def flops(plan: TrainingPlan) -> Flops:
    """Arithmetic of the final run."""
    active = plan.params if plan.active_params is None else plan.active_params
    shape = plan.shape
    attention = 0.0 if shape is None else 12 * shape.layers * shape.width * shape.context
    return Flops((4 if plan.frozen else 6) * active * plan.seen_tokens, attention * plan.seen_tokens)


def implied_mfu(work: float, gpu_hours: float, gpu: Hardware) -> float:
    """Share of the peak (dense BF16) that a run of so many FLOP in so many GPU hours used."""
    return work / (gpu_hours * 3600 * gpu.peak_flops())


def inputs_of(
    plan: TrainingPlan,
    rental: Gpu | None,
    stated: Mapping[str, float] | None = None,
    sources: Mapping[str, str] | None = None,
) -> dict[str, Assumption]:
    """Every input by name; `stated` ones replace the default, with `sources` where they come from.

    Raises:
        UsageError: an input is unknown or out of its range, or nobody states what the GPU rents for.
    """
    found = {row[0]: assumed(*row) for row in _INPUTS}
    found["engineers"], found["months_beside_run"] = _team(flops(plan).total)
    found["gpu_usd_per_hour"] = rented_or_stated(plan.gpu.name, rental, stated or {})
    for name, value in (stated or {}).items():
        _check(name, value)
        item = found.get(name) or assumed(name, value, value, value, "USD for the data, all of it", "")
        found[name] = given(item, value, (sources or {}).get(name, "given"))
    if "data_usd" in found:
        del found["data_usd_per_btok"]
    return found


def training_cost(plan: TrainingPlan, inputs: Mapping[str, Assumption], *, seed: int = 0) -> TrainingCost:
    """The cost of a plan over scenarios of its inputs, independent of each other."""
    work = flops(plan)
    gpus = plan.gpus or _gpus(plan, work, at_values(inputs))
    drawn = draw(inputs, SCENARIOS, seed)
    drawn["runs"] = np.maximum(drawn["runs"], 1)
    hours = _gpu_hours(plan, work, drawn)
    parts = _parts(plan, hours, hours / gpus / 24, drawn)
    usd = np.sum([*parts.values()], axis=0)
    return TrainingCost(
        params=exact(plan.params),
        tokens=exact(plan.seen_tokens),
        flops=work,
        gpu=plan.gpu.name,
        gpus=gpus,
        peak_tflops=plan.gpu.bf16_tflops,
        gpu_hours=money_range(hours),
        days=money_range(hours / gpus / 24),
        usd=money_range(usd),
        cash_usd=money_range(usd - parts["people"]),
        parts_usd={name: money_range(part) for name, part in parts.items()},
        split_usd=_split(usd, parts),
        inputs=tuple(inputs.values()),
        sources=(Source(plan.gpu.source, plan.gpu.as_of),),
        notes=_notes(plan, gpus),
        scenarios=SCENARIOS,
        seed=seed,
    )


_SHARES = ("mfu", "evaluation_share")


def _check(name: str, value: float) -> None:
    known = {row[0] for row in _INPUTS} | {"engineers", "months_beside_run", "gpu_usd_per_hour", "data_usd"}
    if name not in known:
        raise UsageError(f"{name!r} is no input of a training's cost", hint=f"one of {', '.join(sorted(known))}")
    least = {"mfu": 0.001, "gpu_usd_per_hour": 0.001, "runs": 1.0}.get(name, 0.0)
    most = 1.0 if name in _SHARES else math.inf
    if not (least <= value <= most and math.isfinite(value)):
        most_text = " and at most 1" * (most == 1)
        raise UsageError(
            f"{name} is {value:g}, and must be at least {least:g}{most_text}", hint="freehold cost train --help"
        )


def _team(work: float) -> tuple[Assumption, Assumption]:
    """People for a run of this size: whole ones, and how long before and after it."""
    row = next(row for row in _TEAMS if work <= row[0])
    source = f"{_JUDGEMENT}; a step function of the final run's FLOP"
    return (
        assumed("engineers", *row[1:4], "people, whole", source),
        assumed("months_beside_run", *row[4:7], "months of all of them before and after the run", source),
    )


def _gpu_hours(plan: TrainingPlan, work: Flops, inputs: Inputs) -> FloatArray:
    """MFU is by the parameters' own FLOP (6ND) unless the shape is given, as in the measurements it comes from."""
    return work.total / (plan.gpu.peak_flops() * inputs["mfu"] * 3600)


def _parts(plan: TrainingPlan, hours: FloatArray, days: FloatArray, inputs: Inputs) -> dict[str, FloatArray]:
    final = hours * inputs["gpu_usd_per_hour"]
    engineers = np.ceil(np.round(inputs["engineers"], 9))
    months = np.ceil(np.round(2 * (inputs["months_beside_run"] + 24 * days / MONTH_HOURS), 9)) / 2
    return {
        "final_run": final,
        "failed_runs_and_trials": final * (inputs["runs"] - 1),
        "evaluation": final * inputs["evaluation_share"],
        "data": inputs["data_usd"]
        if "data_usd" in inputs
        else inputs["data_usd_per_btok"] * (plan.tokens / 1e9),  # repeating data does not buy it twice
        "people": engineers * months * inputs["engineer_usd_per_year"] / 12,
    }


def _split(usd: FloatArray, parts: Mapping[str, FloatArray]) -> dict[str, Decimal]:
    """Parts of the median: means over the tenth of the scenarios in its middle, scaled to it."""
    middle = np.argsort(usd, kind="stable")[int(0.45 * len(usd)) : int(0.55 * len(usd)) + 1]
    scale = float(np.median(usd)) / (float(usd[middle].mean()) or 1.0)
    return {name: money(float(part[middle].mean()) * scale) for name, part in parts.items()}


def _least_gpus(plan: TrainingPlan) -> int:
    """GPUs whose memory holds weights, gradients and the optimizer's state: 16 bytes a parameter, frozen about 2."""
    state = plan.params * (_FROZEN_BYTES if plan.frozen else _STATE_BYTES)
    return max(1, math.ceil(state / (plan.gpu.memory_gb * 1e9 * _USABLE)))


def _gpus(plan: TrainingPlan, work: Flops, values: Inputs) -> int:
    days_of_one = float(_gpu_hours(plan, work, values)[0]) / 24
    least = _least_gpus(plan)
    if least == 1 and days_of_one <= 1:
        return 1
    needed = max(least, days_of_one / _LONGEST_DAYS)
    return _NODE * math.ceil(round(needed / _NODE, 9))


def _notes(plan: TrainingPlan, gpus: int) -> tuple[str, ...]:
    notes: list[str] = []
    least = _least_gpus(plan)
    if gpus < least:
        notes.append(f"{gpus} GPUs do not hold the training state without offloading: {least} would")
    ratio = plan.seen_tokens / plan.params
    if not plan.frozen and ratio < TOKENS_PER_PARAMETER:
        notes.append(
            f"{ratio:.2g} tokens per parameter: from scratch, a smaller model on more tokens would be better for the "
            f"same compute (about {TOKENS_PER_PARAMETER}); for continued training this is usual"
        )
    if plan.gpus is None and gpus == 1:
        notes.append("1 GPU: it holds the state and finishes in a day")
    elif plan.gpus is None:
        notes.append(f"{gpus} GPUs: the fewest in whole nodes that hold the state and finish in {_LONGEST_DAYS} days")
    if plan.shape is None:
        notes.append("without layers, width and context, attention is not counted: 6ND alone, as MFU is mostly quoted")
    return tuple(notes)
