"""Serve open weights on GPUs reserved for a year: cheaper by the hour, and paid whether they are used or not."""

from __future__ import annotations

import numpy as np

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.case import Case
from freehold.market.models import Weights

from ._protocol import Bill, Exposure
from .open_weights_hosted import HostOpenWeights


class HostReserved(HostOpenWeights):
    """The fleet of `HostOpenWeights` under a commitment: what is reserved stays when calls go, what comes is added.

    Not known here: the end of the year, when a smaller fleet could be reserved anew, and unused hours sold on.
    """

    exposure = Exposure(machines="year")
    needs: tuple[str, ...] = (*HostOpenWeights.needs, "reserved_price_ratio")

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self.name = f"host {weights.name} on {weights.gpu} reserved for a year"

    def kept(self, case: Case, volume: FloatArray, inputs: Inputs) -> FloatArray:
        """Replicas that are paid: those of the first month, or more."""
        first = self.replicas(case, inputs["volume_ratio"] * inputs["volume"], inputs)
        return np.maximum(self.replicas(case, volume, inputs), first)

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """GPUs around the clock at the price of a reservation, and people in steps."""
        gpus = self.kept(case, volume, inputs) * self.gpus
        usd_per_hour = inputs["gpu_usd_per_hour"] * inputs["reserved_price_ratio"]
        return self.bill(gpus, self.hours(gpus) * usd_per_hour, inputs)
