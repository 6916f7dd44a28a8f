"""Serve open weights on spot GPUs: cheap, and taken away without asking."""

from __future__ import annotations

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.case import MONTH_HOURS, Case
from freehold.market.models import Weights

from ._protocol import Bill, rounded_up
from .open_weights_hosted import HostOpenWeights


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
        """Replicas that carry the peak and what is made again, and the spares that interruptions ask for."""
        per_replica = inputs["replica_load"] / self.seconds_per_call(case, inputs)
        peak = case.peak_per_s(volume, inputs["burst_ratio"]) * (1 + inputs["spot_rerun_share"])
        working = rounded_up(peak / per_replica)
        return working + 1 + rounded_up(working * inputs["spot_spare_share"])

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """GPUs around the clock at the spot price, and people in steps."""
        gpus = self.replicas(case, volume, inputs) * self.gpus
        return self.bill(gpus, gpus * inputs["gpu_usd_per_hour"] * inputs["spot_price_ratio"] * MONTH_HOURS, inputs)

    def notes(self, case: Case, inputs: Inputs) -> tuple[str, ...]:
        """The fleet, and what interruptions add to it."""
        fleet, used = super().notes(case, inputs)
        return (fleet.replace("one of them spare", "spares for interruptions among them"), used)
