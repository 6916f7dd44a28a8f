"""Serve open weights on GPUs that are rented by the hour as the load asks for them, and given back."""

from __future__ import annotations

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.capacity.sizing import START_S
from freehold.economics.case import Case
from freehold.market.models import Weights

from ._protocol import Bill
from .open_weights_hosted import POLICY, HostOpenWeights


class HostAutoscaled(HostOpenWeights):
    """The fleet of `HostOpenWeights`, of which as many replicas run as the load of a start-up ago asks for.

    Replicas are started with as much headroom as the targets take, never fewer than one and the spare, never more than
    the fleet that always runs; people keep that one. Not promised: that a machine is to be had when it is asked for.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self.name = f"host {weights.name} on autoscaled {weights.gpu}"

    def running(self, case: Case, volume: FloatArray, inputs: Inputs) -> FloatArray:
        """Replicas on average, the spare among them."""
        return case.arrivals.running(self.working(case, volume, inputs)) + POLICY.spare

    def utilisation(self, case: Case, volume: FloatArray, inputs: Inputs) -> FloatArray:
        """Mean share used of what the running replicas could carry."""
        always = super().utilisation(case, volume, inputs) * self.replicas(case, volume, inputs)
        return always / self.running(case, volume, inputs)

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """The hours that GPUs run, and people for the whole fleet."""
        whole = self.replicas(case, volume, inputs) * self.gpus
        hours = self.hours(self.running(case, volume, inputs) * self.gpus)
        return self.bill(whole, hours * inputs["gpu_usd_per_hour"], inputs)

    def notes(self, case: Case, inputs: Inputs) -> tuple[str, ...]:
        """The fleet, and how much of it runs."""
        fleet, *others = super().notes(case, inputs)
        mean = float(self.running(case, inputs["volume"], inputs)[0])
        return (f"{fleet}; {mean:,.1f} run on average, {START_S / 60:.0f} minutes behind the load", *others)
