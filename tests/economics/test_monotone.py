"""Relations that must hold for every option at any inputs, or the decision is wrong somewhere."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.workloads import AS_OF, a_certificate, a_workload

from freehold.economics.arrays import FloatArray
from freehold.economics.assumptions import assumptions
from freehold.economics.case import build_case
from freehold.economics.evaluation import Evaluation
from freehold.economics.options import (
    CostModel,
    FineTuneHosted,
    FineTuneOwn,
    HostOpenWeights,
    KeepRenting,
    OwnStudent,
    RentOpenWeights,
    RentSmaller,
)
from freehold.economics.quality import QualityFacts
from freehold.market import models
from freehold.market.tokens import PriceBook
from freehold.market.tuned import tuned_offers
from freehold.settings import EconomicsSettings
from freehold.vocabulary import Usage

WORK = a_workload(volume_factor=100)
CASE = build_case(WORK, PriceBook(), AS_OF)
STUDENT = OwnStudent(audit_share=0.02, gold=False, labels_missing=0)
OFFERS = [models.token_offer(weights, AS_OF) for weights in models.open_weights()]
SMALLER = [
    RentSmaller(one)
    for one in models.smaller_siblings(
        PriceBook(), "openai", "gpt-4.1", Usage(input_tokens=500, output_tokens=4), 1, AS_OF
    )
]
TUNED = [
    FineTuneHosted(one, CASE)
    for one in tuned_offers(PriceBook(), "openai", "gpt-4.1", Usage(input_tokens=500, output_tokens=4), 1, AS_OF)
]
OPEN = [RentOpenWeights(offer) for offer in OFFERS if offer is not None]
HOSTED = [HostOpenWeights(weights) for weights in models.open_weights() if weights.points]
TUNED_OWN = [FineTuneOwn(weights, CASE, audit_share=0.02) for weights in models.open_weights() if weights.points]
EVERY: list[CostModel] = [*TUNED_OWN, *SMALLER, *TUNED, *OPEN, *HOSTED, STUDENT]
FACTS = QualityFacts(kind="classification", certificate=a_certificate(0.87))
EVALUATION = Evaluation(CASE, [KeepRenting(CASE), *EVERY], assumptions(WORK, FACTS, EconomicsSettings()))

VOLUMES, TIMES, SHARES = st.floats(-2, 4), st.floats(1, 20), st.floats(0, 1)


def _npvs(options: Sequence[CostModel], log_volume: float, **two: Sequence[float]) -> FloatArray:
    """Net present values, option by scenario, in two scenarios that differ in the inputs given."""
    changed = {name: np.array(values, dtype=np.float64) for name, values in two.items()}
    volume = changed.pop("volume", np.ones(2))
    columns = EVALUATION.columns(2, {"volume": 10.0**log_volume * volume, **changed})
    return EVALUATION.npvs_usd(options, columns)


def _falls(npvs: FloatArray) -> None:
    assert np.all(npvs[:, 1] <= npvs[:, 0] + 1e-9 * (1 + np.abs(npvs[:, 0])))


def _rises(npvs: FloatArray) -> None:
    _falls(-npvs)


@given(VOLUMES, TIMES)
@settings(deadline=None, max_examples=40)
def test_dearer_tokens_never_help_renting(log_volume: float, dearer: float) -> None:
    for price in (1.0, 0.1):
        _rises(_npvs([*OPEN, *HOSTED, STUDENT], log_volume, rent_price_ratio=[price, price * dearer]))


@given(VOLUMES, TIMES)
@settings(deadline=None, max_examples=40)
def test_a_dearer_engineer_never_helps_anything_but_renting_on(log_volume: float, dearer: float) -> None:
    _falls(_npvs(EVERY, log_volume, engineer_usd_per_year=[100_000, 100_000 * dearer]))


@given(VOLUMES, TIMES)
@settings(deadline=None, max_examples=40)
def test_dearer_machines_never_help_owning(log_volume: float, dearer: float) -> None:
    _falls(_npvs(HOSTED, log_volume, gpu_usd_per_hour=[2.0, 2.0 * dearer]))
    _falls(_npvs([STUDENT], log_volume, cpu_usd_per_hour=[0.05, 0.05 * dearer]))


@given(
    VOLUMES,
    st.sampled_from(
        [
            "student_upkeep_hours_per_month",
            "student_setup_hours",
            "student_refreshes_per_year",
            "student_refresh_hours",
            "student_cpu_ms",
        ]
    ),
    TIMES,
)
@settings(deadline=None, max_examples=60)
def test_more_work_never_helps_a_student(log_volume: float, name: str, times: float) -> None:
    _falls(_npvs([STUDENT], log_volume, **{name: [2.0, 2.0 * times]}))


@given(VOLUMES, SHARES, SHARES)
@settings(deadline=None, max_examples=40)
def test_a_student_that_answers_more_is_never_worse(log_volume: float, one: float, other: float) -> None:
    _rises(_npvs([STUDENT], log_volume, student_coverage=sorted((one, other))))


@given(VOLUMES, SHARES, SHARES)
@settings(deadline=None, max_examples=40)
def test_faster_falling_prices_never_help_owning(log_volume: float, one: float, other: float) -> None:
    _falls(_npvs([*HOSTED, STUDENT], log_volume, price_decline_per_year=sorted((0.9 * one, 0.9 * other))))


@given(VOLUMES, st.floats(1, 3))
@settings(deadline=None, max_examples=40)
def test_longer_tokens_never_help_a_fleet_and_a_faster_replica_never_hurts_it(log_volume: float, times: float) -> None:
    _falls(_npvs(HOSTED, log_volume, token_ratio=[1.0, times]))
    _rises(_npvs(HOSTED, log_volume, throughput_ratio=[0.3, 0.3 * times]))


@given(VOLUMES, st.sampled_from([1.0, 0.5, 0.3]), st.sampled_from([1.0, 0.5, 0.3]))
@settings(deadline=None, max_examples=20)
def test_tighter_targets_never_help_a_fleet(log_volume: float, first: float, later: float) -> None:
    _falls(_npvs(HOSTED, log_volume, target_ttft_s=[2.0, 2.0 * first], target_tpot_s=[0.06, 0.06 * later]))


@given(VOLUMES, st.floats(1, 10))
@settings(deadline=None, max_examples=40)
def test_a_higher_peak_never_takes_a_smaller_fleet_and_leaves_its_month_alone(log_volume: float, peak: float) -> None:
    peaked = msgspec.structs.replace(CASE, peak_ratio=peak)
    volume, inputs = np.array([10.0**log_volume]), EVALUATION.columns()
    for host in HOSTED:
        assert host.replicas(peaked, volume, inputs)[0] >= host.replicas(CASE, volume, inputs)[0]
        assert host.utilisation(peaked, volume, inputs)[0] <= host.utilisation(CASE, volume, inputs)[0] + 1e-12


@given(VOLUMES, TIMES)
@settings(deadline=None, max_examples=40)
def test_more_volume_never_makes_renting_relatively_cheaper(log_volume: float, more: float) -> None:
    """At equal shape an option's month as a share of the rent only falls, but for one step of machines or people."""
    volume = 10.0**log_volume * np.array([1.0, more])
    columns = EVALUATION.columns(2, {"volume": volume})
    rent = EVALUATION.monthly_usd(EVALUATION.options[0], columns)
    for option in EVERY:
        usd = EVALUATION.monthly_usd(option, columns)
        step = 0.0
        if isinstance(option, HostOpenWeights):
            step = 8 * 2.95 * 30.44 * 24 + 0.25 * 200_000 / 12
        elif isinstance(option, OwnStudent):
            step = 0.05 * 30.44 * 24
        assert (usd[1] - step) / rent[1] <= usd[0] / rent[0] + 1e-9, option.name


@pytest.mark.parametrize("months", [12, 24, 36])
def test_waiting_no_time_is_deciding_now_and_waiting_to_the_end_pays_for_nothing(months: int) -> None:
    inputs = EVALUATION.scenarios
    now = EVALUATION.npvs_usd(EVERY, inputs, months)
    assert np.array_equal(now, EVALUATION.npvs_usd(EVERY, inputs, months, wait=0))
    last = EVALUATION.npvs_usd(EVERY, inputs, months, wait=months)
    once = np.stack([option.one_off(inputs).usd for option in EVERY])
    assert np.all(last <= 0)
    assert np.all(-last <= once + 1e-9)
