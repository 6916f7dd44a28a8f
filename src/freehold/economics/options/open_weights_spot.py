"""Serve open weights on spot GPUs: cheap, and taken away without asking."""

from __future__ import annotations

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.case import Case
from freehold.market.models import Weights

from ._protocol import Bill, rounded_up
from .open_weights_hosted import POLICY, HostOpenWeights


class HostSpot(HostOpenWeights):
    """A fleet with more spares, in which answers that were cut off are made again.

    Every replica has `spot_spare_share` of another one running, because a new one takes minutes to come, if it comes;
    `spot_rerun_share` of the work is done twice. Not promised: that machines are to be had at the price, or at all.
    """

    needs: tuple[str, ...] = (*HostOpenWeights.needs, "spot_price_ratio", "spot_spare_share", "spot_rerun_share")

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self.name = f"host {weights.name} on spot {weights.gpu}"

    def replicas(self, case: Case, volume: FloatArray, inputs: Inputs) -> FloatArray:
        """Replicas that hold the targets with what is made again, and the spares that interruptions ask for."""
        working = self.working(case, volume * (1 + inputs["spot_rerun_share"]), inputs)
        return working + POLICY.spare + rounded_up(working * inputs["spot_spare_share"])

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """GPUs around the clock at the spot price, and people in steps."""
        gpus = self.replicas(case, volume, inputs) * self.gpus
        return self.bill(gpus, self.hours(gpus) * inputs["gpu_usd_per_hour"] * inputs["spot_price_ratio"], inputs)

    def notes(self, case: Case, inputs: Inputs) -> tuple[str, ...]:
        """The fleet, and what interruptions add to it."""
        fleet, *others = super().notes(case, inputs)
        return (fleet.replace("one of them spare", "spares for interruptions among them"), *others)
