"""Money over time, against numpy-financial and against its own definitions."""

from __future__ import annotations

import numpy as np
import numpy_financial as npf  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.economics.bought import Machines, Ownership, People
from freehold.economics.cashflow import capital_recovery, cost_of_capital, monthly, npv, payback

rates = st.just(0.0) | st.floats(1e-6, 0.5)
amounts = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60).map(np.array)


@settings(max_examples=100, deadline=None)
@given(rate=rates, flows=amounts)
def test_present_value_is_that_of_numpy_financial(rate: float, flows: np.ndarray) -> None:
    assert float(npv(rate, flows)) == pytest.approx(npf.npv(rate, flows), rel=1e-9, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(rate=rates, periods=st.integers(1, 120), residual=st.floats(0, 1))
def test_the_level_payment_is_that_of_numpy_financial(rate: float, periods: int, residual: float) -> None:
    expected = -npf.pmt(rate, periods, 1)
    assert float(capital_recovery(rate, periods)) == pytest.approx(expected, rel=1e-7)
    sold = -npf.pmt(rate, periods, 1, -residual)
    assert float(cost_of_capital(1, residual, rate, periods)) == pytest.approx(sold, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("rate", [1e-12, 1e-9, 1e-6])
def test_a_tiny_rate_is_nearly_none_at_all(rate: float) -> None:
    assert float(capital_recovery(rate, 36)) == pytest.approx(1 / 36, rel=1e-4)


def test_a_months_rate_compounds_to_the_years() -> None:
    assert (1 + float(monthly(0.1))) ** 12 == pytest.approx(1.1)


def test_payback_within_a_month_in_proportion_and_never() -> None:
    assert payback(15, np.full(12, 10.0)) == pytest.approx(1.5)
    assert payback(1000, np.full(12, 10.0)) is None
    assert payback(0, np.full(12, -1.0)) is None
    assert payback(5, np.array([-5.0, 20.0, 0.0])) == pytest.approx(1.5)


def a_machine(**changed: float) -> Ownership:
    machines = Machines(gpus=2, usd_each=15_000, kw_each=0.4, usd_per_kwh=0.15, hours=730, pue=1.3)
    return Ownership(machines, bill_usd=3000.0, **changed)  # type: ignore[arg-type]


def test_buying_is_the_sum_of_its_parts() -> None:
    owned = Ownership(a_machine().machines, 3000.0, People(0.25, 200_000, 80), rate_per_year=0.1)
    power = 2 * 0.4 * 1.3 * 730 * 0.15
    saved = 3000 - power - 200_000 / 48
    once = 30_000 + 80 * 200_000 / 1760
    assert owned.saved_usd(3)[:, 0] == pytest.approx(np.full(3, saved))
    flows = np.array([-once, *np.full(24, saved)])
    assert float(owned.npv_usd(24)[0]) == pytest.approx(npf.npv(1.1 ** (1 / 12) - 1, flows))
    assert owned.payback_months() is None  # an engineer's quarter is more than what is saved


def test_each_missing_term_only_ever_makes_buying_worse() -> None:
    base = float(a_machine().npv_usd(36)[0])
    assert float(a_machine(decline=0.3).npv_usd(36)[0]) < base
    assert float(a_machine(rate_per_year=0.1).npv_usd(36)[0]) < base
    assert float(a_machine(growth=0.02).npv_usd(36)[0]) > base
    people = Ownership(a_machine().machines, 3000.0, People(0.25, 140_000))
    assert float(people.npv_usd(36)[0]) < base
    assert a_machine().payback_months() == pytest.approx(30_000 / (3000 - a_machine().machines.power_usd))


def test_scenarios_are_columns() -> None:
    many = a_machine(decline=np.array([0.0, 0.5]))  # type: ignore[arg-type]
    each = [float(a_machine(decline=d).npv_usd(12)[0]) for d in (0.0, 0.5)]
    assert many.npv_usd(12) == pytest.approx(np.array(each))


def test_people_come_by_sixteen_gpus() -> None:
    people = People(share=0.25, usd_per_year=200_000)
    one = 0.25 * 200_000 / 12
    assert [float(people.monthly_usd(n)) / one for n in (1, 16, 17, 33)] == [1, 1, 2, 3]
