"""Every input that neither the calls nor the market state: its default, range, unit and source.

`docs/economics.md` explains each. A setting turns an assumption into a given, with no range. Ranges are P10 and P90 of
what we would expect in an ordinary company, where the source says "judgement" by nobody's measurement but ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec
import numpy as np

from freehold.errors import ConfigurationError, UsageError
from freehold.market.models import Gpu, gpu
from freehold.settings import EconomicsSettings
from freehold.vocabulary import Assumption, Source, TaskKind

from .arrays import P90_SCORE, FloatArray, Inputs
from .dependence import ranks, scores
from .quality import QualityFacts
from .workload import Workload

_DATE = "2026-11-21"
_NOTHING: Mapping[str, Assumption] = {}
_JUDGEMENT = "judgement, no measurement"

PRICED_GPU = "H100-80GB"
"""The GPU that `gpu_usd_each` is the price of."""

_DEFAULTS: tuple[tuple[str, float, float, float, str, str], ...] = (
    # name, low, value, high, unit, source
    ("engineer_usd_per_year", 140_000, 200_000, 280_000, "USD a year, all costs", _JUDGEMENT),
    ("student_setup_hours", 8, 24, 80, "engineer hours, once", _JUDGEMENT),
    ("student_upkeep_hours_per_month", 1, 2, 6, "engineer hours a month, in half days", _JUDGEMENT),
    ("student_refreshes_per_year", 1, 2, 6, "retrainings a year", _JUDGEMENT),
    ("student_refresh_hours", 2, 4, 12, "engineer hours a retraining", _JUDGEMENT),
    ("student_cpu_ms", 1, 2, 5, "ms of one core per owned answer", "own bound: an owned answer takes under 3 ms"),
    ("cpu_usd_per_hour", 0.03, 0.05, 0.08, "USD per core and hour", "usual on-demand prices of general machines"),
    ("gold_label_usd", 0.1, 0.5, 2, "USD a label given by a person", _JUDGEMENT),
    ("labels_to_certify", 150, 400, 1500, "labelled calls", "exact binomial bound at alpha 0.05, delta 0.05"),
    ("gold_labels_per_refresh", 60, 200, 600, "labels given by people", _JUDGEMENT),
    ("cache_realised_share", 0.3, 0.7, 0.95, "share of what a prompt cache could read that it does read", _JUDGEMENT),
    ("caching_hours", 2, 6, 16, "engineer hours, once, to lay prompts out for a cache", _JUDGEMENT),
    ("batching_hours", 8, 24, 60, "engineer hours, once, to hand calls in as batches", _JUDGEMENT),
    ("migration_hours", 8, 16, 40, "engineer hours, once, to move to another model", _JUDGEMENT),
    ("other_model_hours_per_month", 0.5, 1, 4, "engineer hours a month to watch it", _JUDGEMENT),
    ("token_ratio", 0.8, 1, 1.4, "tokens of another model per token of this one", "range of public tokenizers"),
    ("tuning_setup_hours", 16, 40, 120, "engineer hours, once, to tune a model and bring it into service", _JUDGEMENT),
    ("tuning_examples", 200, 1000, 5000, "answers to learn from in a run", _JUDGEMENT),
    ("tuning_epochs", 1, 3, 4, "times that a run goes through them", _JUDGEMENT),
    ("tuning_runs", 1, 3, 8, "runs until one is kept", _JUDGEMENT),
    (
        "tuning_usd_per_mtok",
        0.46,
        3,
        25,
        "USD per million tokens that a provider trains on",
        "list prices: Ori LoRA up to 10B (0.46), OpenAI gpt-4o-mini (3) and gpt-4o (25), as tools stated them in 2025",
    ),
    ("tuning_refreshes_per_year", 1, 2, 4, "times a year that it is tuned again", _JUDGEMENT),
    ("tuning_refresh_hours", 4, 8, 24, "engineer hours each of these times", _JUDGEMENT),
    ("tuned_coverage", 0.5, 0.85, 0.97, "share of calls that a tuned model answers itself", _JUDGEMENT),
    ("tuning_mfu", 0.2, 0.3, 0.4, "share of a GPU's peak that tuning uses", _JUDGEMENT),
    ("tuning_gpu_hours", 1, 2, 8, "hours of a run beside its arithmetic: loading, evaluating", _JUDGEMENT),
    ("tuned_prompt_ratio", 0.4, 1, 1, "prompt tokens of a tuned model over today's", _JUDGEMENT),
    ("hosting_engineer_share", 0.25, 0.25, 0.5, "share of an engineer per 16 GPUs begun", _JUDGEMENT),
    ("hosting_setup_hours", 40, 80, 200, "engineer hours, once", _JUDGEMENT),
    (
        "reserved_price_ratio",
        0.63,
        0.65,
        0.83,
        "price of a GPU reserved for a year over on demand",
        "own catalogue of offers of 2026-06-15: six pairs of AWS, Azure and Google, lowest, median, highest",
    ),
    (
        "spot_price_ratio",
        0.35,
        0.41,
        0.82,
        "price of a spot GPU over on demand",
        "own catalogue of offers of 2026-06-15: ten pairs, lowest, median, highest",
    ),
    ("spot_spare_share", 0.1, 0.25, 0.5, "more replicas, for those that are taken away", _JUDGEMENT),
    ("spot_rerun_share", 0.005, 0.02, 0.1, "share of the work that is cut off and done again", _JUDGEMENT),
    ("gpu_usd_each", 25_000, 33_000, 45_000, "USD per H100 80 GB with its part of a server of eight", _JUDGEMENT),
    ("gpu_place_usd_per_month", 100, 200, 400, "USD a month per GPU: rack, cooling, network, no power", _JUDGEMENT),
    ("burst_ratio", 1.2, 1.5, 4, "peak minute over its ten minutes", "Azure LLM traces 2023: 1.54 chat, 4.16 code"),
    ("throughput_ratio", 0.6, 1, 1.4, "real over estimated throughput", "interval of a roofline on unseen models"),
    ("target_ttft_s", 2, 2, 2, "s to the first token, for 95 % of the calls of a window", "a choice, no uncertainty"),
    ("target_tpot_s", 0.05, 0.05, 0.05, "s per later token, likewise", "a choice, no uncertainty"),
    ("discount_rate_per_year", 0.06, 0.1, 0.15, "a year", _JUDGEMENT),
    (
        "price_decline_per_year",
        0,
        0.13,
        0.5,
        "fall of rented token prices a year beside the jumps of one model's price",
        "judgement: what is had by moving to cheaper models of one's own accord",
    ),
    ("monthly_growth", -0.02, 0, 0.03, "growth of calls a month", _JUDGEMENT),
)

_COVERAGE: dict[TaskKind, tuple[float, float, float]] = {
    "classification": (0.3, 0.75, 0.92),
    "extraction": (0.3, 0.75, 0.92),
    "structured": (0.3, 0.7, 0.9),
    "tool_choice": (0.0, 0.3, 0.7),
    "question_answering": (0.0, 0.1, 0.4),
    "code": (0.0, 0.1, 0.3),
    "free_text": (0.0, 0.05, 0.3),
    "unknown": (0.0, 0.05, 0.5),
}


def defaults() -> dict[str, Assumption]:
    """Every input by name that depends on no task, as this release has it."""
    return {row[0]: assumed(*row) for row in _DEFAULTS}


def assumptions(
    workload: Workload, quality: QualityFacts, settings: EconomicsSettings, also: Mapping[str, Assumption] = _NOTHING
) -> dict[str, Assumption]:
    """Every input by name; measured and given ones replace the default. `also`: what single options ask for beside.

    Raises:
        ConfigurationError: `economics.assume` names no input, or a value is negative.
    """
    found = {**defaults(), **also}
    found["volume_ratio"] = _volume(workload)
    found["student_coverage"] = _coverage(quality)
    found["gpu_usd_per_hour"] = rented(gpu("H100-80GB"))
    if quality.student_ms is not None:
        found["student_cpu_ms"] = given(found["student_cpu_ms"], quality.student_ms, "measured on the student")
    if workload.monthly_growth is not None:
        found["monthly_growth"] = given(found["monthly_growth"], workload.monthly_growth, "declared for the task")
    for name, value in overrides(settings).items():
        if name not in found:
            known = ", ".join(sorted(found))
            raise ConfigurationError(f"economics.assume.{name} is no input of the decision; inputs: {known}")
        if value < 0 and name != "monthly_growth":
            raise ConfigurationError(f"economics: {name} must not be negative")
        found[name] = given(found[name], value, "settings")
    return found


def draw(inputs: Mapping[str, Assumption], n: int, seed: int) -> Inputs:
    """`n` scenarios by Latin hypercube: each input's P10, P50 and P90 are met; `dependence` says which move together.

    The spread is normal on either side of the value (a split normal), cut at zero, and at one for shares. An odd `n`
    puts the value itself among the scenarios. The same seed draws an input the same way whatever the others are.
    """
    return {name: from_scores(item, scores(ranks(name, n, seed))) for name, item in sorted(inputs.items())}


def at_values(inputs: Mapping[str, Assumption], n: int = 1) -> Inputs:
    """`n` equal scenarios in which every input has its value."""
    values = np.array([float(item.value) for item in inputs.values()])
    return dict(zip(inputs, np.repeat(values[:, None], n, axis=1), strict=True))


def from_scores(item: Assumption, z: FloatArray) -> FloatArray:
    """The input's value at each normal score: its value at 0, its P10 and P90 at -1.28 and 1.28."""
    value, low, high = float(item.value), float(item.low), float(item.high)
    spread = np.where(z > 0, (high - value) / P90_SCORE, (value - low) / P90_SCORE)
    floor = -1.0 if item.name == "monthly_growth" else 0.0
    ceiling = 1.0 if item.name in {"student_coverage", "tuned_coverage", "price_decline_per_year"} else np.inf
    return np.clip(value + z * spread, floor, ceiling)


def assumed(name: str, low: float, mid: float, high: float, unit: str, source: str) -> Assumption:
    """An input that nobody gave, as this release has it."""
    return Assumption(name, exact(mid), exact(low), exact(high), unit, Source(source, _DATE, assumed=True))


def rented(rental: Gpu) -> Assumption:
    """What a GPU rents for by the catalogue."""
    unit, source = f"USD per {rental.name} and hour", Source(rental.source, rental.date, assumed=True)
    return Assumption("gpu_usd_per_hour", rental.mid, rental.low, rental.high, unit, source)


def rented_or_stated(name: str, rental: Gpu | None, stated: Mapping[str, float]) -> Assumption:
    """What a GPU of that name rents for by the catalogue, or where that has no price, by what somebody states.

    Raises:
        UsageError: nobody states it.
    """
    if rental is not None:
        return rented(rental)
    if "gpu_usd_per_hour" not in stated:
        raise UsageError(f"nobody states what a {name} rents for", hint="--usd-per-hour 2.50")
    value = stated["gpu_usd_per_hour"]
    return given(assumed("gpu_usd_per_hour", value, value, value, f"USD per {name} and hour", ""), value, "given")


def given(item: Assumption, value: float, source: str) -> Assumption:
    """The same input where somebody states it: no range any more."""
    stated = exact(value)
    return msgspec.structs.replace(item, value=stated, low=stated, high=stated, source=Source(source))


def exact(value: float) -> Decimal:
    """A number as it is written."""
    return Decimal(repr(value))


def overrides(settings: EconomicsSettings) -> dict[str, float]:
    """What the settings say of inputs, by name."""
    named = {name: getattr(settings, name) for name in settings.__struct_fields__ if name != "assume"}
    return {**settings.assume, **{name: value for name, value in named.items() if value is not None}}


def _volume(workload: Workload) -> Assumption:
    """How far next month's calls may lie from the observed rate: wide where the log has not seen a week."""
    days = workload.days_observed
    if days < 1:
        low, high, why = 0.1, 3.0, "less than a day was observed"
    elif days < 7:
        low, high, why = 0.5, 1.6, "less than a week was observed"
    elif days < 28:
        low, high, why = 0.8, 1.25, "less than a month was observed"
    else:
        low, high, why = 0.9, 1.1, "a month or more was observed"
    noise = 1.2816 / max(1.0, workload.calls) ** 0.5
    name = f"{why}; {workload.calls} calls in {days:.2g} days"
    return Assumption(
        "volume_ratio",
        Decimal(1),
        exact(round(max(0.0, low - noise), 3)),
        exact(round(high + noise, 3)),
        "calls to come over calls observed",
        Source(name, assumed=True),
    )


def _coverage(quality: QualityFacts) -> Assumption:
    """Share of calls that a student may answer itself at the promised risk."""
    unit = "share of calls the student answers"
    promise = quality.certificate
    if promise is not None and promise.certified:
        interval = promise.coverage_interval
        value, low, high = promise.coverage, min(interval.low, promise.coverage), max(interval.high, promise.coverage)
        source = Source(f"certificate {promise.id}", promise.issued_at)
    elif promise is not None and promise.labels_needed is None:
        value = low = high = 0.0
        source = Source(f"certificate {promise.id}: nothing can be promised", promise.issued_at)
    elif quality.coverage_measured is not None:
        value, low, high = quality.coverage_measured, 0.5 * quality.coverage_measured, quality.coverage_measured
        source = Source("measured without a promise", assumed=True)
    else:
        low, value, high = _COVERAGE[quality.kind]
        source = Source(f"judgement for {quality.kind} tasks, from three public ones", _DATE, assumed=True)
    return Assumption("student_coverage", exact(value), exact(low), exact(high), unit, source)
