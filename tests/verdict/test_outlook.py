"""What is drawn beside a verdict agrees with the verdict: crossings, payback, today's month, sums of tasks."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from tests.support.workloads import AS_OF, a_certificate, a_task, a_workload

from freehold.analytics.findings import Leaner
from freehold.economics.quality import QualityFacts
from freehold.market.tokens import PriceBook
from freehold.settings import EconomicsSettings
from freehold.verdict import Constraints, decide
from freehold.verdict.outlook import Outlook, contending, outlook, together
from freehold.vocabulary import Verdict

CERTIFIED = QualityFacts(kind="classification", certificate=a_certificate(0.87))
FREE = QualityFacts(kind="free_text")


def _made(times: float, quality: QualityFacts = CERTIFIED) -> tuple[Verdict, Outlook]:
    work = msgspec.structs.replace(a_workload(2000, weight=5), volume_factor=times)
    settings, book = EconomicsSettings(), PriceBook()
    verdict = decide(a_task(), work, quality, Constraints(), settings, AS_OF, prices=book)
    drawn = outlook(verdict, work, quality, Constraints(), settings, AS_OF, book)
    assert drawn is not None
    return verdict, drawn


@pytest.mark.parametrize("times", [1, 60, 1000])
def test_lines_cross_renting_where_the_verdict_says(times: float) -> None:
    verdict, drawn = _made(times)
    renting = next(curve for curve in drawn.curves if curve.option.word == "keep_renting")
    assert drawn.today == pytest.approx(verdict.calls_per_month)
    for curve in drawn.curves:
        inside = [at for at in curve.crossings if curve.line[0].calls < at < curve.line[-1].calls]
        cheaper = [mine.usd < rent.usd for mine, rent in zip(curve.line, renting.line, strict=True)]
        changes = [
            (curve.line[i].calls, curve.line[i + 1].calls)
            for i in range(len(cheaper) - 1)
            if cheaper[i] != cheaper[i + 1] and curve is not renting
        ]
        assert len(changes) == len(inside)
        for (low, high), at in zip(changes, inside, strict=True):
            assert low * 0.999 <= at <= high * 1.001


def test_money_over_time_crosses_zero_where_it_is_paid_back() -> None:
    verdict, drawn = _made(1000)
    assert verdict.word == "own_student"
    assert drawn.cash is not None
    assert drawn.cash.option.name == verdict.chosen
    months = drawn.cash.months
    assert [point.at for point in months] == list(range(25))
    assert months[0].mid < 0
    back = drawn.cash.option.months_to_pay_back
    assert back is not None
    crossed = next(point.at for point in months if point.mid > 0)
    assert crossed == pytest.approx(back, abs=2)
    assert all(point.low <= point.mid <= point.high for point in months)


def test_a_portfolio_is_the_sum_of_its_tasks_in_every_future() -> None:
    verdict, large = _made(1000)
    _, staying = _made(1, FREE)
    alone, both = together([large]), together([large, staying])
    rent = next(row for row in verdict.options if row.word == "keep_renting")
    chosen = next(row for row in verdict.options if row.name == verdict.chosen)
    assert alone.now_usd == rent.monthly_usd
    assert alone.then_usd == chosen.monthly_usd
    assert alone.gain_usd == chosen.npv_usd["24"]
    assert both.gain_usd == alone.gain_usd
    assert both.chance == alone.chance == pytest.approx(float(np.mean(large.gain_usd > 0)))
    assert together([staying]).chance is None
    assert both.now_usd.low > alone.now_usd.low


def test_the_chosen_option_contends_and_each_kind_once() -> None:
    verdict, _ = _made(1000)
    rows = contending(verdict)
    assert verdict.chosen in {row.name for row in rows}
    assert len({row.word for row in rows}) == len(rows)
    assert rows[0].word == "keep_renting"


def test_an_announced_end_counts_for_what_is_drawn_too() -> None:
    work = msgspec.structs.replace(a_workload(2000, weight=5), volume_factor=1000, months_left=3.0)
    given = (CERTIFIED, Constraints(), EconomicsSettings(), AS_OF)
    verdict = decide(a_task(), work, *given, prices=PriceBook())
    drawn = outlook(verdict, work, *given, PriceBook())
    chosen = next(row for row in verdict.options if row.name == verdict.chosen)
    assert drawn is not None
    assert together([drawn]).gain_usd == chosen.npv_usd["24"]


def test_the_same_model_for_less_is_drawn_beside_today_only_where_it_is_the_answer() -> None:
    work = msgspec.structs.replace(a_workload(), volume_factor=1000)
    seen = Leaner(calls=work.calls, known_runs=work.calls, eligible=work.calls, cache_usd=work.observed_usd / 2)
    able = msgspec.structs.replace(work, leaner=seen)
    verdicts = [
        decide(a_task(), able, quality, Constraints(), EconomicsSettings(), AS_OF) for quality in (FREE, CERTIFIED)
    ]
    stays, owns = ([row.name for row in contending(one)] for one in verdicts)
    today = verdicts[0].options[0].name
    assert verdicts[0].chosen == f"{today}, prompts cached"
    assert stays[:2] == [today, f"{today}, prompts cached"]
    assert owns[0] == today
    assert not any(name.startswith(f"{today},") for name in owns)
    drawn = outlook(verdicts[0], able, FREE, Constraints(), EconomicsSettings(), AS_OF, PriceBook())
    assert drawn is not None
    assert drawn.cash is not None
    assert drawn.cash.option.name == verdicts[0].chosen


def test_figures_name_the_inputs_they_depend_on() -> None:
    verdict, _ = _made(1000)
    known = {item.name for item in verdict.assumptions}
    for option in verdict.options:
        assert option.needs
        assert set(option.needs) <= known
