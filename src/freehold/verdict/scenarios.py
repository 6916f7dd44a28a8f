"""The verdict under named scenarios: what the answer would be, what it would save, and what today's answer would cost.

Each scenario changes what it names and nothing else, and the rule of the verdict judges again. Sizes come from
`freehold.market.price_process` where a history states them, and are round numbers otherwise: they are questions, not
forecasts, and carry no probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec
import numpy as np

from freehold.economics.arrays import FloatArray, Inputs, money, money_range
from freehold.economics.case import Case
from freehold.economics.evaluation import DECISION_MONTHS, Evaluation, Time
from freehold.economics.options import CostModel, RentSmaller, people_usd
from freehold.economics.price_columns import MONTHS
from freehold.economics.prices_over_time import RentedModel
from freehold.economics.quality import QualityFacts
from freehold.economics.workload import MONTH_DAYS, Workload
from freehold.market.price_process import price_facts
from freehold.market.tokens import PriceBook
from freehold.settings import EconomicsSettings
from freehold.vocabulary import ZERO, Assumption, Range, VerdictWord

from ._answers import Answers
from ._standing import Standing, stand
from .constraints import OF_TODAYS_PROVIDER, Constraints
from .decision import framed, judged, ruled


class Turn(NamedTuple):
    """From `month` on the rented model costs `ratio` times as much, and its users move to another.

    `optional`: they move only where it pays within the decision's horizon.
    """

    month: int
    ratio: float
    optional: bool = False


class Scenario(NamedTuple):
    """What is different from today.

    Factors: `rent` on prices of the provider, `volume` on calls, `peak` on the busiest minute, `gpu` on the rent of
    machines. `banned`: the provider may not be used.
    """

    name: str
    text: str
    rent: float = 1.0
    volume: float = 1.0
    peak: float = 1.0
    gpu: float = 1.0
    turn: Turn | None = None
    banned: bool = False


class ScenarioRow(msgspec.Struct, frozen=True):
    """The answer under one scenario.

    `word` is what the verdict would say, `leads` the option that is ahead at the inputs' values ("" where nothing may
    be chosen). `rent_monthly_usd`: the first month of renting on. `saving_usd`: net present value of what leads over
    renting on, over 24 months, P10, P50, P90. `regret_usd`: what staying with today's leader instead would cost over
    the same time, at the median; never less than 0; None where today's may not be chosen any more.
    """

    name: str
    text: str
    word: VerdictWord
    leads: str
    rent_monthly_usd: Decimal
    saving_usd: Range
    regret_usd: Decimal | None


def table(months_left: float | None = None) -> tuple[Scenario, ...]:
    """The scenarios, today's first.

    Args:
        months_left: until an announced shutdown of the rented model; the usual notice where none is known.
    """
    ends = price_facts().ends
    usual = ends.notice_days.mid / float(MONTH_DAYS)
    month = max(1, round(usual if months_left is None else months_left))
    known = "after the usual notice" if months_left is None else "as announced"
    successor, dearer = ends.successor_price.mid, ends.successor_price.high
    gone = f"the model is shut down in {month} months, {known}; its successor costs"
    return (
        Scenario("today", "nothing changes"),
        Scenario("price_halved", "the provider halves its prices", rent=0.5),
        Scenario("price_quartered", "the provider cuts its prices to a quarter", rent=0.25),
        Scenario("price_doubled", "the provider doubles its prices", rent=2.0),
        Scenario("price_tripled", "the provider triples its prices", rent=3.0),
        Scenario("deprecation", f"{gone} {successor:.2g} times as much", turn=Turn(month, successor)),
        Scenario("deprecation_dearer", f"{gone} {dearer:.2g} times as much", turn=Turn(month, dearer)),
        Scenario("demand_tenth", "a tenth of the calls come", volume=0.1),
        Scenario("demand_half", "half of the calls come", volume=0.5),
        Scenario("demand_x3", "three times the calls come", volume=3.0),
        Scenario("demand_x10", "ten times the calls come", volume=10.0),
        Scenario("viral_hour", "the busiest minute is ten times as busy, once; the month is not", peak=10.0),
        Scenario("gpu_dearer", "GPUs cost 40 % more, as from October 2025 to March 2026", gpu=1.4),
        Scenario("gpu_cheaper", "GPUs cost 30 % less", gpu=0.7),
        Scenario(
            "better_model",
            "in three months a model as good rents for a third, and is moved to where that pays",
            turn=Turn(3, 1 / 3, optional=True),
        ),
        Scenario(
            "provider_banned", "the provider may not be used; what a student escalates goes elsewhere", banned=True
        ),
    )


def under(
    scenarios: Sequence[Scenario],
    workload: Workload,
    quality: QualityFacts,
    constraints: Constraints,
    settings: EconomicsSettings,
    as_of: datetime,
    *,
    prices: PriceBook | None = None,
) -> tuple[ScenarioRow, ...]:
    """The verdict under each scenario, the first of which is today's; nothing where there is nothing to compare.

    Raises:
        ConfigurationError: as `decide`.
    """
    prices = prices or PriceBook()
    rows: list[ScenarioRow] = []
    todays = ""
    for scenario in scenarios:
        work = msgspec.structs.replace(
            workload,
            volume_factor=workload.volume_factor * scenario.volume,
            price_factor=workload.price_factor * scenario.rent,
        )
        frame = framed(work, quality, constraints, settings, as_of, prices)
        if not frame.comparable:
            return ()
        shifted = Shifted(
            _peaked(frame.case, scenario),
            frame.options,
            _inputs(frame.inputs, scenario),
            _turn(scenario),
            work.months_left,
        )
        standings = _standings(stand(frame.options, quality, ruled(shifted, constraints)), scenario)
        answers = Answers(shifted, standings, confident=constraints.confident)
        word, winner = judged(answers, work, quality)
        if not rows:
            todays = "" if winner is None else winner.option.name
        rows.append(_row(scenario, answers, word, winner, todays))
    return tuple(rows)


class Shifted(Evaluation):
    """An evaluation in which, from some month on, the rented model has another price and its users have moved.

    It concerns who calls that model: renting, and what a student escalates, whose student is retrained on the new one.
    """

    def __init__(
        self,
        case: Case,
        options: Sequence[CostModel],
        inputs: Mapping[str, Assumption],
        turn: Turn | None,
        months_left: float | None = None,
    ) -> None:
        # A scenario that says what becomes of the model has no other end of it within the horizon.
        rented = RentedModel(months_left) if turn is None else RentedModel(quiet_months=MONTHS)
        super().__init__(case, options, inputs, rented=rented)
        self._turn = turn

    def _paid(self, option: CostModel, inputs: Inputs, time: Time) -> FloatArray:
        before = super()._paid(option, inputs, time)
        months = len(before)
        turn = self._turn
        if turn is None or turn.month >= months or option.exposure.tokens != "model":
            return before
        ratio = inputs["rent_price_ratio"] * turn.ratio
        after = super()._paid(option, {**inputs, "rent_price_ratio": ratio}, time)
        paid = np.where(np.arange(months)[:, None] < turn.month, before, after)
        paid[turn.month] += people_usd(option.moving_hours(inputs), inputs)
        if not turn.optional:
            return paid
        # as decided once, by the horizon of the decision, whatever the months asked for
        worth = paid[:DECISION_MONTHS].sum(axis=0) < before[:DECISION_MONTHS].sum(axis=0)
        return np.where(worth, paid, before)


def _standings(standings: Sequence[Standing], scenario: Scenario) -> tuple[Standing, ...]:
    if not scenario.banned:
        return tuple(standings)
    why = "its provider may not be used in this scenario"
    return tuple(
        one._replace(allowed=False, why_not=why) if _of_todays_provider(one.option) else one for one in standings
    )


def _of_todays_provider(option: CostModel) -> bool:
    elsewhere = isinstance(option, RentSmaller) and bool(option.elsewhere)
    return isinstance(option, OF_TODAYS_PROVIDER) and not elsewhere


def _turn(scenario: Scenario) -> Turn | None:
    """A ban makes what is escalated move, too, at once and at no other price."""
    return Turn(0, 1.0) if scenario.banned else scenario.turn


def _peaked(case: Case, scenario: Scenario) -> Case:
    return msgspec.structs.replace(case, peak_ratio=scenario.peak)


def _inputs(inputs: dict[str, Assumption], scenario: Scenario) -> dict[str, Assumption]:
    item, by = inputs["gpu_usd_per_hour"], Decimal(repr(scenario.gpu))
    dearer = msgspec.structs.replace(item, value=item.value * by, low=item.low * by, high=item.high * by)
    return {**inputs, "gpu_usd_per_hour": dearer}


def _row(scenario: Scenario, answers: Answers, word: VerdictWord, winner: Standing | None, todays: str) -> ScenarioRow:
    evaluation, columns = answers.evaluation, answers.evaluation.scenarios
    renting = evaluation.options[0]
    saving, regret = Range(ZERO, ZERO, ZERO), None
    if winner is not None:
        best = evaluation.npv_usd(winner.option, columns)
        saving = money_range(best)
        mine = next((one.option for one in answers.choosable if one.option.name == todays), None)
        if mine is not None:
            regret = max(ZERO, money(float(np.median(best - evaluation.npv_usd(mine, columns)))))
    return ScenarioRow(
        name=scenario.name,
        text=scenario.text,
        word=word,
        leads="" if winner is None else winner.option.name,
        rent_monthly_usd=money(float(np.median(evaluation.monthly_usd(renting, columns)))),
        saving_usd=saving,
        regret_usd=regret,
    )
