"""Paths of prices: what is drawn has the rates and sizes that are stated, and what is fitted is what was drawn."""

from __future__ import annotations

from datetime import date, timedelta
from math import exp, log

import numpy as np
import pytest

from freehold.economics.assumptions import at_values, defaults
from freehold.economics.price_fitting import Sighting, events, fit_jumps, fit_reversion, rate
from freehold.economics.prices_over_time import RentedModel, draw_paths, jump_sizes, months_until
from freehold.market.price_process import Ends, Jumps, PriceFacts, Rental, Stated, price_facts

FACTS = price_facts()
START = date(2024, 1, 1)
UNTIL = {"map": date(2026, 1, 1)}


def _sure(value: float) -> Stated:
    return Stated(value, value, value)


def _facts(cuts: float = 0.0, rises: float = 0.0, ends: float = 0.0, successor: float = 1.0) -> PriceFacts:
    return PriceFacts(
        cuts=Jumps(_sure(cuts), _sure(2.0), _sure(0.5), 50, 1000),
        rises=Jumps(_sure(rises), _sure(1.5), _sure(0.3), 10, 1000),
        ends=Ends(_sure(ends), _sure(180), _sure(successor), 100, 50, 20, 500),
        gpu=Rental(2.0, 12, 0.1, 0.5, 0.6, 4, ()),
        source="made up",
        date="2026-01-01",
    )


def test_the_facts_are_sourced_and_of_sense() -> None:
    assert FACTS.source
    assert date.fromisoformat(FACTS.date)
    for stated in (FACTS.cuts.per_year, FACTS.rises.per_year, FACTS.ends.per_year, FACTS.ends.successor_price):
        assert 0 < stated.low < stated.mid < stated.high
    assert FACTS.cuts.n / FACTS.cuts.model_years == pytest.approx(FACTS.cuts.per_year.mid, rel=0.01)
    assert FACTS.ends.n / FACTS.ends.model_years == pytest.approx(FACTS.ends.per_year.mid, rel=0.01)


@pytest.mark.parametrize("up", [False, True])
def test_jumps_come_at_the_stated_rate_and_size(up: bool) -> None:
    facts = _facts(rises=0.4) if up else _facts(cuts=0.4)
    months, n = 37, 4000
    steps = np.diff(np.log(draw_paths(months, n, facts=facts, exact=True).rented), axis=0)
    moved = steps[steps != 0]
    assert (moved > 0).all() if up else (moved < 0).all()
    # 4000 x 3 model-years at 0.4 are 4800 jumps, four standard deviations are 280; two in a month count once
    assert len(moved) == pytest.approx(0.4 * 3 * n, rel=0.08)
    assert float(np.median(np.abs(moved))) == pytest.approx(log(1.5 if up else 2.0), rel=0.05)


def test_a_known_shutdown_comes_when_it_was_announced_and_at_the_successors_price() -> None:
    left = months_until(date(2026, 7, 1), date(2026, 1, 1))
    paths = draw_paths(24, 50, facts=_facts(), model=RentedModel(left, successor_ratio=2.5), exact=True)
    assert (paths.rented[:6] == 1).all()
    assert paths.rented[6:] == pytest.approx(2.5)
    assert (paths.moves.sum(axis=0) == 1).all()
    usd = paths.moving_usd(at_values(defaults(), 50))
    assert usd.sum(axis=0) == pytest.approx(16 * 200_000 / 1760)
    assert months_until(date(2026, 1, 1), date(2026, 7, 1)) == 0


def test_what_nobody_announced_cannot_end_before_its_notice() -> None:
    paths = draw_paths(61, 3000, facts=_facts(ends=0.3, successor=2.0), exact=True)
    assert not paths.moves[:6].any()  # a notice of 180 days
    # five years, of which half a year of notice before each end: fewer than 0.3 x 5
    per_model = float(paths.moves.sum(axis=0).mean())
    assert 0.3 * 4.5 / 1.15 * 0.85 < per_model < 0.3 * 4.5
    doubled = np.exp2(paths.moves.cumsum(axis=0))
    assert paths.rented == pytest.approx(doubled)


def test_a_gpus_rent_falls_back_to_its_level_and_spreads_no_further_than_it_must() -> None:
    paths = draw_paths(121, 4000, facts=_facts(), gpu_now_usd=8.0, exact=True)
    usd = 8.0 * paths.gpu
    assert float(np.median(usd[12])) == pytest.approx(4.0, rel=0.03)  # half-way in logarithms: sqrt(8 x 2)
    assert float(np.median(usd[-1])) == pytest.approx(2.0, rel=0.03)
    keep = 0.5 ** (1 / 12)
    assert float(np.log(usd[-1]).std()) == pytest.approx(0.1 / (1 - keep**2) ** 0.5, rel=0.06)


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    first, again, other = (draw_paths(25, 200, seed=seed) for seed in (3, 3, 4))
    assert (first.rented == again.rented).all()
    assert (first.rented != other.rented).any()
    assert (first.rented[0] == 1).all()
    assert np.isfinite(first.rented).all()
    assert (first.rented > 0).all()


def test_not_knowing_a_rate_spreads_the_paths_beyond_chance() -> None:
    wide = PriceFacts(
        cuts=Jumps(Stated(0.0, 0.5, 3.0), _sure(2.0), _sure(0.5), 3, 6),
        rises=_facts().rises,
        ends=_facts().ends,
        gpu=_facts().gpu,
        source="",
        date="",
    )
    known, unknown = (np.log(draw_paths(25, 3000, facts=wide, exact=exact).rented[-1]).std() for exact in (True, False))
    assert unknown > 1.3 * known


def _history(per_year: float, median: float, spread: float, models: int = 600) -> list[Sighting]:
    """Two years of 600 models of 30 sellers whose prices are cut at a known rate, by factors of a known law."""
    rng = np.random.default_rng(7)
    jumps = Jumps(_sure(per_year), _sure(median), _sure(spread), 1, 1)
    found: list[Sighting] = []
    for i in range(models):
        usd = 4.0
        days = sorted(int(day) for day in rng.integers(31, 730, int(rng.poisson(per_year * 699 / 365.25))))
        for day in [0, *days]:
            usd *= exp(-float(jump_sizes(jumps, 1, rng)[0])) if day else 1
            found.append(Sighting("map", f"s{i % 30}", f"m{i}", START + timedelta(days=day), usd, 3 * usd))
    return found


def test_the_fit_finds_what_a_history_was_made_with() -> None:
    history = _history(0.3, 1.8, 0.4)
    found = events(history, UNTIL)
    assert not found.dropped
    fitted = fit_jumps(found, up=False)
    assert fitted.n > 250
    assert fitted.per_year.mid == pytest.approx(0.3, rel=0.12)  # two standard deviations of a count of 340
    assert fitted.per_year.low < fitted.per_year.mid < fitted.per_year.high
    assert fitted.factor.mid == pytest.approx(1.8, rel=0.06)
    assert fitted.spread.mid == pytest.approx(0.4, abs=0.06)
    with pytest.raises(ValueError, match="no such event"):
        fit_jumps(found, up=True)


def _series(*prices: tuple[int, float, float], seller: str = "s", model: str = "m") -> list[Sighting]:
    return [Sighting("map", seller, model, START + timedelta(days=day), i, o) for day, i, o in prices]


@pytest.mark.parametrize(
    ("series", "why"),
    [
        (_series((0, 0, 0), (100, 1, 2)), "no price before or after"),
        (_series((0, 5, 15), (12, 2.5, 10)), "first import"),
        (_series((0, 1, 3), (100, 1.00002, 2.99999)), "rounding"),
        (_series((0, 0.35, 1.05), (100, 3.5, 10.5)), "units"),
        (_series((0, 3.5, 10.5), (100, 3.5, 1.05)), "units"),
        (_series((0, 1, 2), (100, 0.5, 1), (150, 1, 2)), "undone"),
    ],
)
def test_what_is_no_price_event(series: list[Sighting], why: str) -> None:
    found = events(series, UNTIL)
    assert not found.events
    assert set(found.dropped) == {why}


def test_many_models_of_one_seller_on_one_day_are_an_import_and_others_are_events() -> None:
    moved = [one for i in range(10) for one in _series((0, 1, 2), (100, 1.25, 2.5), model=f"m{i}")]
    cut = _series((0, 4, 12), (100, 2, 6), seller="other", model="big")
    found = events(moved + cut, UNTIL)
    assert [(event.model, event.factor) for event in found.events] == [("big", 0.5)]
    assert found.dropped == {"import": 10}
    assert found.years["other", "big"] == pytest.approx((730 - 30) / 365.25, abs=0.01)


def test_a_return_to_a_level_is_found_again_from_its_points() -> None:
    rng = np.random.default_rng(1)
    keep = 0.5 ** (1 / 12)
    logs = [log(2.0)]
    for _ in range(4000):
        logs.append(log(3.0) + keep * (logs[-1] - log(3.0)) + 0.1 * float(rng.standard_normal()))
    days = [START + timedelta(days=round(30.44 * i)) for i in range(len(logs))]
    level, shock = fit_reversion(days[::5], [exp(x) for x in logs[::5]], 12)
    assert level == pytest.approx(3.0, rel=0.1)
    assert shock == pytest.approx(0.1, rel=0.05)
    with pytest.raises(ValueError, match="three"):
        fit_reversion(days[:2], [1.0, 2.0], 12)


def test_a_count_has_an_exact_interval() -> None:
    stated = rate(0, 10)
    assert (stated.low, stated.mid) == (0, 0)
    assert stated.high == pytest.approx(0.230, abs=0.001)  # -ln(0.1) / 10
