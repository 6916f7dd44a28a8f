"""Go on as today: the same model at today's price of its tokens."""

from __future__ import annotations

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.case import Case
from freehold.vocabulary import Source, VerdictWord

from ._protocol import Bill, Exposure, nothing


class KeepRenting:
    """The reference: every other option is an alternative to this bill. No people: the integration exists."""

    word: VerdictWord = "keep_renting"
    exposure = Exposure(tokens="model")
    needs: tuple[str, ...] = ("migration_hours", "engineer_usd_per_year")

    def __init__(self, case: Case) -> None:
        self.name = f"keep renting {case.rented}"
        self.sources: tuple[Source, ...] = case.sources

    def moving_hours(self, inputs: Inputs) -> FloatArray:
        """Prompts adapted to the next model, its answers compared."""
        return inputs["migration_hours"]

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """Tokens, times any change of price that a scenario asks for."""
        tokens_usd = rent_usd(case, volume, inputs)
        none = nothing(tokens_usd)
        return Bill(tokens_usd, none, none, none)

    def one_off(self, inputs: Inputs) -> Bill:
        """Nothing."""
        none = nothing(inputs["rent_price_ratio"])
        return Bill(none, none, none, none)

    def owned_share(self, inputs: Inputs) -> FloatArray:
        """Nothing is owned."""
        return nothing(inputs["rent_price_ratio"])

    def latency_ms(self, case: Case, _inputs: Inputs) -> float | None:
        """As observed."""
        return case.latency_ms

    def notes(self, _case: Case, _inputs: Inputs) -> tuple[str, ...]:
        """Nothing to add."""
        return ()


def rent_usd(case: Case, volume: FloatArray, inputs: Inputs) -> FloatArray:
    """The rented model's bill for `volume` months' worth of calls; 0 where its price is unknown."""
    return float(case.rent_usd or 0) * volume * inputs["rent_price_ratio"]
