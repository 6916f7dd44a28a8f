"""Serve open weights on rented GPUs: a fleet sized for the calls' own peak, with a spare and people.

Capacity: time of a replica per request is a times prompt tokens plus b times output tokens, fitted to measured points
by non-negative least squares on relative error; the peak minute must fit into `replica_load` of it. Utilisation is
what comes out. Not known here: queueing inside the minute, shared fleets.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.bought import People
from freehold.economics.case import MONTH_HOURS, Case
from freehold.market.models import Weights
from freehold.vocabulary import Source, VerdictWord

from ._protocol import Bill, nothing, people_usd, rounded_up


class HostOpenWeights:
    """One open model on its own fleet, for this task alone."""

    word: VerdictWord = "host_open_weights"
    needs: tuple[str, ...] = (
        "gpu_usd_per_hour",
        "hosting_engineer_share",
        "hosting_setup_hours",
        "engineer_usd_per_year",
        "burst_ratio",
        "replica_load",
        "throughput_ratio",
        "token_ratio",
    )

    def __init__(self, weights: Weights) -> None:
        self.weights = weights.name
        self.name = self.answers_as = f"host {weights.name} on rented {weights.gpu}"
        self.sources: tuple[Source, ...] = (Source(weights.source, weights.date),)
        self.gpus = weights.gpus
        self._prompt_s, self._output_s = _fit(weights)

    def replicas(self, case: Case, volume: FloatArray, inputs: Inputs) -> FloatArray:
        """Replicas that carry the peak, and one spare."""
        per_replica = inputs["replica_load"] / self.seconds_per_call(case, inputs)
        return rounded_up(case.peak_per_s(volume, inputs["burst_ratio"]) / per_replica) + 1

    def utilisation(self, case: Case, volume: FloatArray, inputs: Inputs) -> FloatArray:
        """Mean share of the fleet's measured throughput that is used, spare included."""
        fleet = self.replicas(case, volume, inputs)
        return case.mean_per_s(volume) * self.seconds_per_call(case, inputs) / fleet

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """GPUs around the clock, and people in steps."""
        gpus = self.replicas(case, volume, inputs) * self.gpus
        return self.bill(gpus, gpus * inputs["gpu_usd_per_hour"] * MONTH_HOURS, inputs)

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
        """Unknown: measured points are for other loads."""
        return None

    def notes(self, case: Case, inputs: Inputs) -> tuple[str, ...]:
        """The fleet, and how much of it the calls use."""
        fleet = float(self.replicas(case, inputs["volume"], inputs)[0])
        used = float(self.utilisation(case, inputs["volume"], inputs)[0])
        return (f"{fleet:,.0f} replicas of {self.gpus} GPU, one of them spare", f"{used:.1%} of the fleet is used")

    def seconds_per_call(self, case: Case, inputs: Inputs) -> FloatArray:
        """Time of a replica that a call takes up."""
        fitted = case.prompt_tokens_per_call * self._prompt_s + case.output_tokens_per_call * self._output_s
        return max(fitted, 1e-9) * inputs["token_ratio"] / np.maximum(inputs["throughput_ratio"], 0.05)


def _fit(weights: Weights) -> tuple[float, float]:
    """Seconds of a replica per prompt token and per output token."""
    seconds = np.array([point.seconds_per_request for point in weights.points])
    tokens = np.array([[point.prompt_tokens, point.output_tokens] for point in weights.points], dtype=np.float64)
    solution, _ = nnls(tokens / seconds[:, None], np.ones(len(seconds)))
    return float(solution[0]), float(solution[1])
