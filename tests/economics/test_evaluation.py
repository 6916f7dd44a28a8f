"""Options in cash: cross-checked by plain arithmetic, monotone where they must be, the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.workloads import AS_OF, a_certificate, a_workload

from freehold.economics.assumptions import assumptions
from freehold.economics.case import Case, build_case
from freehold.economics.evaluation import HORIZONS, Evaluation
from freehold.economics.options import (
    CostModel,
    HostOpenWeights,
    KeepRenting,
    OwnStudent,
    RentOpenWeights,
    RentSmaller,
)
from freehold.economics.quality import QualityFacts
from freehold.market import models
from freehold.market.tokens import PriceBook
from freehold.settings import EconomicsSettings
from freehold.vocabulary import Usage

STUDENT = OwnStudent(audit_share=0.02, gold=False, labels_missing=0)
WORK = a_workload(volume_factor=1000)
CASE = build_case(WORK, PriceBook(), AS_OF)


def _evaluation(
    options: Sequence[CostModel] = (STUDENT,), case: Case = CASE, coverage: float = 0.87, **assume: float
) -> Evaluation:
    facts = QualityFacts(kind="classification", certificate=a_certificate(coverage))
    inputs = assumptions(WORK, facts, EconomicsSettings(assume=assume))
    return Evaluation(case, [KeepRenting(case), *options], inputs)


def _every_option() -> list[CostModel]:
    usage = Usage(input_tokens=500, output_tokens=4)
    siblings = models.smaller_siblings(PriceBook(), "openai", "gpt-4.1", usage, 1, AS_OF)
    offers = [models.token_offer(weights, AS_OF) for weights in models.open_weights()]
    return [
        *(RentSmaller(sibling) for sibling in siblings),
        *(RentOpenWeights(offer) for offer in offers if offer is not None),
        *(HostOpenWeights(weights) for weights in models.open_weights() if weights.points),
        STUDENT,
    ]


def test_renting_is_the_reference() -> None:
    row = _evaluation().row(KeepRenting(CASE))
    assert CASE.rent_usd is not None
    assert float(row.monthly_usd.mid) == pytest.approx(float(CASE.rent_usd))
    assert {float(value.mid) for value in row.npv_usd.values()} == {0.0}
    assert (row.months_to_pay_back, row.crossover_calls_per_month, row.quality) == (None, None, "reference")
    assert float(row.one_off_usd.high) == 0


def test_an_announced_end_of_another_model_is_moved_from_on_its_day() -> None:
    one = models.smaller_siblings(PriceBook(), "openai", "gpt-4.1", Usage(input_tokens=500, output_tokens=4), 1, AS_OF)
    stays, ends = (
        RentSmaller(msgspec.structs.replace(one[0], ends=day)) for day in ("", (AS_OF + timedelta(91)).isoformat()[:10])
    )
    evaluation = _evaluation([stays, ends])
    values = evaluation.columns()
    lost = np.diff(np.concatenate([evaluation.saved_usd(o, values) for o in (stays, ends)], axis=1))[:, 0]
    assert lost[:4] == pytest.approx(0)
    assert lost[4:] == pytest.approx(-16 * 200_000 / 1760)
    assert "shuts" in ends.notes(CASE, values)[0]
    assert stays.notes(CASE, values) == ()


def test_every_row_is_ordered_finite_and_repeats() -> None:
    options = _every_option()
    one, other = _evaluation(options), _evaluation(options)
    for option in options:
        row = one.row(option)
        assert row == other.row(option)
        for spread in (row.monthly_usd, row.one_off_usd, *row.npv_usd.values()):
            assert spread.low <= spread.mid <= spread.high
            assert spread.low.is_finite()
            assert spread.high.is_finite()
        assert set(row.npv_usd) == {str(months) for months in HORIZONS}
        assert float(sum(row.breakdown_usd.values())) == pytest.approx(float(row.monthly_usd.mid), abs=0.001)


def test_net_present_value_is_plain_arithmetic() -> None:
    evaluation = _evaluation(monthly_growth=0.02)
    inputs = evaluation.columns()
    rate, decline = 0.1, 0.13
    total = -float(STUDENT.one_off(inputs).usd[0])
    for month in range(24):
        volume = np.array([1.02**month])
        price = (1 - decline) ** (month / 12)
        rent = float(CASE.rent_usd or 0) * float(volume[0]) * price
        bill = STUDENT.monthly(CASE, volume, inputs)
        cost = bill.tokens_usd[0] * price + bill.hosting_usd[0] + bill.people_usd[0] + bill.labels_usd[0]
        total += (rent - cost) / (1 + rate) ** ((month + 1) / 12)
    assert float(evaluation.npv_usd(STUDENT, inputs)[0]) == pytest.approx(total)


def test_the_rent_of_two_years_is_discounted_grown_and_fallen() -> None:
    evaluation = _evaluation(monthly_growth=0.02)
    months = range(24)
    rent = sum(1.02**m * 0.87 ** (m / 12) / 1.1 ** ((m + 1) / 12) for m in months) * float(CASE.rent_usd or 0)
    assert float(evaluation.rent_usd(evaluation.columns())[0]) == pytest.approx(rent)


def test_payback_is_where_savings_reach_the_one_off() -> None:
    evaluation = _evaluation()
    inputs = evaluation.scenarios
    volume = inputs["volume_ratio"]
    saved = KeepRenting(CASE).monthly(CASE, volume, inputs).usd - STUDENT.monthly(CASE, volume, inputs).usd
    once = STUDENT.one_off(inputs).usd
    soon = once < saved  # within the first month, in which prices are today's
    assert soon.any()
    assert evaluation.paybacks(STUDENT)[soon] == pytest.approx((once / saved)[soon])
    row = evaluation.row(STUDENT)
    assert row.months_to_pay_back == pytest.approx(float(np.median(evaluation.paybacks(STUDENT))), abs=0.01)
    assert row.pays_back_share == 1.0


def test_an_option_that_never_saves_never_pays_back_and_never_crosses() -> None:
    evaluation = _evaluation(coverage=0.0)
    assert evaluation.row(STUDENT).months_to_pay_back is None
    assert evaluation.row(STUDENT).pays_back_share < 0.1  # where coverage and calls are drawn high
    assert evaluation.crossover(STUDENT) is None


def test_the_crossover_is_where_it_begins_to_win() -> None:
    evaluation = _evaluation()
    calls = evaluation.crossover(STUDENT)
    assert calls is not None
    for factor, wins in ((0.99, False), (1.01, True)):
        npv = evaluation.npv_usd(STUDENT, evaluation.columns(1, {"volume": calls / CASE.calls * factor}))
        assert (float(npv[0]) > 0) == wins


@given(st.floats(-2, 4), st.floats(0.05, 1), st.floats(1, 20))
@settings(deadline=None, max_examples=60)
def test_more_volume_never_makes_renting_relatively_better(log_volume: float, coverage: float, more: float) -> None:
    """Its bill as a share of the rent only falls with volume, but for the price of a core that begins."""
    evaluation = _evaluation(coverage=coverage)
    volume = np.array([10.0**log_volume, 10.0**log_volume * more])
    inputs = evaluation.columns(2, {"volume": volume})
    student = evaluation.monthly_usd(STUDENT, inputs)
    rent = evaluation.monthly_usd(KeepRenting(CASE), inputs)
    core_usd = 0.05 * 30.44 * 24
    assert (student[1] - core_usd) / rent[1] <= student[0] / rent[0] + 1e-9


@given(st.floats(-2, 4), st.floats(0, 1), st.floats(1, 50))
@settings(deadline=None, max_examples=60)
def test_a_higher_rent_never_makes_owning_worse(log_volume: float, coverage: float, dearer: float) -> None:
    evaluation = _evaluation(coverage=coverage)
    inputs = evaluation.columns(2, {"volume": 10.0**log_volume, "rent_price_ratio": np.array([1.0, dearer])})
    npv = evaluation.npv_usd(STUDENT, inputs)
    assert npv[1] >= npv[0] - 1e-9 * abs(npv[0])


def test_the_cascade_pays_for_escalations_audits_cores_and_people() -> None:
    evaluation = _evaluation(coverage=0.8)
    inputs = evaluation.columns()
    bill = STUDENT.monthly(CASE, np.ones(1), inputs)
    rent = float(CASE.rent_usd or 0)
    assert float(bill.tokens_usd[0]) == pytest.approx(rent * (0.2 + 0.8 * 0.02))
    assert float(bill.hosting_usd[0]) >= 2 * 0.05 * 30.44 * 24 - 1e-9
    assert float(bill.people_usd[0]) > 0
    useless = STUDENT.monthly(CASE, np.ones(1), _evaluation(coverage=0.0).columns())
    assert float(useless.usd[0]) > rent


def test_gold_costs_labels_and_restricted_rents_nothing() -> None:
    inputs = _evaluation().columns()
    gold = OwnStudent(audit_share=0.02, gold=True, labels_missing=None, labels_held=100)
    assert float(gold.labels(inputs)[0]) == 300
    assert float(gold.one_off(inputs).labels_usd[0]) == pytest.approx(300 * 0.5)
    assert float(gold.monthly(CASE, np.ones(1), inputs).labels_usd[0]) > 0
    restricted = OwnStudent(audit_share=0.02, gold=False, restricted=True)
    bill = restricted.monthly(CASE, np.ones(1), inputs)
    assert float(bill.tokens_usd[0]) == 0
    assert float(bill.labels_usd[0]) > 0


def test_people_come_in_half_days() -> None:
    hours = [0.5, 4.0, 4.1]
    costs = [
        float(STUDENT.monthly(CASE, np.ones(1), _evaluation(**_upkeep(value)).columns()).people_usd[0])
        for value in hours
    ]
    assert costs[0] == costs[1] == pytest.approx(4 * 200_000 / 1760)
    assert costs[2] == pytest.approx(2 * costs[1])


def _upkeep(hours: float) -> dict[str, float]:
    return {"student_upkeep_hours_per_month": hours, "student_refresh_hours": 0.0}


def _host(name: str) -> HostOpenWeights:
    return next(HostOpenWeights(weights) for weights in models.open_weights() if weights.name == name)


@given(st.floats(-3, 4), st.floats(1, 10))
@settings(deadline=None, max_examples=50)
def test_a_fleet_grows_with_volume_keeps_a_spare_and_is_never_full(log_volume: float, more: float) -> None:
    host, inputs = _host("Llama-3.1-8B"), _evaluation().columns(2)
    volume = np.array([10.0**log_volume, 10.0**log_volume * more])
    fleet = host.replicas(CASE, volume, inputs)
    assert fleet[0] >= 2
    assert fleet[1] >= fleet[0]
    used = host.utilisation(CASE, volume, inputs)
    assert np.all(used < 1)
    assert np.all(used >= 0)


def test_hosting_pays_for_idle_machines_and_a_share_of_an_engineer() -> None:
    host, inputs = _host("Llama-3.1-8B"), _evaluation().columns()
    bill = host.monthly(CASE, np.array([1e-6]), inputs)
    rollouts_hours = 4 * 0.5
    assert float(bill.hosting_usd[0]) == pytest.approx((2 * 30.44 * 24 + rollouts_hours) * 2.95)
    assert float(bill.people_usd[0]) == pytest.approx(0.25 * 200_000 / 12)


def test_open_weights_cost_more_where_sellers_ask_more() -> None:
    option = next(option for option in _every_option() if isinstance(option, RentOpenWeights))
    evaluation = _evaluation([option])
    inputs = evaluation.columns(3, {"offer_quantile": np.array([0.25, 0.5, 0.75])})
    tokens = option.monthly(CASE, np.ones(3), inputs).tokens_usd
    assert tokens[0] <= tokens[1] <= tokens[2]
    assert tokens[0] < tokens[2]
