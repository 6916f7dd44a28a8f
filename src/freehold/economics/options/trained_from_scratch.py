"""Train a small model from nothing, and host it."""

from __future__ import annotations

from functools import cache

from freehold.economics.arrays import Inputs
from freehold.economics.case import Case
from freehold.economics.training import TrainingCost, TrainingPlan, inputs_of, training_cost
from freehold.market.gpus import hardware
from freehold.market.models import Weights, gpu
from freehold.vocabulary import Assumption, Source, VerdictWord

from ._protocol import Bill
from .open_weights_hosted import HostOpenWeights

PARAMS = 1e9
TOKENS_PER_PARAMETER = 20
_GPU = "H100-80GB"
_DATE = "2026-11-26"


class TrainFromScratch(HostOpenWeights):
    """The smallest model that deserves the name, trained once and served as open weights would be.

    A billion parameters that see twenty tokens each (Hoffmann and others, 2022): a lower bound, because models that are
    served much are trained longer. Its training is the whole bill of `economics.training`: arithmetic (6ND) at the
    share of the peak that runs reach, failed runs, evaluation, data, people. It is served as `weights` are, which are
    larger: a month is at most that. Not known here: whether there is so much text of the kind, what the model would
    answer, and what training it again would take.
    """

    word: VerdictWord = "train_from_scratch"
    needs: tuple[str, ...] = (*HostOpenWeights.needs, "scratch_training_usd")

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self.name = f"train a billion parameters from scratch and host them on rented {weights.gpu}"

    def one_off(self, inputs: Inputs) -> Bill:
        """Training until a model is kept, and setting the fleet up."""
        fleet = super().one_off(inputs)
        return fleet._replace(hosting_usd=fleet.hosting_usd + inputs["scratch_training_usd"])

    def notes(self, case: Case, inputs: Inputs) -> tuple[str, ...]:
        """The fleet, and what it stands for."""
        return (*super().notes(case, inputs), f"served as {self.weights}, which are larger: a month is at most this")


@cache
def cost() -> TrainingCost:
    """What training that model costs, over scenarios of its own inputs."""
    plan = TrainingPlan(params=PARAMS, tokens=PARAMS * TOKENS_PER_PARAMETER, gpu=hardware(_GPU))
    return training_cost(plan, inputs_of(plan, gpu(_GPU)))


def scratch_training() -> Assumption:
    """The same as an input of verdicts."""
    usd = cost().usd
    how = f"freehold cost train --params {PARAMS:.0e} --tokens {PARAMS * TOKENS_PER_PARAMETER:.0e}: P10, P50, P90"
    return Assumption("scratch_training_usd", usd.mid, usd.low, usd.high, "USD", Source(how, _DATE, assumed=True))
