"""The swap of the model and the ownership, apart: most of what "self-hosting" is said to save is the smaller model.

Three bills for the same calls: today's model as it is rented, open weights rented by the token, the same weights on
machines of one's own at the cheapest term. Medians; whether the weights answer well enough is another question.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from freehold.economics.options import CostModel, HostOpenWeights, RentOpenWeights
from freehold.vocabulary import Option, Step


def steps(options: Sequence[CostModel], rows: Sequence[Option]) -> tuple[Step, ...]:
    """From today's bill to owned weights; empty where no weights are both sold by the token and hosted."""
    by_name = {row.name: row for row in rows}
    hosted = [
        one
        for one in options
        if one.word == "host_open_weights" and isinstance(one, HostOpenWeights) and one.name in by_name
    ]
    today = next((row for row in rows if row.word == "keep_renting"), None)
    if not hosted or today is None:
        return ()
    rented = next((o for o in options if isinstance(o, RentOpenWeights) and o.weights == hosted[0].weights), None)
    if rented is None:
        return ()
    swapped = by_name[rented.name]
    owned = min((by_name[one.name] for one in hosted), key=lambda row: (row.monthly_usd.mid, row.name))
    chain = (today, swapped, owned)
    names = ("today", "another model", "the same model, owned")
    before = (today, *chain[:-1])
    return tuple(
        Step(name, row.name, row.monthly_usd.mid, _change(row, earlier))
        for name, row, earlier in zip(names, chain, before, strict=True)
    )


def _change(row: Option, before: Option) -> Decimal:
    return row.monthly_usd.mid - before.monthly_usd.mid
