"""Rent a cheaper model for all calls: of the same provider and family, or one that was rehearsed."""

from __future__ import annotations

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.case import Case
from freehold.market.models import Sibling
from freehold.vocabulary import Source, VerdictWord

from ._protocol import Bill, Exposure, OtherRented, told_end
from .keep_renting import rent_usd


class RentSmaller(OtherRented):
    """Same tokens at the smaller model's price. Whether its answers will do is for a measurement to say.

    `elsewhere`: the other provider that it is rented from, as the settings name it; "" for today's.
    """

    word: VerdictWord = "rent_smaller"

    def __init__(self, sibling: Sibling, elsewhere: str = "") -> None:
        self.model = sibling.model
        self.exposure = Exposure(tokens="sibling", ends=sibling.ends)
        self.elsewhere = elsewhere
        self.name = f"rent {sibling.provider}/{sibling.model}"
        self.sources: tuple[Source, ...] = (sibling.source,)
        self._provider = sibling.provider
        self._ratio = float(sibling.ratio)

    def moving_hours(self, inputs: Inputs) -> FloatArray:
        """Prompts adapted to the next model, its answers compared."""
        return inputs["migration_hours"]

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """Its tokens, and an engineer's eye on it. At the same provider its price follows the present model's."""
        tokens_usd = rent_usd(case, volume, inputs) * self._ratio * self.token_ratio(inputs)
        if self.elsewhere:
            tokens_usd = tokens_usd / inputs["rent_price_ratio"]
        return self.month(tokens_usd, inputs)

    def notes(self, _case: Case, _inputs: Inputs) -> tuple[str, ...]:
        """What was measured of it, and until when there is such a model."""
        return (*self.told(), *told_end(self._provider, self.model, self.exposure))
