"""The same fleet on demand, reserved, on spot and bought: what each term adds, and what each one keeps paying for."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from tests.support.workloads import AS_OF, a_workload

from freehold.economics import bought
from freehold.economics.assumptions import assumptions, defaults
from freehold.economics.case import Case, build_case
from freehold.economics.cashflow import npv
from freehold.economics.evaluation import Evaluation
from freehold.economics.options import HostAutoscaled, HostBought, HostOpenWeights, HostReserved, HostSpot, KeepRenting
from freehold.economics.quality import QualityFacts
from freehold.economics.workload import MONTH_HOURS
from freehold.market.models import open_weights
from freehold.market.offers import catalogue
from freehold.market.tokens import PriceBook
from freehold.settings import EconomicsSettings

LLAMA = next(weights for weights in open_weights() if weights.name == "Llama-3.1-8B")
WORK = a_workload(volume_factor=300_000)
CASE: Case = build_case(WORK, PriceBook(), AS_OF)
TERMS = [HostOpenWeights(LLAMA), HostReserved(LLAMA), HostSpot(LLAMA), HostBought(LLAMA), HostAutoscaled(LLAMA)]


def _evaluation(**assume: float) -> Evaluation:
    given = assumptions(WORK, QualityFacts(), EconomicsSettings(assume=assume), bought.inputs())
    return Evaluation(CASE, [KeepRenting(CASE), *TERMS], given)


@pytest.mark.parametrize(
    ("name", "term", "pairs"), [("reserved_price_ratio", "12mo", 6), ("spot_price_ratio", "spot", 10)]
)
def test_ratios_of_price_are_those_of_the_catalogue(name: str, term: str, pairs: int) -> None:
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for offer in catalogue():
        found.setdefault((offer.cloud, offer.place, offer.gpu), {})[offer.term] = offer.usd
    ratios = [prices[term] / prices["on_demand"] for prices in found.values() if term in prices]
    stated = defaults()[name]
    assert len(ratios) == pairs
    for value, quantile in ((stated.low, 0), (stated.value, 0.5), (stated.high, 1)):
        assert float(value) == pytest.approx(np.quantile(ratios, quantile), abs=0.006)


def test_reserved_gpus_cost_their_ratio_and_stay_when_calls_go() -> None:
    columns = _evaluation(reserved_price_ratio=0.5).columns()
    demand, reserved = TERMS[0], TERMS[1]
    full = [one.monthly(CASE, np.array([1.0]), columns).hosting_usd[0] for one in (demand, reserved)]
    assert full[1] == pytest.approx(full[0] / 2)
    tenth = [one.monthly(CASE, np.array([0.1]), columns).hosting_usd[0] for one in (demand, reserved)]
    assert tenth[0] < full[0]
    assert tenth[1] == full[1]
    assert reserved.monthly(CASE, np.array([5.0]), columns).hosting_usd[0] > full[1]


def test_spot_gpus_take_more_of_them_the_more_is_interrupted() -> None:
    calm = _evaluation(spot_price_ratio=1, spot_spare_share=0, spot_rerun_share=0).columns()
    demand, spot = TERMS[0], TERMS[2]
    month = np.array([1.0])
    assert spot.monthly(CASE, month, calm).usd[0] == pytest.approx(demand.monthly(CASE, month, calm).usd[0])
    rough = _evaluation(spot_price_ratio=1, spot_spare_share=0.5, spot_rerun_share=0.3).columns()
    fleet, more = (spot.replicas(CASE, month, columns)[0] for columns in (calm, rough))
    assert more >= fleet + np.ceil((fleet - 1) * 0.5)


def test_bought_gpus_cost_their_capital_power_and_place() -> None:
    """The level payment, discounted over its life with the sale at the end, is the price paid at once."""
    evaluation = _evaluation(
        gpu_usd_each=30_000,
        gpu_place_usd_per_month=0,
        usd_per_kwh=0,
        residual_share=0.2,
        discount_rate_per_year=0.1,
        hosting_engineer_share=0,
    )
    columns, month = evaluation.columns(), np.array([1.0])
    option = HostBought(LLAMA)
    gpus = HostOpenWeights(LLAMA).replicas(CASE, month, columns)[0] * LLAMA.gpus
    level = option.monthly(CASE, month, columns).usd[0]
    flows = np.array([0.0, *[level] * 36])
    flows[-1] += 0.2 * 30_000 * gpus
    assert float(npv(1.1 ** (1 / 12) - 1, flows)) == pytest.approx(30_000 * gpus)

    with_power = _evaluation(
        gpu_usd_each=0, gpu_place_usd_per_month=100, usd_per_kwh=0.2, pue=1.5, server_power_ratio=2
    ).columns()
    paid = option.monthly(CASE, month, with_power).hosting_usd[0]
    assert paid == pytest.approx(gpus * (0.7 * 2 * 1.5 * MONTH_HOURS * 0.2 + 100))


def _days(windows: list[int]) -> Case:
    """Two weeks of days that look alike, of so many calls in the windows of each."""
    work = msgspec.structs.replace(a_workload(volume_factor=900), arrivals=tuple(windows * 14))
    return build_case(work, PriceBook(), AS_OF)


def test_a_fleet_that_follows_the_load_pays_for_what_runs() -> None:
    columns = _evaluation().columns()
    fixed, follows = HostOpenWeights(LLAMA), HostAutoscaled(LLAMA)
    nights = _days([20] * 72 + [600] * 72)
    whole = fixed.replicas(nights, np.array([1.0]), columns)[0]
    assert whole > 8
    mean = follows.running(nights, np.array([1.0]), columns)[0]
    assert whole / 2 < mean < 0.75 * whole
    ours, theirs = (one.monthly(nights, np.array([1.0]), columns) for one in (follows, fixed))
    rollouts = fixed.hours(np.zeros(1))[0] * columns["gpu_usd_per_hour"][0]
    assert (ours.hosting_usd[0] - rollouts) / (theirs.hosting_usd[0] - rollouts) == pytest.approx(mean / whole)
    assert ours.people_usd[0] == theirs.people_usd[0]
    used = [one.utilisation(nights, np.array([1.0]), columns)[0] for one in (follows, fixed)]
    assert used[0] * mean == pytest.approx(used[1] * whole)
    even = _days([300] * 144)
    assert follows.running(even, np.array([1.0]), columns) == fixed.replicas(even, np.array([1.0]), columns)


def test_a_fleet_that_follows_the_load_never_shrinks_with_volume() -> None:
    columns = _evaluation().columns()
    volumes = np.geomspace(0.01, 100, 60)[:, None]
    follows, fixed = HostAutoscaled(LLAMA), HostOpenWeights(LLAMA)
    nights = _days([20] * 72 + [600] * 72)
    running = follows.running(nights, volumes, columns)[:, 0]
    assert np.all(np.diff(running) >= 0)
    assert np.all(running <= fixed.replicas(nights, volumes, columns)[:, 0] + 1e-9)
    assert np.all(running >= 2)


def test_people_are_the_same_step_function_on_every_term() -> None:
    columns = _evaluation(spot_spare_share=0, spot_rerun_share=0).columns()
    people = {float(one.monthly(CASE, np.array([1.0]), columns).people_usd[0]) for one in TERMS}
    assert len(people) == 1
    steps = people.pop() / (200_000 * 0.25 / 12)
    assert steps == pytest.approx(round(steps))


def test_every_term_has_every_input_that_it_names() -> None:
    evaluation = _evaluation()
    for option in TERMS:
        assert set(option.needs) <= set(evaluation.assumptions)
        row = evaluation.row(option)
        assert row.monthly_usd.low < row.monthly_usd.mid < row.monthly_usd.high
