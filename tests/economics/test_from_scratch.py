"""Training from scratch beside the other options: never cheaper than serving what others trained."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.workloads import AS_OF, a_task, a_workload

from freehold.economics.options import HostOpenWeights, TrainFromScratch
from freehold.economics.options.trained_from_scratch import PARAMS, TOKENS_PER_PARAMETER, cost, scratch_training
from freehold.economics.quality import QualityFacts
from freehold.market.models import open_weights
from freehold.market.tokens import PriceBook
from freehold.settings import EconomicsSettings
from freehold.verdict import Constraints
from freehold.verdict.decision import Frame, decide, framed

LLAMA = next(weights for weights in open_weights() if weights.name == "Llama-3.1-8B")


def _frame(kind: str = "classification", **assume: float) -> Frame:
    work, quality = a_workload(volume_factor=3000), QualityFacts(kind=kind)  # type: ignore[arg-type]
    return framed(work, quality, Constraints(), EconomicsSettings(assume=assume), AS_OF, PriceBook())


def test_its_one_off_is_that_of_training_and_its_month_that_of_the_weights() -> None:
    frame = _frame(scratch_training_usd=50_000)
    evaluation = frame.evaluation()
    (scratch,) = [one for one in evaluation.options if isinstance(one, TrainFromScratch)]
    host = next(one for one in evaluation.options if type(one) is HostOpenWeights and one.weights == scratch.weights)
    columns, month = evaluation.columns(), np.ones(1)
    assert scratch.one_off(columns).usd[0] - host.one_off(columns).usd[0] == pytest.approx(50_000)
    assert scratch.monthly(frame.case, month, columns).usd == host.monthly(frame.case, month, columns).usd
    npv = {one.name: evaluation.npv_usd(one, evaluation.scenarios) for one in (scratch, host)}
    assert np.all(npv[scratch.name] < npv[host.name])


def test_what_it_takes_is_what_the_trainings_price_says() -> None:
    """6ND: a billion parameters that see twenty tokens each."""
    assert cost().flops.parameters == pytest.approx(6 * PARAMS * PARAMS * TOKENS_PER_PARAMETER)
    stated = scratch_training()
    assert (stated.low, stated.value, stated.high) == (cost().usd.low, cost().usd.mid, cost().usd.high)
    assert stated.low < stated.value < stated.high


def test_it_may_not_win_while_nobody_has_trained_it_whatever_it_costs() -> None:
    settings = EconomicsSettings(assume={"scratch_training_usd": 0})
    verdict = decide(
        a_task("free_text"),
        a_workload(volume_factor=100_000),
        QualityFacts(kind="free_text"),
        Constraints(),
        settings,
        AS_OF,
    )
    assert verdict.word != "train_from_scratch"
    (row,) = [row for row in verdict.options if row.word == "train_from_scratch"]
    assert row.quality == "unknown"
    assert "nobody has trained it yet" in row.why_not
