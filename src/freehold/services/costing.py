"""What a model would cost to train and to serve, at this home's own settings where it has some."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from freehold import settings as settings_module
from freehold.economics import serving
from freehold.economics.capacity import Policy, Targets, Trace, of_requests, replica_for, size_fleet
from freehold.economics.serving import ServingCost, serving_cost
from freehold.economics.training import TrainingCost, TrainingPlan, inputs_of, training_cost
from freehold.errors import UsageError
from freehold.market import estimates, models
from freehold.market.gpus import hardware
from freehold.market.serving import served_model

from .home import Home

_OF_SETTINGS = "settings"
_OF_SERVING = ("hosting_engineer_share", "discount_rate_per_year")
_PRICED_BY_SETTING = "H100-80GB"
"""The GPU that the setting `gpu_usd_per_hour` speaks of."""


def train(plan: TrainingPlan, stated: Mapping[str, float], *, seed: int = 0) -> TrainingCost:
    """Cost of a plan. `stated` inputs come before the settings, and those before the defaults.

    Raises:
        UsageError: an input is out of its range, or nobody states what the GPU rents for.
    """
    values, sources = _settings(plan.gpu.name, stated)
    values = {name: value for name, value in values.items() if name not in _OF_SERVING}
    return training_cost(plan, inputs_of(plan, _rental(plan.gpu.name), values, sources), seed=seed)


class ServingOrder(msgspec.Struct, frozen=True):
    """What to serve, on what, how well.

    `gpus` 0 and `bytes_per_parameter` 0: as measured, else the fewest that fit. `buy_usd`: price of a GPU with its part
    of the server.
    """

    model: str
    gpu: str = "H100"
    gpus: int = 0
    bytes_per_parameter: float = 0
    targets: Targets = Targets()
    policy: Policy = Policy()
    measured: Path | None = None
    buy_usd: float | None = None
    volume: float = 1.0


def trace_of_task(home: Home, name: str) -> Trace:
    """A task's calls as arrivals, each as often as a recorded call counts (`sample_weight`).

    Raises:
        UsageError: none of them states its tokens.
    """
    task = home.task(name)
    rows = (
        (call.started_at_us / 1e6, call.usage.prompt_tokens, call.usage.output_tokens)
        for call, _ in home.recognised(task_id=task.id)
        if call.usage is not None
    )
    declared = home.task_settings(task).sample_weight
    weight = home.settings.workload.sample_weight if declared is None else declared
    found = of_requests(task.name, rows)
    return found if weight == 1 else found.times(weight)


def serve(order: ServingOrder, trace: Trace, stated: Mapping[str, float]) -> ServingCost:
    """Size a fleet for a trace and price it.

    Raises:
        UsageError: model or GPU are unknown, do not fit or cannot meet the targets, or nobody states the GPU's price.
    """
    gpu, model = hardware(order.gpu), served_model(order.model)
    points = points_of(order.measured) if order.measured else ()
    replica = replica_for(model, gpu, order.gpus, order.bytes_per_parameter, points, estimate=estimates.estimated)
    values, sources = _settings(gpu.name, stated)
    inputs = serving.inputs_of(gpu.name, _rental(gpu.name), values, sources, buying=order.buy_usd is not None)
    wanted = trace if order.volume == 1 else trace.times(order.volume)
    fleet = size_fleet(wanted, replica, order.targets, order.policy)
    weights = next((one for one in models.open_weights() if one.name == model.name), None)
    offer = None if weights is None else models.token_offer(weights, datetime.now(UTC))
    return serving_cost(model.name, wanted, fleet, inputs, offer, buy_usd=order.buy_usd)


def points_of(path: Path) -> tuple[models.Point, ...]:
    """Measured points from CSV: prompt_tokens, output_tokens, clients, ttft_ms, tpot_ms.

    Raises:
        UsageError: it is no CSV, a column is missing, a row holds no number above 0, or there is no row.
    """
    try:
        found = _points(path)
    except (UnicodeDecodeError, csv.Error):
        raise UsageError(f"{path} is no CSV that can be read", hint="save it as CSV in UTF-8") from None
    if not found:
        raise UsageError(f"{path} holds no measured point", hint="prompt_tokens,output_tokens,clients,ttft_ms,tpot_ms")
    return tuple(found)


def _points(path: Path) -> list[models.Point]:
    found: list[models.Point] = []
    with path.open(encoding="utf-8-sig") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=2):
            try:
                sizes = [int(row[name]) for name in ("prompt_tokens", "output_tokens", "clients")]
                times = [float(row[name]) for name in ("ttft_ms", "tpot_ms")]
            except (KeyError, TypeError, ValueError):
                sizes, times = [0], []
            if not all(0 < value < math.inf for value in (*sizes, *times)):
                hint = "prompt_tokens,output_tokens,clients,ttft_ms,tpot_ms, all above 0"
                raise UsageError(f"{path}, line {number}: no measured point", hint=hint)
            found.append(models.Point(sizes[0], sizes[1], sizes[2], times[0], times[1]))
    return found


def _rental(gpu: str) -> models.Gpu | None:
    return next((one for one in models.gpus() if one.name == gpu), None)


def _settings(gpu: str, stated: Mapping[str, float]) -> tuple[dict[str, float], dict[str, str]]:
    """What the settings and the caller state, the caller first; and which of it is from the settings."""
    economics = settings_module.load().settings.economics
    ours = {
        "engineer_usd_per_year": economics.engineer_usd_per_year,
        "hosting_engineer_share": economics.hosting_engineer_share,
        "gpu_usd_per_hour": economics.gpu_usd_per_hour if gpu == _PRICED_BY_SETTING else None,
        "discount_rate_per_year": economics.discount_rate_per_year,
    }
    values = {name: value for name, value in ours.items() if value is not None}
    return {**values, **stated}, {name: _OF_SETTINGS for name in values if name not in stated}
