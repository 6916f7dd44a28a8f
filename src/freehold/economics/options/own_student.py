"""Own a student that answers what it is sure of; the rest escalates to the rented model. The cascade's whole bill."""

from __future__ import annotations

import numpy as np

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.case import Case
from freehold.economics.workload import MONTH_HOURS
from freehold.vocabulary import Source, VerdictWord

from ._protocol import Bill, Exposure, half_days, latency_of_mix, no_hours, nothing, people_usd, rounded_up
from .keep_renting import rent_usd

_CORE_LOAD = 0.5
_SPARE_CORES = 1


class OwnStudent:
    """A small model on CPU cores, with escalation, audits, labels, upkeep, retraining and a spare core.

    Args:
        audit_share: share of its answers that is also rented, for the audit.
        gold: labels come from people (a certificate against gold); otherwise from the rented model's own answers, which
            the log and the escalations hold already.
        labels_missing: None where the number is an assumption, else how many labels the certificate still asks for.
        labels_held: people's labels at hand.
        restricted: nothing may be rented: what the student is not sure of is refused, audits are made on gold.
    """

    word: VerdictWord = "own_student"
    exposure = Exposure(tokens="model")
    name = "own a student on CPU and escalate the rest"

    def __init__(
        self,
        *,
        audit_share: float,
        gold: bool,
        labels_missing: int | None = None,
        labels_held: int = 0,
        restricted: bool = False,
    ) -> None:
        self._audit_share = audit_share
        self._gold = gold or restricted
        self._labels_missing = labels_missing
        self._labels_held = labels_held
        self._restricted = restricted
        self.sources: tuple[Source, ...] = ()
        if restricted:
            self.name = "own a student on CPU and refuse the rest"

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the assumptions that its bills depend on."""
        always = (
            "student_coverage",
            "student_setup_hours",
            "migration_hours",
            "student_upkeep_hours_per_month",
            "student_refreshes_per_year",
            "student_refresh_hours",
            "student_cpu_ms",
            "cpu_usd_per_hour",
            "engineer_usd_per_year",
            "burst_ratio",
        )
        labels = ("gold_label_usd", "gold_labels_per_refresh") if self._gold else ()
        return always + labels + (("labels_to_certify",) if self._gold and self._labels_missing is None else ())

    def moving_hours(self, inputs: Inputs) -> FloatArray:
        """Retrained on the next model's answers, to which escalations move; none where nothing is rented."""
        return no_hours(inputs) if self._restricted else inputs["migration_hours"] + inputs["student_refresh_hours"]

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """Escalations and audits at the rented price, cores, labels for retraining, people in half days."""
        tokens_usd = rent_usd(case, volume, inputs) * self._rented_share(inputs)
        hosting_usd = self._cores(case, volume, inputs) * inputs["cpu_usd_per_hour"] * MONTH_HOURS
        refreshes = inputs["student_refreshes_per_year"] / 12
        hours = half_days(inputs["student_upkeep_hours_per_month"] + refreshes * inputs["student_refresh_hours"])
        none = nothing(tokens_usd)
        labels_usd = none
        if self._gold:
            labels_usd = none + refreshes * inputs["gold_labels_per_refresh"] * inputs["gold_label_usd"]
        return Bill(tokens_usd, hosting_usd, labels_usd, none + people_usd(hours, inputs))

    def one_off(self, inputs: Inputs) -> Bill:
        """An engineer to train, review and roll it out, and the labels that the certificate still needs."""
        none = nothing(inputs["student_coverage"])
        people = people_usd(inputs["student_setup_hours"], inputs)
        return Bill(none, none, none + self.labels(inputs) * inputs["gold_label_usd"], people)

    def labels(self, inputs: Inputs) -> FloatArray:
        """Labels that people still have to give before it can be certified."""
        if not self._gold:
            return nothing(inputs["student_coverage"])
        if self._labels_missing is not None:
            return np.full_like(inputs["student_coverage"], self._labels_missing)
        return np.maximum(inputs["labels_to_certify"] - self._labels_held, 0)

    def owned_share(self, inputs: Inputs) -> FloatArray:
        """What it answers itself."""
        return inputs["student_coverage"]

    def latency_ms(self, case: Case, inputs: Inputs) -> float | None:
        """Mean over owned and escalated calls."""
        share, owned_ms = float(inputs["student_coverage"][0]), float(inputs["student_cpu_ms"][0])
        return owned_ms if self._restricted else latency_of_mix(share, owned_ms, case.latency_ms)

    def notes(self, case: Case, inputs: Inputs) -> tuple[str, ...]:
        """Cores, and what becomes of the rest."""
        cores = float(self._cores(case, inputs["volume"], inputs)[0])
        rented = float(self._rented_share(inputs)[0])
        rest = "the rest is refused" if self._restricted else f"{rented:.1%} of the calls are rented, audits included"
        return (f"{cores:,.0f} cores, one of them spare", rest)

    def _cores(self, case: Case, volume: FloatArray, inputs: Inputs) -> FloatArray:
        """Every call is tried on the student, whoever answers it in the end."""
        busy = case.peak_per_s(volume, inputs["burst_ratio"]) * inputs["student_cpu_ms"] / 1000
        return rounded_up(busy / _CORE_LOAD) + _SPARE_CORES

    def _rented_share(self, inputs: Inputs) -> FloatArray:
        if self._restricted:
            return nothing(inputs["student_coverage"])
        coverage = inputs["student_coverage"]
        return 1 - coverage * (1 - self._audit_share)
