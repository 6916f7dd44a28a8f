"""Rent open weights by the token: the right rival to hosting the same weights."""

from __future__ import annotations

import numpy as np

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.case import Case
from freehold.market.models import TokenOffer
from freehold.vocabulary import Source, VerdictWord

from ._protocol import Bill, Exposure, OtherModel, no_hours, nothing, people_usd


class RentOpenWeights(OtherModel):
    """The task's tokens at what sellers of one open model ask: quartiles over sellers, drawn as a scenario."""

    word: VerdictWord = "rent_open_weights"
    exposure = Exposure(tokens="sellers")
    needs: tuple[str, ...] = (
        "token_ratio",
        "migration_hours",
        "other_model_hours_per_month",
        "engineer_usd_per_year",
    )

    def __init__(self, offer: TokenOffer) -> None:
        self.name = f"rent {offer.weights} per token"
        self.weights = offer.weights
        self.sources: tuple[Source, ...] = (offer.source,)
        self._offer = offer

    def moving_hours(self, inputs: Inputs) -> FloatArray:
        """None: weights do not end, and another seller has the same."""
        return no_hours(inputs)

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """Its tokens, cached ones at the full price, and an engineer's eye on it."""
        per_call_usd = self._per_call_usd(case, inputs["offer_quantile"])
        tokens_usd = case.calls * volume * per_call_usd * self.token_ratio(inputs)
        none = nothing(tokens_usd)
        return Bill(tokens_usd, none, none, none + people_usd(inputs["other_model_hours_per_month"], inputs))

    def one_off(self, inputs: Inputs) -> Bill:
        """Prompts adapted, contracts rehearsed, answers compared."""
        none = nothing(inputs["token_ratio"])
        return Bill(none, none, none, people_usd(inputs["migration_hours"], inputs))

    def owned_share(self, inputs: Inputs) -> FloatArray:
        """Nothing is owned: the weights are open, the machines are somebody else's."""
        return nothing(inputs["token_ratio"])

    def latency_ms(self, _case: Case, _inputs: Inputs) -> float | None:
        """As a rehearsal measured it; unknown without one."""
        return self.measured_ms

    def notes(self, _case: Case, _inputs: Inputs) -> tuple[str, ...]:
        """What was measured of it."""
        return self.told()

    def _per_call_usd(self, case: Case, quantile: FloatArray) -> FloatArray:
        per_mtok = [
            np.interp(quantile, (0.25, 0.5, 0.75), (float(price.low), float(price.mid), float(price.high)))
            for price in (self._offer.input_usd_per_mtok, self._offer.output_usd_per_mtok)
        ]
        return (case.prompt_tokens_per_call * per_mtok[0] + case.output_tokens_per_call * per_mtok[1]) / 1e6
