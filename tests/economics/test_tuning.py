"""What tuning adds to renting and to hosting: training, people, and the calls that are still rented."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.workloads import AS_OF, a_workload

from freehold.economics import bought
from freehold.economics.arrays import Inputs
from freehold.economics.assumptions import assumptions, at_values
from freehold.economics.case import build_case
from freehold.economics.options import FineTuneHosted, FineTuneOwn, HostOpenWeights, KeepRenting
from freehold.economics.quality import QualityFacts
from freehold.market.models import open_weights
from freehold.market.tokens import PriceBook
from freehold.market.tuned import tuned_offers
from freehold.settings import EconomicsSettings

WORK = a_workload(volume_factor=1000)
CASE = build_case(WORK, PriceBook(), AS_OF)
OFFER = tuned_offers(PriceBook(), "openai", "gpt-4.1", WORK.usage, WORK.calls, AS_OF)[0]
LLAMA = next(weights for weights in open_weights() if weights.name == "Llama-3.1-8B")
ONE = np.array([1.0])


def inputs(**assume: float) -> Inputs:
    given = assumptions(WORK, QualityFacts(), EconomicsSettings(assume=assume), bought.inputs())
    columns = at_values(given)
    return {**columns, "volume": ONE, "rent_price_ratio": ONE, "offer_quantile": np.array([0.5])}


def test_a_tuned_model_at_the_provider_costs_its_own_tokens_and_what_tuning_it_takes() -> None:
    tuned, columns = FineTuneHosted(OFFER, CASE), inputs(tuning_refreshes_per_year=0)
    bill = tuned.monthly(CASE, ONE, columns)
    rent = KeepRenting(CASE).monthly(CASE, ONE, columns).tokens_usd[0]
    assert bill.tokens_usd[0] == pytest.approx(rent * float(OFFER.ratio))
    once = tuned.one_off(columns)
    per_call = CASE.prompt_tokens_per_call + CASE.output_tokens_per_call
    trained = 3 * 1000 * per_call * 3  # three runs on a thousand answers, three times each
    assert once.tokens_usd[0] == pytest.approx(trained * 3 / 1e6)
    assert once.people_usd[0] == pytest.approx(40 * 200_000 / 1760)


def test_shorter_prompts_lower_the_prompts_part_alone() -> None:
    tuned = FineTuneHosted(OFFER, CASE)
    full, half = (
        tuned.monthly(CASE, ONE, inputs(tuned_prompt_ratio=ratio, tuning_refreshes_per_year=0)).tokens_usd[0]
        for ratio in (1.0, 0.5)
    )
    assert half / full == pytest.approx(1 - float(OFFER.prompt_share) / 2)


def test_the_end_of_a_tuned_model_is_said() -> None:
    assert any(OFFER.ends in note for note in FineTuneHosted(OFFER, CASE).notes(CASE, inputs()))


def test_tuning_ones_own_is_the_fleet_and_the_calls_that_it_leaves() -> None:
    tuned = FineTuneOwn(LLAMA, CASE, audit_share=0.02)
    columns = inputs(tuned_coverage=0.9, tuning_refreshes_per_year=0)
    bill, fleet = tuned.monthly(CASE, ONE, columns), HostOpenWeights(LLAMA).monthly(CASE, ONE, columns)
    rent = KeepRenting(CASE).monthly(CASE, ONE, columns).tokens_usd[0]
    assert bill.hosting_usd[0] == fleet.hosting_usd[0]
    assert bill.people_usd[0] == fleet.people_usd[0]
    assert bill.tokens_usd[0] == pytest.approx(rent * (1 - 0.9 * 0.98))
    again = tuned.monthly(CASE, ONE, inputs(tuned_coverage=0.9, tuning_refreshes_per_year=4))
    assert again.hosting_usd[0] > bill.hosting_usd[0]
    assert again.people_usd[0] > bill.people_usd[0]


def test_a_restricted_task_rents_nothing_and_says_so() -> None:
    tuned = FineTuneOwn(LLAMA, CASE, audit_share=0.02, restricted=True)
    assert tuned.monthly(CASE, ONE, inputs()).tokens_usd[0] == 0
    assert "refuse" in tuned.name
    assert any("refused" in note for note in tuned.notes(CASE, inputs()))


def test_a_run_is_its_arithmetic_and_the_hours_beside_it() -> None:
    tuned = FineTuneOwn(LLAMA, CASE, audit_share=0.02)
    given = {"tuning_runs": 1.0, "tuning_mfu": 0.3, "tuning_epochs": 3.0, "tuning_examples": 1000.0}
    beside = tuned.one_off(inputs(**given, tuning_gpu_hours=2)).hosting_usd[0]
    alone = tuned.one_off(inputs(**given, tuning_gpu_hours=0)).hosting_usd[0]
    tokens = 3000 * (CASE.prompt_tokens_per_call + CASE.output_tokens_per_call)
    hours = 4 * 8.03e9 * tokens / (989e12 * 0.3) / 3600
    assert alone == pytest.approx(hours * 2.95, rel=0.01)
    assert beside - alone == pytest.approx(2 * 2.95)
