"""Tune open weights on the task's own answers, host them, and escalate what they are not sure of."""

from __future__ import annotations

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.case import Case
from freehold.market.gpus import hardware
from freehold.market.models import Weights
from freehold.market.serving import served_model
from freehold.vocabulary import VerdictWord

from . import _tuning
from ._protocol import Bill, Exposure, no_hours, nothing, people_usd
from .keep_renting import rent_usd
from .open_weights_hosted import HostOpenWeights

_FLOP_PER_TOKEN = 4
"""For a parameter that stays frozen while adapters learn: forward 2, backward 2 (`economics.training`)."""


class FineTuneOwn(HostOpenWeights):
    """The fleet of the open weights, which sees every call; what it is not sure of is rented, and so are audits of it.

    Tuning is adapters (LoRA; Hu et al. 2021) on one replica's GPUs, by the hour: arithmetic at `tuning_mfu`, and the
    hours beside it. Nothing promises that tuning makes the weights good enough; whether it did is for a measurement to
    say.

    Args:
        weights: what is tuned.
        case: the task's calls.
        audit_share: share of its answers that is also rented, for the audit.
        restricted: nothing may be rented: what it is not sure of is refused.
    """

    word: VerdictWord = "fine_tune_own"
    exposure = Exposure(tokens="model", machines="month")
    needs: tuple[str, ...] = (
        *HostOpenWeights.needs,
        *_tuning.NEEDS,
        "tuned_coverage",
        "migration_hours",
        "tuning_mfu",
        "tuning_gpu_hours",
    )

    def __init__(self, weights: Weights, case: Case, *, audit_share: float, restricted: bool = False) -> None:
        super().__init__(weights)
        rest = "refuse" if restricted else "escalate"
        self.name = f"fine-tune {weights.name} on rented {weights.gpu} and {rest} the rest"
        self._case = case
        self._audit_share = audit_share
        self._restricted = restricted
        active, peak = 1e9 * served_model(weights.name).active_params, hardware(weights.gpu).peak_flops()
        self._hours_per_token = _FLOP_PER_TOKEN * active / peak / 3600

    def moving_hours(self, inputs: Inputs) -> FloatArray:
        """Tuned again on the answers of the next model, to which escalations move; none where nothing is rented."""
        return no_hours(inputs) if self._restricted else inputs["migration_hours"] + inputs["tuning_refresh_hours"]

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """The fleet, what is rented beside it, runs to tune it again, and the people for all of it."""
        fleet = super().monthly(case, volume, inputs)
        tokens_usd = rent_usd(case, volume, inputs) * self._rented_share(inputs)
        return Bill(
            fleet.tokens_usd + tokens_usd,
            fleet.hosting_usd + _tuning.runs_a_month(inputs) * self._run_usd(inputs),
            fleet.labels_usd,
            fleet.people_usd + _tuning.upkeep_usd(inputs),
        )

    def one_off(self, inputs: Inputs) -> Bill:
        """Setting the fleet up, tuning until a run is kept, and moving the prompts."""
        none = nothing(inputs["tuning_runs"])
        people = people_usd(inputs["hosting_setup_hours"], inputs) + _tuning.setup_usd(inputs)
        return Bill(none, inputs["tuning_runs"] * self._run_usd(inputs), none, people)

    def owned_share(self, inputs: Inputs) -> FloatArray:
        """What it answers itself."""
        return inputs["tuned_coverage"]

    def notes(self, case: Case, inputs: Inputs) -> tuple[str, ...]:
        """The fleet, and what becomes of the rest."""
        rented = float(self._rented_share(inputs)[0])
        rest = "the rest is refused" if self._restricted else f"{rented:.1%} of the calls are rented, audits included"
        return (*super().notes(case, inputs), rest)

    def _rented_share(self, inputs: Inputs) -> FloatArray:
        if self._restricted:
            return nothing(inputs["tuned_coverage"])
        return 1 - inputs["tuned_coverage"] * (1 - self._audit_share)

    def _run_usd(self, inputs: Inputs) -> FloatArray:
        """The GPUs of one run."""
        arithmetic = _tuning.trained_tokens(self._case, inputs) * self._hours_per_token / inputs["tuning_mfu"]
        return (arithmetic + inputs["tuning_gpu_hours"] * self.gpus) * inputs["gpu_usd_per_hour"]
