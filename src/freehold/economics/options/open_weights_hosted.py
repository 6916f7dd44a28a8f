"""Serve open weights on rented GPUs: a fleet that is simulated from the task's own arrivals, with a spare and people.

The fleet is `capacity.sizing`: replicas that hold the targets (time to the first token, time per token) in 99 % of the
windows, as a function of volume; one spare; one more during rollouts. What tokens another model makes of the same text,
and how far the throughput is off, scale the volume that a fleet carries. Utilisation is what comes out. Not known here:
shared fleets, the time to the first token to better than a half.
"""

from __future__ import annotations

import numpy as np

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.bought import People
from freehold.economics.capacity import computed
from freehold.economics.capacity.fleet import Policy, Targets
from freehold.economics.capacity.replica import Replica, replica_for
from freehold.economics.capacity.sizing import Sizes, sizes
from freehold.economics.case import Case
from freehold.economics.workload import MONTH_HOURS
from freehold.market.gpus import hardware
from freehold.market.models import Weights
from freehold.market.serving import served_model
from freehold.vocabulary import Source, VerdictWord

from ._protocol import Bill, Exposure, OtherModel, no_hours, nothing, people_usd

POLICY = Policy()
"""How the fleets of a verdict are run."""


class HostOpenWeights(OtherModel):
    """One open model on its own fleet, for this task alone."""

    word: VerdictWord = "host_open_weights"
    exposure = Exposure(machines="month")
    needs: tuple[str, ...] = (
        "gpu_usd_per_hour",
        "hosting_engineer_share",
        "hosting_setup_hours",
        "engineer_usd_per_year",
        "throughput_ratio",
        "token_ratio",
        "target_ttft_s",
        "target_tpot_s",
    )

    def __init__(self, weights: Weights) -> None:
        self.weights = weights.name
        self.name = f"host {weights.name} on rented {weights.gpu}"
        self.replica = _replica(weights.name, weights.gpu, weights.gpus)
        self.sources: tuple[Source, ...] = (self.replica.source,)
        self.gpus = self.replica.gpus

    def replicas(self, case: Case, volume: FloatArray, inputs: Inputs) -> FloatArray:
        """Replicas that hold the targets, and the spare."""
        return self.working(case, volume, inputs) + POLICY.spare

    def working(self, case: Case, volume: FloatArray, inputs: Inputs) -> FloatArray:
        """Replicas that hold the targets, without spares."""
        load = volume * case.peak_ratio * self._work(inputs)
        first, later = inputs["target_ttft_s"], inputs["target_tpot_s"]
        if np.all(first == first[0]) and np.all(later == later[0]):
            return self.sizes(case, float(first[0]), float(later[0])).replicas(load)
        found = np.empty(np.broadcast_shapes(load.shape, first.shape))
        load = np.broadcast_to(load, found.shape)
        for pair in set(zip(first.tolist(), later.tolist(), strict=True)):
            at = (first == pair[0]) & (later == pair[1])
            found[..., at] = self.sizes(case, *pair).replicas(load[..., at])
        return found

    def sizes(self, case: Case, ttft_s: float, tpot_s: float) -> Sizes:
        """What fleets carry of the task at these targets."""
        return sizes(case.arrivals, self.replica, Targets(ttft_s=ttft_s, tpot_s=tpot_s))

    def utilisation(self, case: Case, volume: FloatArray, inputs: Inputs) -> FloatArray:
        """Mean share used of what the fleet could carry in a steady state at the same targets, spares included."""
        found = self.sizes(case, float(inputs["target_ttft_s"][0]), float(inputs["target_tpot_s"][0]))
        load = case.mean_per_s(volume) * self._work(inputs)
        return load / (self.replicas(case, volume, inputs) * found.full_per_s)

    def moving_hours(self, inputs: Inputs) -> FloatArray:
        """None: weights do not end."""
        return no_hours(inputs)

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """GPUs around the clock and one replica more during rollouts, and people in steps."""
        gpus = self.replicas(case, volume, inputs) * self.gpus
        return self.bill(gpus, self.hours(gpus) * inputs["gpu_usd_per_hour"], inputs)

    def hours(self, gpus: FloatArray) -> FloatArray:
        """GPU-hours that a month of so many GPUs takes, rollouts included."""
        return gpus * MONTH_HOURS + self.gpus * POLICY.surge * POLICY.rollouts * POLICY.rollout_hours

    def bill(self, gpus: FloatArray, hosting_usd: FloatArray, inputs: Inputs) -> Bill:
        """A month of so many GPUs that cost so much, with the people that they take."""
        people = People(inputs["hosting_engineer_share"], inputs["engineer_usd_per_year"])
        none = nothing(hosting_usd)
        return Bill(none, hosting_usd, none, np.asarray(people.monthly_usd(gpus)))

    def one_off(self, inputs: Inputs) -> Bill:
        """Setting the fleet up and moving the prompts."""
        none = nothing(inputs["token_ratio"])
        return Bill(none, none, none, people_usd(inputs["hosting_setup_hours"], inputs))

    def owned_share(self, inputs: Inputs) -> FloatArray:
        """All of it."""
        return np.ones_like(inputs["token_ratio"])

    def latency_ms(self, _case: Case, _inputs: Inputs) -> float | None:
        """Unknown: what a simulation says of the time to a first token is no measurement."""
        return None

    def notes(self, case: Case, inputs: Inputs) -> tuple[str, ...]:
        """The fleet, how much of it the calls use, and where both are from."""
        fleet = float(self.replicas(case, inputs["volume"], inputs)[0])
        used = float(self.utilisation(case, inputs["volume"], inputs)[0])
        found = self.sizes(case, float(inputs["target_ttft_s"][0]), float(inputs["target_tpot_s"][0]))
        targets = found.targets
        pace = f"first token within {targets.ttft_s:.2g} s, then one every {1000 * targets.tpot_s:.3g} ms"
        return (
            f"{fleet:,.0f} replicas of {self.gpus} GPU, one of them spare",
            f"{used:.1%} of the fleet is used",
            f"simulated from {case.arrivals.where}: {pace}, in 99 % of five-minute windows",
            f"throughput: {self.replica.how}, {self.replica.error:.0%} off in the mean",
            *((found.relaxed,) if found.relaxed else ()),
        )

    def _work(self, inputs: Inputs) -> FloatArray:
        """Work of the same calls over what the replica was taken to do."""
        return self.token_ratio(inputs) / np.maximum(inputs["throughput_ratio"], 0.05)


def _replica(model: str, gpu: str, gpus: int) -> Replica:
    """From measured points where the catalogue has some for that model on that GPU, else a roofline."""
    key = f"{model} on {gpus} {gpu}"
    if key not in computed.known.replicas:
        computed.known.replicas[key] = replica_for(served_model(model), hardware(gpu), gpus)
    return computed.known.replicas[key]
