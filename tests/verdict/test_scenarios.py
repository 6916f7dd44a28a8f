"""The answer under named scenarios, against the verdict on the world that each of them describes."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from tests.support.workloads import AS_OF, a_certificate, a_task, a_workload

from freehold.economics.quality import QualityFacts
from freehold.economics.workload import Workload
from freehold.market.tokens import PriceBook
from freehold.settings import EconomicsSettings, PriceSettings
from freehold.verdict import Constraints, decide
from freehold.verdict.scenarios import Scenario, ScenarioRow, Turn, table, under
from freehold.verdict.schema import scenarios_json
from freehold.vocabulary import Verdict

CERTIFIED = QualityFacts(kind="classification", certificate=a_certificate(0.87))
FREE = QualityFacts(kind="free_text")


def _work(times: float = 1.0) -> Workload:
    return msgspec.structs.replace(a_workload(2000, weight=5), volume_factor=times)


def _under(
    scenarios: tuple[Scenario, ...], times: float, quality: QualityFacts = CERTIFIED, data_class: str = "ordinary"
) -> dict[str, ScenarioRow]:
    constraints = msgspec.convert({"data_class": data_class}, Constraints)
    rows = under(scenarios, _work(times), quality, constraints, EconomicsSettings(), AS_OF)
    return {row.name: row for row in rows}


def _verdict(times: float, price: float = 1.0, quality: QualityFacts = CERTIFIED) -> Verdict:
    book = PriceBook({"openai/gpt-4.1": PriceSettings(Decimal(2) * Decimal(price), Decimal(8) * Decimal(price))})
    work = _work(times)
    days = tuple(msgspec.structs.replace(day, usd=day.usd * Decimal(price)) for day in work.days)
    work = msgspec.structs.replace(work, days=days)
    return decide(a_task(), work, quality, Constraints(), EconomicsSettings(), AS_OF, prices=book)


@pytest.mark.parametrize("times", [1, 60, 1000])
def test_a_scenario_says_what_the_verdict_says_in_that_world(times: float) -> None:
    rows = _under(table(), times)
    assert rows["today"].word == _verdict(times).word
    for name, factor in (("demand_tenth", 0.1), ("demand_x10", 10.0)):
        assert rows[name].word == _verdict(times * factor).word
    for name, factor in (("price_quartered", 0.25), ("price_doubled", 2.0)):
        assert rows[name].word == _verdict(times, factor).word
    assert rows["price_doubled"].rent_monthly_usd == pytest.approx(
        2 * rows["today"].rent_monthly_usd, rel=Decimal("0.001")
    )


def test_names_are_unique_and_today_regrets_nothing() -> None:
    scenarios = table()
    assert len({one.name for one in scenarios}) == len(scenarios)
    row = _under(scenarios[:1], 1000)["today"]
    assert row.regret_usd == 0
    assert row.saving_usd.low <= row.saving_usd.mid <= row.saving_usd.high
    assert row.saving_usd.mid > 0


def test_staying_with_renting_is_regretted_where_owning_would_have_paid() -> None:
    rows = _under(table(), 5)
    assert rows["today"].leads.startswith("keep renting")
    assert rows["today"].saving_usd.mid == 0
    for name in ("demand_half", "price_halved"):
        assert rows[name].regret_usd == 0
    large = _under((Scenario("today", ""), Scenario("x1000", "", volume=1000.0)), 5)["x1000"]
    assert large.leads.startswith("own a student")
    assert large.regret_usd == large.saving_usd.mid > 0


def test_a_dearer_successor_makes_owning_worth_more_and_a_cheaper_model_less() -> None:
    rows = _under(table(), 1000)
    saved = {name: row.saving_usd.mid for name, row in rows.items()}
    assert saved["better_model"] < saved["today"] < saved["deprecation"] < saved["deprecation_dearer"]
    assert rows["deprecation_dearer"].rent_monthly_usd == rows["today"].rent_monthly_usd  # not yet


def test_a_small_bill_does_not_pay_for_moving_to_a_cheaper_model_but_must_where_its_own_ends() -> None:
    """The student shows it: what it saves is counted against a renter who stays, or is made to move."""
    own = (Scenario("today", ""), Scenario("offer", "", turn=Turn(3, 1 / 3, optional=True)))
    forced = (*own, Scenario("end", "", turn=Turn(3, 1 / 3)))
    rows = _under(forced, 1)
    assert rows["offer"].saving_usd == rows["today"].saving_usd
    assert rows["offer"].word == rows["today"].word == "keep_renting"


def test_a_known_end_comes_when_it_was_announced() -> None:
    near = next(one for one in table(2.2) if one.name == "deprecation")
    assert near.turn is not None
    assert near.turn.month == 2
    assert "in 2 months, as announced" in near.text
    assert "usual notice" in next(one for one in table() if one.name == "deprecation").text


def test_a_viral_hour_and_gpu_prices_move_what_needs_machines_alone() -> None:
    rows = _under(table(), 1000)
    assert rows["viral_hour"].rent_monthly_usd == rows["today"].rent_monthly_usd
    assert rows["viral_hour"].saving_usd.mid < rows["today"].saving_usd.mid  # more cores
    assert rows["gpu_dearer"].saving_usd == rows["today"].saving_usd  # a student needs none


def test_a_banned_provider_leaves_what_is_owned_or_nothing() -> None:
    small = _under(table(), 1)
    assert small["today"].word == "keep_renting"
    assert small["provider_banned"].word == "own_student"
    assert small["provider_banned"].regret_usd is None
    nothing = _under(table(), 1, FREE)["provider_banned"]
    assert (nothing.word, nothing.leads) == ("not_enough_evidence", "")


def test_restricted_data_stays_owned_whatever_happens() -> None:
    rows = _under(table(), 1, data_class="restricted")
    assert {row.word for row in rows.values()} == {"own_student"}


def test_nothing_to_compare_has_no_scenarios() -> None:
    none = Workload(calls=0, days_observed=1.0, days=(), arrivals=(), latency_ms=None)
    assert under(table(), none, CERTIFIED, Constraints(), EconomicsSettings(), AS_OF) == ()


def test_as_json_amounts_are_numbers() -> None:
    row = scenarios_json(list(_under(table()[:1], 1000).values()))[0]
    assert isinstance(row["saving_usd"]["mid"], float)
    assert set(row) == set(ScenarioRow.__struct_fields__)
