"""Why a task does not train a model from scratch, in figures; or that its tokens would suffice, where they do.

The smallest model worth the name is taken to have a billion parameters and to see twenty tokens for each (Hoffmann and
others, 2022): a lower bound, because models that are served much are trained longer. As an option it stands among the
others (`TrainFromScratch`); what such a model would answer, nobody can say before it exists.
"""

from __future__ import annotations

from freehold.economics.case import Case
from freehold.economics.options.trained_from_scratch import PARAMS, TOKENS_PER_PARAMETER, cost

from .words import usd_text


def sentence(case: Case) -> str:
    """Two or three sentences for one task: its tokens beside those needed, and the price beside its bill."""
    needed = PARAMS * TOKENS_PER_PARAMETER
    a_year = 12 * case.calls * (case.prompt_tokens_per_call + case.output_tokens_per_call)
    usd = cost().usd
    price = f"{usd_text(usd.mid)} ({usd_text(usd.low)} to {usd_text(usd.high)})"
    price = f"Training the smallest model that deserves the name ({PARAMS:,.0f} parameters) costs about {price}"
    if case.rent_usd:
        months = float(usd.mid) / float(case.rent_usd)
        price += f", {f'{months:,.1f} months' if months < 24 else f'{months / 12:,.0f} years'} of today's bill"
    tokens = (
        f"It takes {needed / 1e9:,.0f} billion tokens of text, and a year of this task has {a_year / 1e9:,.3g} billion."
    )
    if a_year >= needed:
        return f"From scratch: {tokens} {price}. `freehold cost train` prices it; fine-tuning what exists comes first."
    return f"From scratch: no. {tokens} {price}."
