"""Prices over time inside the scenarios: whose path an option lives with, what is announced, what goes together."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from scipy.stats import spearmanr
from tests.support.workloads import AS_OF, a_certificate, a_workload

from freehold.economics import bought, price_columns
from freehold.economics.assumptions import assumptions
from freehold.economics.case import build_case
from freehold.economics.cashflow import payback, paybacks
from freehold.economics.evaluation import SCENARIOS, Evaluation
from freehold.economics.options import (
    CostModel,
    HostBought,
    HostOpenWeights,
    HostReserved,
    KeepRenting,
    OwnStudent,
    RentOpenWeights,
    people_usd,
)
from freehold.economics.price_columns import GPU, MODEL, MODEL_ENDS, MONTHS, SIBLING
from freehold.economics.prices_over_time import RentedModel, draw_paths
from freehold.economics.quality import QualityFacts
from freehold.market import models
from freehold.market.price_process import price_facts
from freehold.market.tokens import PriceBook
from freehold.settings import EconomicsSettings

WORK = a_workload(volume_factor=1000)
CASE = build_case(WORK, PriceBook(), AS_OF)
RENT = KeepRenting(CASE)
STUDENT = OwnStudent(audit_share=0.02, gold=False, labels_missing=0)
LLAMA = next(weights for weights in models.open_weights() if weights.name == "Llama-3.1-8B")
_OFFER = models.token_offer(LLAMA, AS_OF)
assert _OFFER is not None
SELLERS = RentOpenWeights(_OFFER)


def _evaluation(*options: CostModel, rented: RentedModel | None = None) -> Evaluation:
    facts = QualityFacts(kind="classification", certificate=a_certificate(0.87))
    settings = EconomicsSettings(price_decline_per_year=0, assume={"monthly_growth": 0})
    return Evaluation(CASE, [RENT, *options], assumptions(WORK, facts, settings, bought.inputs()), rented=rented)


def test_paths_keep_their_distribution_and_only_meet_other_scenarios() -> None:
    found, plain = price_columns.drawn(SCENARIOS, 0, RentedModel()), draw_paths(MONTHS, SCENARIOS)
    for name, path in ((MODEL, plain.rented), (GPU, plain.gpu)):
        assert np.array_equal(np.sort(found[name][23]), np.sort(path[23]))
    assert found[MODEL_ENDS].sum() == plain.moves.sum()


def test_dear_tokens_meet_dear_machines_as_often_as_is_stated() -> None:
    found = price_columns.drawn(SCENARIOS, 0, RentedModel())
    means = {name: np.log(found[name][:24]).mean(axis=0) for name in (MODEL, SIBLING, GPU)}
    wanted = 6 / math.pi * math.asin(0.25)
    # Three quarters of the paths of a model's price are flat: equal ones cannot be told apart by rank.
    moved = np.abs(means[MODEL]) > 1e-9
    assert float(spearmanr(means[MODEL], means[GPU]).statistic) == pytest.approx(wanted, abs=0.15)
    assert float(spearmanr(means[MODEL][moved], means[GPU][moved]).statistic) > 0.4
    assert float(spearmanr(means[SIBLING], means[GPU]).statistic) > 0.3


def test_prices_rest_where_inputs_have_their_values_and_what_is_announced_happens() -> None:
    evaluation = _evaluation(STUDENT, rented=RentedModel(6.2))
    columns = evaluation.columns()
    assert set(np.unique(columns[GPU])) == {1.0}
    assert np.flatnonzero(columns[MODEL_ENDS][:, 0]).tolist() == [6]
    successor = price_facts().ends.successor_price.mid
    assert columns[MODEL][:, 0].tolist() == [1.0] * 6 + [successor] * (MONTHS - 6)
    assert np.all(evaluation.scenarios[MODEL_ENDS][:6] == 0)
    assert np.all(evaluation.scenarios[MODEL_ENDS][6] == 1)


def test_an_end_moves_who_calls_the_model_and_what_it_escalates_and_nobody_else() -> None:
    host = HostOpenWeights(LLAMA)
    calm, ended = (_evaluation(STUDENT, host, SELLERS, rented=RentedModel(left)) for left in (None, 6.0))
    columns = ended.columns()
    ratio = price_facts().ends.successor_price.mid
    worth = np.array([1.1 ** (-(m + 1) / 12) for m in range(24)])
    rent, hours = float(CASE.rent_usd or 0), columns["migration_hours"]
    more = rent * (ratio - 1) * worth[6:].sum() + float(people_usd(hours, columns)[0]) * worth[6]
    before, after = (float(one.rent_usd(one.columns())[0]) for one in (calm, ended))
    assert after - before == pytest.approx(more)
    for option in (host, SELLERS):
        saved = [float(one.npv_usd(option, one.columns())[0]) for one in (calm, ended)]
        assert saved[1] - saved[0] == pytest.approx(more)
    share = float(STUDENT.monthly(CASE, np.ones(1), columns).tokens_usd[0]) / rent
    mine = rent * share * (ratio - 1) * worth[6:].sum()
    mine += float(people_usd(hours + columns["student_refresh_hours"], columns)[0]) * worth[6]
    saved = [float(one.npv_usd(STUDENT, one.columns())[0]) for one in (calm, ended)]
    assert saved[1] - saved[0] == pytest.approx(more - mine)


def test_machines_follow_the_rent_of_gpus_by_their_terms() -> None:
    """Month by month on demand, once a year reserved, never once bought."""
    terms = [HostOpenWeights(LLAMA), HostReserved(LLAMA), HostBought(LLAMA)]
    evaluation = _evaluation(*terms)
    path = np.linspace(1.0, 2.0, MONTHS)[:, None]
    flat, rising = (evaluation.columns(1) | {GPU: gpu} for gpu in (np.ones((MONTHS, 1)), path))
    worth = np.array([1.1 ** (-(m + 1) / 12) for m in range(24)])
    for term, ratio in zip(terms, (path[:24, 0], path[np.arange(24) // 12 * 12, 0], np.ones(24)), strict=True):
        usd = float(term.monthly(CASE, np.ones(1), flat).hosting_usd[0])
        lost = float((evaluation.npv_usd(term, flat) - evaluation.npv_usd(term, rising))[0])
        assert lost == pytest.approx(usd * float(((ratio - 1) * worth).sum()), abs=1e-6)


def test_forced_moves_widen_what_owning_may_save() -> None:
    evaluation = _evaluation(STUDENT)
    still = evaluation.scenarios | price_columns.at_rest(SCENARIOS, RentedModel())
    wide, narrow = (np.percentile(evaluation.npv_usd(STUDENT, one), (10, 90)) for one in (evaluation.scenarios, still))
    assert wide[1] - wide[0] > narrow[1] - narrow[0]


def test_paying_back_in_columns_is_paying_back_one_by_one() -> None:
    rng = np.random.default_rng(0)
    saved, once = rng.normal(0.2, 1, (60, 200)), rng.uniform(0, 8, 200)
    once[:5] = 0
    found = paybacks(once, saved)
    for at in range(200):
        one = payback(float(once[at]), saved[:, at])
        assert found[at] == pytest.approx(np.inf if one is None else one)


def test_the_announced_end_of_a_workload_reaches_its_verdict() -> None:
    from tests.support.workloads import a_task

    from freehold.verdict import Constraints, decide

    facts = QualityFacts(kind="classification", certificate=a_certificate(0.87))
    verdicts = [
        decide(
            a_task(), msgspec.structs.replace(WORK, months_left=left), facts, Constraints(), EconomicsSettings(), AS_OF
        )
        for left in (None, 3.0)
    ]
    student = [next(one for one in verdict.options if one.word == "own_student") for verdict in verdicts]
    assert student[1].npv_usd["24"].mid > student[0].npv_usd["24"].mid
    assert any("how prices move" in source.name for source in verdicts[0].sources)
