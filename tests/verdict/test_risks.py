"""What the answer risks, in a verdict: consistent with the answer, with itself, and with who may be chosen."""

from __future__ import annotations

import re

import msgspec
import pytest
from tests.support.workloads import AS_OF, a_certificate, a_task, a_workload

from freehold.economics.quality import QualityFacts
from freehold.services import wording
from freehold.settings import EconomicsSettings
from freehold.verdict import Constraints, decide
from freehold.vocabulary import Verdict

CERTIFIED = QualityFacts(kind="classification", certificate=a_certificate(0.87))


def _verdict(times: float, quality: QualityFacts = CERTIFIED, data: str = "ordinary", **assume: float) -> Verdict:
    work = a_workload(volume_factor=times)
    constraints = msgspec.convert({"data_class": data}, Constraints)
    return decide(a_task(quality.kind), work, quality, constraints, EconomicsSettings(assume=assume), AS_OF)


@pytest.mark.parametrize("times", [1, 60, 1000])
def test_chances_losses_and_the_value_of_knowing_agree(times: float) -> None:
    verdict = _verdict(times)
    risk = verdict.risk
    assert risk is not None
    assert risk.known_usd is not None
    rows = [row for row in verdict.options if row.quality in {"reference", "certified"}]
    assert sum(row.probability_wins or 0 for row in rows) == pytest.approx(1)
    losses = [row.regret_usd.value for row in rows if row.regret_usd is not None]
    assert min(losses) == risk.known_usd.value
    for one in risk.learn:
        if one.chance_needed is None:
            assert one.worth_usd.low <= risk.known_usd.high


def test_a_clear_answer_leaves_nothing_to_wait_for_and_a_close_one_something_to_learn() -> None:
    clear, close = _verdict(3000).risk, _verdict(60).risk
    assert clear is not None
    assert close is not None
    assert clear.waiting_usd is not None
    assert clear.waiting_usd.high < 0
    assert clear.known_usd is not None
    assert close.known_usd is not None
    assert close.known_usd.value > clear.known_usd.value
    assert any(one.chance_needed is None for one in close.learn)
    shares = [one.total for one in close.influences]
    assert shares == sorted(shares, reverse=True)
    assert sum(one.first for one in close.influences) == pytest.approx(1, abs=0.35)


def test_the_tornado_holds_what_nobody_gave_and_nothing_else() -> None:
    free, told = _verdict(60).risk, _verdict(60, monthly_growth=0.01).risk
    assert free is not None
    assert told is not None
    assert {"monthly_growth"} == {bar.input for bar in free.tornado} - {bar.input for bar in told.tornado}
    widths = [abs(bar.at_high_usd - bar.at_low_usd) for bar in free.tornado]
    assert widths == sorted(widths, reverse=True)


def test_an_unmeasured_rival_is_worth_measuring_at_a_stated_chance() -> None:
    risk = _verdict(1000, QualityFacts(kind="free_text")).risk
    assert risk is not None
    assert risk.against_unmeasured
    assert risk.lead_usd < 0
    rehearsal = risk.learn[-1]
    assert rehearsal.what.startswith("measured quality of")
    assert rehearsal.chance_needed is not None
    assert 0 < rehearsal.chance_needed < 0.1


def test_what_restricted_data_removes_has_no_chance_and_waits_for_nothing() -> None:
    for row in _verdict(1000, data="restricted").options:
        assert (row.probability_wins is None) == (not row.allowed)
        assert row.waiting_usd is None


def test_ranges_of_volume_are_ordered_and_begin_at_the_crossover() -> None:
    for row in _verdict(1000).options:
        starts = [one.from_calls for one in row.crossover_ranges]
        assert starts == sorted(starts)
        assert (starts[0] if starts else None) == row.crossover_calls_per_month
        assert all(one.to_calls is not None and one.from_calls < one.to_calls for one in row.crossover_ranges[:-1])


@pytest.mark.parametrize("times", [1, 60, 3000])
def test_the_terminal_has_at_most_five_lines_of_it(times: float) -> None:
    risk = _verdict(times).risk
    assert risk is not None
    lines = wording.risk(risk)
    assert 3 <= len(lines) <= 5
    assert not any(re.search(r"\bNone\b|\bnan\b", line) for line in lines)
