"""Rent open weights by the token: the right rival to hosting the same weights."""

from __future__ import annotations

import numpy as np

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.case import Case
from freehold.market.models import TokenOffer
from freehold.vocabulary import Source, VerdictWord

from ._protocol import Bill, Exposure, OtherRented, no_hours


class RentOpenWeights(OtherRented):
    """The task's tokens at what sellers of one open model ask: quartiles over sellers, drawn as a scenario."""

    word: VerdictWord = "rent_open_weights"
    exposure = Exposure(tokens="sellers")

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
        return self.month(tokens_usd, inputs)

    def notes(self, _case: Case, _inputs: Inputs) -> tuple[str, ...]:
        """What was measured of it."""
        return self.told()

    def _per_call_usd(self, case: Case, quantile: FloatArray) -> FloatArray:
        per_mtok = [
            np.interp(quantile, (0.25, 0.5, 0.75), (float(price.low), float(price.mid), float(price.high)))
            for price in (self._offer.input_usd_per_mtok, self._offer.output_usd_per_mtok)
        ]
        return (case.prompt_tokens_per_call * per_mtok[0] + case.output_tokens_per_call * per_mtok[1]) / 1e6
