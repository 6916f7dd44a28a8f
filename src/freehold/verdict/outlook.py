"""What pages draw beside a verdict: cost by volume, money over time, and the futures of a whole portfolio.

The same options, inputs and scenarios as the verdict's; nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from freehold.economics.arrays import FloatArray, Inputs, money_range
from freehold.economics.evaluation import DECISION_MONTHS, Evaluation
from freehold.economics.options import CostModel
from freehold.economics.quality import QualityFacts
from freehold.economics.workload import Workload
from freehold.market.tokens import PriceBook
from freehold.settings import EconomicsSettings
from freehold.vocabulary import ZERO, Option, Range, Verdict, VerdictWord

from .constraints import Constraints
from .decision import framed

_AROUND = 30.0
"""Multiples of today's volume that are looked at on either side, at least."""
_FARTHEST = 3000.0
_LINE_POINTS = 121
_BAND_POINTS = 31


class CurvePoint(NamedTuple):
    """A cost at a volume: a level payment a month over the decision's horizon, US dollars."""

    calls: float
    usd: float


class BandPoint(NamedTuple):
    """P10 and P90 of an amount of US dollars at a volume or a month."""

    at: float
    low: float
    mid: float
    high: float


class Curve(NamedTuple):
    """One option's cost by volume: with every input at its value, and from P10 to P90 of the scenarios.

    `crossings`: calls a month at which it begins or ceases to beat renting, as the verdict has them.
    """

    option: Option
    line: tuple[CurvePoint, ...]
    band: tuple[BandPoint, ...]
    crossings: tuple[float, ...]


class Cash(NamedTuple):
    """What an option has saved over renting by the end of each month, undiscounted, its beginning paid."""

    option: Option
    months: tuple[BandPoint, ...]


class Outlook(NamedTuple):
    """What is drawn for one task.

    `today_low` and `today_high` are P10 and P90 of the calls that a month will bring. `rent_usd` and `best_usd` are a
    month's bill as it is and with the chosen option, `gain_usd` the chosen option's net present value against renting,
    each by scenario; scenario i draws an input that several tasks share alike in all of them, so they may be added.
    """

    today: float
    today_low: float
    today_high: float
    curves: tuple[Curve, ...]
    cash: Cash | None
    rent_usd: FloatArray
    best_usd: FloatArray
    once_usd: FloatArray
    gain_usd: FloatArray


def outlook(
    verdict: Verdict,
    workload: Workload,
    quality: QualityFacts,
    constraints: Constraints,
    settings: EconomicsSettings,
    as_of: datetime,
    prices: PriceBook,
) -> Outlook | None:
    """What is drawn beside a verdict that was made from the same arguments; None where it compares nothing.

    Raises:
        ConfigurationError: as `decide`.
    """
    frame = framed(workload, quality, constraints, settings, as_of, prices)
    if not frame.comparable or frame.case.rent_usd is None:
        return None
    evaluation = frame.evaluation()
    models = {model.name: model for model in evaluation.options}
    shown = [(models[row.name], row) for row in contending(verdict)]
    best = next((models[row.name] for row in verdict.options if row.name == verdict.chosen), evaluation.options[0])
    ratio, calls = frame.inputs["volume_ratio"], frame.case.calls
    return Outlook(
        today=calls,
        today_low=calls * float(ratio.low),
        today_high=calls * float(ratio.high),
        curves=_curves(evaluation, shown),
        cash=_cash(evaluation, verdict, models),
        rent_usd=evaluation.monthly_usd(evaluation.options[0], evaluation.scenarios),
        best_usd=evaluation.monthly_usd(best, evaluation.scenarios),
        once_usd=best.one_off(evaluation.scenarios).usd,
        gain_usd=evaluation.npv_usd(best, evaluation.scenarios),
    )


def contending(verdict: Verdict) -> tuple[Option, ...]:
    """Today's bill, and of each other kind of answer the allowed option that is worth most; the chosen one always."""
    today = verdict.today
    found: dict[VerdictWord, Option] = {}
    for row in verdict.options:
        if row.word == "keep_renting" and row.name != verdict.chosen:
            continue
        before = found.get(row.word)
        better = before is None or _rank(row, verdict) > _rank(before, verdict)
        if row.allowed and better:
            found[row.word] = row
    return tuple(row for row in verdict.options if row is today or found.get(row.word) is row)


def _rank(row: Option, verdict: Verdict) -> tuple[bool, float]:
    worth = row.npv_usd.get(str(DECISION_MONTHS))
    return row.name == verdict.chosen, float(worth.mid) if worth is not None else 0.0


def _curves(evaluation: Evaluation, shown: Sequence[tuple[CostModel, Option]]) -> tuple[Curve, ...]:
    calls = evaluation.case.calls
    crossings = {row.name: _crossings(row) for _, row in shown}
    near = [at / calls for found in crossings.values() for at in found if 1 / _FARTHEST < at / calls < _FARTHEST]
    low, high = min([1 / _AROUND, *(at / 2 for at in near)]), max([_AROUND, *(at * 2 for at in near)])
    fine = np.geomspace(low, high, _LINE_POINTS)
    coarse = np.geomspace(low, high, _BAND_POINTS)
    return tuple(
        Curve(row, _line(evaluation, model, fine), _band(evaluation, model, coarse), crossings[row.name])
        for model, row in shown
    )


def _crossings(row: Option) -> tuple[float, ...]:
    ends = [end for one in row.crossover_ranges for end in (one.from_calls, one.to_calls)]
    return tuple(end for end in ends if end is not None)


def _line(evaluation: Evaluation, model: CostModel, volumes: FloatArray) -> tuple[CurvePoint, ...]:
    usd = evaluation.level_usd(model, evaluation.columns(len(volumes), {"volume": volumes}))
    return tuple(CurvePoint(float(v) * evaluation.case.calls, float(u)) for v, u in zip(volumes, usd, strict=True))


def _band(evaluation: Evaluation, model: CostModel, volumes: FloatArray) -> tuple[BandPoint, ...]:
    """Over the scenarios, except that the volume is what the axis says."""
    found: list[BandPoint] = []
    ones = np.ones_like(evaluation.scenarios["volume"])
    for volume in volumes:
        inputs: Inputs = {**evaluation.scenarios, "volume": ones * volume, "volume_ratio": ones}
        found.append(_point(float(volume) * evaluation.case.calls, evaluation.level_usd(model, inputs)))
    return tuple(found)


def _point(at: float, usd: FloatArray) -> BandPoint:
    return BandPoint(at, *(float(value) for value in np.percentile(usd, (10, 50, 90))))


def _cash(evaluation: Evaluation, verdict: Verdict, models: dict[str, CostModel]) -> Cash | None:
    """Of the chosen option, or, where the answer is to stay, of that which comes nearest to it."""
    rival = "" if verdict.risk is None else verdict.risk.against
    today = verdict.today
    by_name = {row.name: row for row in verdict.options if row is not today}
    leading = "" if verdict.risk is None else verdict.risk.leading
    row = by_name.get(verdict.chosen) or by_name.get(leading) or by_name.get(rival)
    if row is None:
        return None
    saved = evaluation.saved_usd(models[row.name], evaluation.scenarios)
    return Cash(row, tuple(_point(month, usd) for month, usd in enumerate(saved)))


class Totals(NamedTuple):
    """A portfolio's money: a month as it is and as the answers have it, what it takes once, what is gained in all.

    `chance` is the share of the scenarios in which following the answers gains, None where no answer is to switch.
    """

    now_usd: Range
    then_usd: Range
    saved_usd: Range
    once_usd: Range
    gain_usd: Range
    chance: float | None
    scenarios: int


def together(outlooks: Sequence[Outlook]) -> Totals:
    """The sums, scenario by scenario, so that the range is of the sum: what tasks share falls alike on all of them.

    It takes volumes of different tasks as moving together, which makes the range rather too wide than too narrow.
    """
    if not outlooks:
        none = Range(ZERO, ZERO, ZERO)
        return Totals(none, none, none, none, none, None, 0)
    now, then, once, gain = (
        np.sum([getattr(one, name) for one in outlooks], axis=0)
        for name in ("rent_usd", "best_usd", "once_usd", "gain_usd")
    )
    chance = float(np.mean(gain > 0)) if np.any(gain != 0) else None
    saved = money_range(now - then)
    return Totals(money_range(now), money_range(then), saved, money_range(once), money_range(gain), chance, len(now))
