"""Serve open weights on GPUs that are bought: capital as a level payment, electricity at the meter, a place, people."""

from __future__ import annotations

import numpy as np

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.bought import LIFE_MONTHS, Machines
from freehold.economics.case import Case
from freehold.economics.workload import MONTH_HOURS
from freehold.market.gpus import hardware
from freehold.market.models import Weights

from ._protocol import Bill, Exposure
from .open_weights_hosted import HostOpenWeights


class HostBought(HostOpenWeights):
    """The fleet of `HostOpenWeights` on machines of one's own, which stay when calls go.

    Capital is a level payment over three years at the discount rate, less the residual: what a lease at that rate would
    cost. Net present values over 12 and 24 months therefore take the machines to be used, or sold at their book value,
    afterwards. Rollouts are made on the spare. Not known here: taxes, repairs, delivery.
    """

    exposure = Exposure()
    needs: tuple[str, ...] = (
        *(name for name in HostOpenWeights.needs if name != "gpu_usd_per_hour"),
        "gpu_usd_each",
        "gpu_place_usd_per_month",
        "pue",
        "usd_per_kwh",
        "server_power_ratio",
        "residual_share",
        "discount_rate_per_year",
    )

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self.name = f"host {weights.name} on bought {weights.gpu}"
        self._kw = hardware(weights.gpu).watts / 1000

    def machines(self, case: Case, volume: FloatArray, inputs: Inputs) -> Machines:
        """The fleet: that of the first month, or more."""
        first = self.replicas(case, inputs["volume_ratio"] * inputs["volume"], inputs)
        return Machines(
            gpus=np.maximum(self.replicas(case, volume, inputs), first) * self.gpus,
            usd_each=inputs["gpu_usd_each"],
            kw_each=self._kw * inputs["server_power_ratio"],
            usd_per_kwh=inputs["usd_per_kwh"],
            hours=MONTH_HOURS,
            pue=inputs["pue"],
            residual=inputs["residual_share"],
            hosting_usd_per_gpu=inputs["gpu_place_usd_per_month"],
        )

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """Capital, electricity and place, and people in steps."""
        fleet = self.machines(case, volume, inputs)
        capital = fleet.level_usd(inputs["discount_rate_per_year"])
        gpus = np.asarray(fleet.gpus)
        return self.bill(gpus, capital + np.asarray(fleet.running_usd), inputs)

    def notes(self, case: Case, inputs: Inputs) -> tuple[str, ...]:
        """The fleet, and what is paid for it at once."""
        at_once = float(np.asarray(self.machines(case, inputs["volume"], inputs).capital_usd)[0])
        paid = (
            f"{at_once:,.0f} USD of machines, counted as a level payment over {LIFE_MONTHS} months, as a lease would be"
        )
        return (*super().notes(case, inputs), paid)
