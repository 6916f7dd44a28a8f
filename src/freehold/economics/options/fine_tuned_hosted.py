"""Let the provider tune one of its models on the task's own answers, and go on renting that."""

from __future__ import annotations

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.case import Case
from freehold.market.tuned import TunedOffer
from freehold.vocabulary import Source, VerdictWord

from . import _tuning
from ._protocol import Bill, Exposure, nothing, people_usd, told_end
from .keep_renting import rent_usd


class FineTuneHosted:
    """The task's tokens at the tuned model's price, training by the token, people to tune it and to tune it again.

    It answers every call: nothing escalates. What it is worth is for a measurement to say, once it is tuned. It stays
    the provider's: it cannot be taken along, and it ends when its base does.
    """

    word: VerdictWord = "fine_tune_hosted"
    needs: tuple[str, ...] = (
        *_tuning.NEEDS,
        "tuning_usd_per_mtok",
        "tuned_prompt_ratio",
        "other_model_hours_per_month",
        "migration_hours",
    )

    def __init__(self, offer: TunedOffer, case: Case) -> None:
        self.name = f"fine-tune {offer.provider}/{offer.model} there"
        self.sources: tuple[Source, ...] = (offer.source,)
        self.exposure = Exposure(tokens="sibling", ends=offer.ends)
        self._offer = offer
        self._case = case

    def moving_hours(self, inputs: Inputs) -> FloatArray:
        """Its base ends: another is tuned, and its answers compared."""
        return inputs["migration_hours"] + inputs["tuning_setup_hours"]

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """Its tokens, training for the times that it is tuned again, people. Its price follows the present model's."""
        prompt, output = float(self._offer.prompt_share), 1 - float(self._offer.prompt_share)
        tokens = float(self._offer.ratio) * (prompt * inputs["tuned_prompt_ratio"] + output)
        tokens_usd = rent_usd(case, volume, inputs) * tokens + _tuning.runs_a_month(inputs) * self._run_usd(inputs)
        none = nothing(tokens_usd)
        people = people_usd(inputs["other_model_hours_per_month"], inputs) + _tuning.upkeep_usd(inputs)
        return Bill(tokens_usd, none, none, none + people)

    def one_off(self, inputs: Inputs) -> Bill:
        """Runs until one is kept, and the people who do it."""
        none = nothing(inputs["tuning_runs"])
        return Bill(inputs["tuning_runs"] * self._run_usd(inputs), none, none, _tuning.setup_usd(inputs))

    def owned_share(self, inputs: Inputs) -> FloatArray:
        """Nothing is owned."""
        return nothing(inputs["tuning_runs"])

    def latency_ms(self, _case: Case, _inputs: Inputs) -> float | None:
        """Unknown: nobody measured it here."""
        return None

    def notes(self, _case: Case, _inputs: Inputs) -> tuple[str, ...]:
        """Until when there is such a model."""
        return told_end(self._offer.provider, f"tuned {self._offer.model}", self.exposure)

    def _run_usd(self, inputs: Inputs) -> FloatArray:
        return _tuning.trained_tokens(self._case, inputs) * inputs["tuning_usd_per_mtok"] / 1e6
