"""Go on with the same model, for less: prompts that the provider's cache serves, or answers that come with a batch."""

from __future__ import annotations

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.case import Case
from freehold.vocabulary import Source, VerdictWord

from ._protocol import Bill, Exposure, nothing, people_usd
from .keep_renting import rent_usd


class KeepRentingCached:
    """The same calls with prompts laid out and sent so that the provider's cache reads their beginning.

    `saved_share`: the part of the bill that reading would have saved at most, as the recorded prompts repeat
    (`analytics.prefixes`); providers read less where their machines share no cache (`cache_realised_share`).
    """

    word: VerdictWord = "keep_renting"
    exposure = Exposure(tokens="model")
    needs: tuple[str, ...] = ("cache_realised_share", "caching_hours", "migration_hours", "engineer_usd_per_year")

    def __init__(self, case: Case, saved_share: float, calls: int) -> None:
        self.name = f"keep renting {case.rented}, prompts cached"
        self.sources: tuple[Source, ...] = case.sources
        self._saved_share = saved_share
        self._calls = calls

    def moving_hours(self, inputs: Inputs) -> FloatArray:
        """As of renting on."""
        return inputs["migration_hours"]

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """Tokens, less what reading saves."""
        tokens_usd = rent_usd(case, volume, inputs) * (1 - self._saved_share * inputs["cache_realised_share"])
        none = nothing(tokens_usd)
        return Bill(tokens_usd, none, none, none)

    def one_off(self, inputs: Inputs) -> Bill:
        """Prompts laid out anew: what varies comes last, and what repeats is marked where a provider asks for it."""
        none = nothing(inputs["caching_hours"])
        return Bill(none, none, none, people_usd(inputs["caching_hours"], inputs))

    def owned_share(self, inputs: Inputs) -> FloatArray:
        """Nothing is owned."""
        return nothing(inputs["caching_hours"])

    def latency_ms(self, case: Case, _inputs: Inputs) -> float | None:
        """As observed; a prompt that is read from a cache is answered sooner, by how much nobody measured."""
        return case.latency_ms

    def notes(self, _case: Case, _inputs: Inputs) -> tuple[str, ...]:
        """What the saving rests on."""
        return (f"up to {self._saved_share:.1%} of the bill, as prompts of {self._calls:,} recorded calls repeat",)


class KeepRentingBatched:
    """The same calls handed in as batches, which a provider answers within a day for less.

    `price_ratio`: what the task's tokens cost in a batch over what they cost now. That nobody is seen to wait proves
    nothing: somebody has to say that the answers may come later.
    """

    word: VerdictWord = "keep_renting"
    exposure = Exposure(tokens="model")
    needs: tuple[str, ...] = ("batching_hours", "migration_hours", "engineer_usd_per_year")

    def __init__(self, case: Case, price_ratio: float, waited: str) -> None:
        self.name = f"keep renting {case.rented}, in batches"
        self.sources: tuple[Source, ...] = case.sources
        self._price_ratio = price_ratio
        self._waited = waited

    def moving_hours(self, inputs: Inputs) -> FloatArray:
        """As of renting on."""
        return inputs["migration_hours"]

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """Tokens at the price of a batch."""
        tokens_usd = rent_usd(case, volume, inputs) * self._price_ratio
        none = nothing(tokens_usd)
        return Bill(tokens_usd, none, none, none)

    def one_off(self, inputs: Inputs) -> Bill:
        """Code that asks now and reads the answers later."""
        none = nothing(inputs["batching_hours"])
        return Bill(none, none, none, people_usd(inputs["batching_hours"], inputs))

    def owned_share(self, inputs: Inputs) -> FloatArray:
        """Nothing is owned."""
        return nothing(inputs["batching_hours"])

    def latency_ms(self, _case: Case, _inputs: Inputs) -> float | None:
        """Up to a day, which no measurement says."""
        return None

    def notes(self, _case: Case, _inputs: Inputs) -> tuple[str, ...]:
        """Who is seen to wait."""
        return ("answered within a day", self._waited)
