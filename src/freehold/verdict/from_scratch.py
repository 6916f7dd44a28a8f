"""Why a task does not train a model from scratch, in figures; or that its tokens would suffice, where they do.

The smallest model worth the name is taken to have a billion parameters and to see twenty tokens for each (Hoffmann and
others, 2022): a lower bound, because models that are served much are trained longer. No option of the verdict: what
such a model would answer, nobody can say before it exists.
"""

from __future__ import annotations

from functools import cache

from freehold.economics.case import Case
from freehold.economics.training import TrainingCost, TrainingPlan, inputs_of, training_cost
from freehold.market.gpus import hardware
from freehold.market.models import gpu

from .words import usd_text

PARAMS = 1e9
TOKENS_PER_PARAMETER = 20
_GPU = "H100-80GB"


def sentence(case: Case) -> str:
    """Two or three sentences for one task: its tokens beside those needed, and the price beside its bill."""
    needed = PARAMS * TOKENS_PER_PARAMETER
    a_year = 12 * case.calls * (case.prompt_tokens_per_call + case.output_tokens_per_call)
    cost = _cost()
    price = f"{usd_text(cost.usd.mid)} ({usd_text(cost.usd.low)} to {usd_text(cost.usd.high)})"
    price = f"Training the smallest model that deserves the name ({PARAMS:,.0f} parameters) costs about {price}"
    if case.rent_usd:
        price += f", {float(cost.usd.mid) / float(case.rent_usd):,.1f} months of today's bill"
    tokens = (
        f"It takes {needed / 1e9:,.0f} billion tokens of text, and a year of this task has {a_year / 1e9:,.3g} billion."
    )
    if a_year >= needed:
        return f"From scratch: {tokens} {price}. `freehold cost train` prices it; fine-tuning what exists comes first."
    return f"From scratch: no. {tokens} {price}."


@cache
def _cost() -> TrainingCost:
    plan = TrainingPlan(params=PARAMS, tokens=PARAMS * TOKENS_PER_PARAMETER, gpu=hardware(_GPU))
    return training_cost(plan, inputs_of(plan, gpu(_GPU)))
