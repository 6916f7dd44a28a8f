"""What a model would cost to train, at this home's own settings where it has some."""

from __future__ import annotations

from collections.abc import Mapping

from freehold import settings as settings_module
from freehold.economics.training import TrainingCost, TrainingPlan, inputs_of, training_cost
from freehold.market import models

_OF_SETTINGS = "settings"
_PRICED_BY_SETTING = "H100-80GB"
"""The GPU that the setting `gpu_usd_per_hour` speaks of."""


def train(plan: TrainingPlan, stated: Mapping[str, float], *, seed: int = 0) -> TrainingCost:
    """Cost of a plan. `stated` inputs come before the settings, and those before the defaults.

    Raises:
        UsageError: an input is out of its range, or nobody states what the GPU rents for.
    """
    economics = settings_module.load().settings.economics
    values: dict[str, float] = {}
    if economics.engineer_usd_per_year is not None:
        values["engineer_usd_per_year"] = economics.engineer_usd_per_year
    if economics.gpu_usd_per_hour is not None and plan.gpu.name == _PRICED_BY_SETTING:
        values["gpu_usd_per_hour"] = economics.gpu_usd_per_hour
    sources = {name: _OF_SETTINGS for name in values if name not in stated}
    rental = next((one for one in models.gpus() if one.name == plan.gpu.name), None)
    return training_cost(plan, inputs_of(plan, rental, {**values, **stated}, sources), seed=seed)
