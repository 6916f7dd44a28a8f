"""The worked example of a public chat trace, beside our own sizing."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from tests.support.workloads import AS_OF, START_US, a_call

from freehold.economics.assumptions import assumptions
from freehold.economics.case import build_case
from freehold.economics.evaluation import Evaluation
from freehold.economics.options import HostOpenWeights, KeepRenting, RentOpenWeights
from freehold.economics.quality import QualityFacts
from freehold.economics.workload import Workload, WorkloadBuilder
from freehold.market import models
from freehold.market.tokens import PriceBook
from freehold.settings import EconomicsSettings
from freehold.vocabulary import Usage

TRACE = Path(__file__).parents[3] / "shared" / "data" / "economics" / "trace_azure_2023_conv.csv.gz"

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not TRACE.is_file(), reason="../shared/data/economics is absent"),
]


def _chat_trace() -> Workload:
    builder = WorkloadBuilder()
    with gzip.open(TRACE, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            values = list(row.values())
            at_us = START_US + int(float(values[0]) * 1e6)
            builder.add(
                a_call(at_us, Usage(input_tokens=int(values[1]), output_tokens=int(values[2])), model="gpt-5-mini")
            )
    return builder.build()


def test_the_chat_trace_needs_two_or_three_gpus_and_the_same_weights_per_token_cost_less() -> None:
    """Published: 14.2 USD an hour on gpt-5-mini, two H100 with the spare and a quarter engineer 11.5 at 2.89 a GPU."""
    work = _chat_trace()
    case = build_case(work, PriceBook(), AS_OF)
    hours = 30.44 * 24
    assert case.rent_usd is not None
    assert float(case.rent_usd) / hours == pytest.approx(14.2, rel=0.02)
    small = next(weights for weights in models.open_weights() if weights.name == "Llama-3.1-8B")
    host = HostOpenWeights(small)
    offer = models.token_offer(small, AS_OF)
    assert offer is not None
    given = EconomicsSettings(gpu_usd_per_hour=2.89, engineer_usd_per_year=200_000, hosting_engineer_share=0.25)
    evaluation = Evaluation(case, [KeepRenting(case), host], assumptions(work, QualityFacts(), given))
    inputs = evaluation.columns()
    fleet = float(host.replicas(case, np.ones(1), inputs)[0])
    assert 2 <= fleet <= 3
    owned = host.monthly(case, np.ones(1), inputs)
    assert float(owned.people_usd[0]) / hours == pytest.approx(5.71, rel=0.01)
    assert float(owned.hosting_usd[0]) / hours == pytest.approx(2.89 * fleet, rel=0.01)  # rollouts are the rest
    per_token = RentOpenWeights(offer).monthly(case, np.ones(1), inputs)
    assert float(owned.usd[0]) > 3 * float(per_token.tokens_usd[0])
    assert 0.1 < float(host.utilisation(case, np.ones(1), inputs)[0]) < 0.4
