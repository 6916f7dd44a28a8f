"""What tuning a model takes, whoever's machines it runs on: tokens to train on, people, and how often."""

from __future__ import annotations

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.case import Case

from ._protocol import half_days, people_usd

NEEDS: tuple[str, ...] = (
    "tuning_setup_hours",
    "tuning_examples",
    "tuning_epochs",
    "tuning_runs",
    "tuning_refreshes_per_year",
    "tuning_refresh_hours",
    "engineer_usd_per_year",
)
"""The inputs that every tuned option depends on."""


def trained_tokens(case: Case, inputs: Inputs) -> FloatArray:
    """Tokens that one run trains on: whole calls, prompts and answers, as many times as it goes through them."""
    per_call = case.prompt_tokens_per_call + case.output_tokens_per_call
    return inputs["tuning_examples"] * per_call * inputs["tuning_epochs"]


def setup_usd(inputs: Inputs) -> FloatArray:
    """People, once."""
    return people_usd(inputs["tuning_setup_hours"], inputs)


def upkeep_usd(inputs: Inputs) -> FloatArray:
    """People, a month: tuning again, in half days."""
    return people_usd(half_days(inputs["tuning_refreshes_per_year"] / 12 * inputs["tuning_refresh_hours"]), inputs)


def runs_a_month(inputs: Inputs) -> FloatArray:
    """Runs for tuning again, a month."""
    return inputs["tuning_refreshes_per_year"] / 12 * inputs["tuning_runs"]
