"""What the answer risks and hangs on: figures for each option's row, and for the decision as a whole.

Payoffs are net present values against renting over the decision's horizon, in the scenarios of the evaluation. The
tenth that a switch must save does not enter them: it decides, but nobody pays it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property

import msgspec
import numpy as np

from freehold.economics.arrays import FloatArray, Inputs, money, normal_quantiles
from freehold.economics.assumptions import from_scores
from freehold.economics.dependence import OFFER
from freehold.economics.evaluation import DECISION_MONTHS, Evaluation
from freehold.economics.information import (
    basis,
    estimate,
    regret,
    worth_of,
    worth_of_all,
    worth_of_waiting,
)
from freehold.economics.options import KeepRenting, OwnStudent
from freehold.economics.quality import QualityFacts
from freehold.economics.sensitivity import sobol
from freehold.vocabulary import Assumption, Bar, Influence, Learning, Option, Risk

from ._answers import WORTH_SWITCHING, Answers, open_inputs
from ._candidates import next_to_try, trial
from ._standing import Standing

WAITING_MONTHS = 6
SEEN_BY_THEN = ("volume_ratio", "monthly_growth", "burst_ratio", "price_decline_per_year", "gpu_usd_per_hour", OFFER)
"""What six months show, taken as if they showed it exactly: the most that waiting can teach."""

INFLUENCE_N = 256
_LONGER = frozenset({"volume_ratio", "monthly_growth", "burst_ratio"})


class Risks:
    """Payoffs of every option in every scenario, computed once, and what follows from them."""

    def __init__(self, answers: Answers, winner: Standing | None, quality: QualityFacts) -> None:
        self._answers = answers
        self._quality = quality
        self._winner = winner
        self.evaluation = evaluation = answers.evaluation
        options = [standing.option for standing in answers.standings]
        self._scenarios: Inputs = evaluation.scenarios
        self._now, self._later = evaluation.npvs_after_usd(options, self._scenarios, (0, WAITING_MONTHS))
        self._may = np.array([standing.choosable for standing in answers.standings])
        self._seen = basis([self._scenarios[name] for name in SEEN_BY_THEN])
        self._rentable = answers.standings[0].choosable

    def row(self, row: Option, at: int) -> Option:
        """The row of the option at that place, with its chance of winning, its regret and the value of waiting."""
        standing = self._answers.standings[at]
        if not standing.allowed or not self._may.any():
            return row
        waits = self._rentable and not isinstance(standing.option, KeepRenting)
        pair = [0, at]
        return msgspec.structs.replace(
            row,
            probability_wins=self._chance(at),
            regret_usd=regret(self._now[self._may], self._now[at]),
            waiting_usd=worth_of_waiting(self._now[pair], self._later[pair], self._seen) if waits else None,
        )

    @cached_property
    def _wins(self) -> FloatArray:
        """Which of the options that may be chosen wins, per scenario."""
        return self._answers.index(self._scenarios)

    def _chance(self, at: int) -> float:
        if self._answers.standings[at].choosable:
            place = int(self._may[:at].sum())
            return float(np.mean(self._wins == place))
        if self._answers.standings[at].quality == "measured" and not isinstance(
            self._answers.standings[at].option, OwnStudent
        ):
            return 0.0  # another model that is known not to be good enough
        wins = self._now[at] > self._now[self._may].max(axis=0)
        if self._rentable:
            wins &= self._now[at] > WORTH_SWITCHING * self._answers.evaluation.rent_usd(self._scenarios)
        return float(np.mean(wins))

    def decision(self, task: str) -> Risk | None:
        """The decision's own figures; None where there is nothing to choose between."""
        standings = self._answers.standings
        if self._winner is None:
            return None
        lead = standings.index(self._winner)
        others = [i for i, one in enumerate(standings) if one.choosable and i != lead]
        open_ones = [i for i, one in enumerate(standings) if one.allowed and not one.choosable]
        rivals = others or sorted(open_ones, key=lambda i: -float(self._now[i].mean()))[:1]
        if not rivals:
            return None
        margin = _Margin(self._answers, [lead, *rivals])
        may = self._now[self._may]
        choice = len(may) > 1
        return Risk(
            leading=self._winner.option.name,
            against=margin.against,
            against_unmeasured=not others,
            lead_usd=margin.value,
            horizon_months=DECISION_MONTHS,
            scenarios=self._now.shape[1],
            tornado=margin.tornado(),
            influences=margin.influences(),
            influence_n=INFLUENCE_N,
            known_usd=worth_of_all(may) if choice else None,
            waiting_usd=worth_of_waiting(may, self._later[self._may], self._seen)
            if choice and self._rentable
            else None,
            waiting_months=WAITING_MONTHS,
            learn=self._learn(margin.items, may, task) + self._rehearsals(open_ones, may, task),
        )

    def _learn(self, items: Sequence[Assumption], may: FloatArray, task: str) -> tuple[Learning, ...]:
        if len(may) < 2:
            return ()
        found = [
            Learning(item.name, worth_of(may, [self._scenarios[item.name]]), _how(item.name, task), self._cost(item))
            for item in items
        ]
        worth = [one for one in found if one.worth_usd.value > 0]
        return tuple(sorted(worth, key=lambda one: (-one.worth_usd.value, one.what)))

    def _cost(self, item: Assumption) -> Decimal | None:
        """What finding out costs in money; None where it takes asking, waiting, or minutes of CPU."""
        student = self._answers.standings[-1].option
        if item.name != "student_coverage" or not isinstance(student, OwnStudent):
            return None
        columns = self._answers.evaluation.columns()
        return money(float(student.labels(columns)[0] * columns["gold_label_usd"][0])) or None

    def _rehearsals(self, open_ones: Sequence[int], may: FloatArray, task: str) -> tuple[Learning, ...]:
        """What the best unmeasured option would gain if it were good, and how likely that must be to pay for it."""
        base = may[int(may.mean(axis=1).argmax())]
        standings = self._answers.standings
        unknown = sorted(open_ones, key=lambda i: -float(self._now[i].mean()))
        unknown = [i for i in unknown if standings[i].quality != "measured"]
        wanted = next_to_try([standings[i] for i in unknown], self._answers, self._quality)
        if wanted is None:
            return ()
        best = standings.index(wanted)
        found = trial(wanted, self._answers, self._quality)
        cost = found.usd
        gain = float((self._now[best] - base).mean())
        if gain <= cost:
            return ()
        name = self._answers.standings[best].option.name
        return (
            Learning(
                f"measured quality of: {name}",
                estimate(self._now[best] - base, least=0.0),
                f"freehold rehearse {task} {found.model}" if found.model else "compare its answers with today's",
                money(cost),
                round(cost / gain, 6),
            ),
        )


class _Margin:
    """The leading option's net present value less the best of some others: what the answer hangs on."""

    def __init__(self, answers: Answers, places: Sequence[int]) -> None:
        self._evaluation: Evaluation = answers.evaluation
        self._options = [answers.standings[place].option for place in places]
        self.items = open_inputs(self._evaluation, self._options)
        npvs = self._evaluation.npvs_usd(self._options, self._evaluation.columns())[:, 0]
        self.against = self._options[1 + int(npvs[1:].argmax())].name
        self.value = money(float(npvs[0] - npvs[1:].max()))

    def _usd(self, inputs: Inputs) -> FloatArray:
        npvs = self._evaluation.npvs_usd(self._options, inputs)
        return npvs[0] - npvs[1:].max(axis=0)

    def tornado(self) -> tuple[Bar, ...]:
        """The lead at either end of each input's range, widest first."""
        inputs = self._evaluation.columns(max(1, 2 * len(self.items)))
        for i, item in enumerate(self.items):
            inputs[item.name][2 * i : 2 * i + 2] = float(item.low), float(item.high)
        usd = self._usd(inputs)
        bars = [
            Bar(item.name, float(item.low), float(item.high), money(usd[2 * i]), money(usd[2 * i + 1]), item.unit)
            for i, item in enumerate(self.items)
        ]
        return tuple(sorted(bars, key=lambda bar: (-abs(bar.at_high_usd - bar.at_low_usd), bar.input)))

    def influences(self) -> tuple[Influence, ...]:
        """Sobol indices of the lead, largest total first."""

        def lead(z: FloatArray) -> FloatArray:
            changed = {item.name: from_scores(item, row) for item, row in zip(self.items, z, strict=True)}
            return self._usd(self._evaluation.columns(z.shape[1], changed))

        found = sobol(lead, len(self.items), INFLUENCE_N, 0, quantiles=_normal) if self.items else None
        if found is None:
            return ()
        rows = [
            Influence(item.name, *(round(float(value), 4) + 0.0 for value in values))  # and no minus zero
            for item, *values in zip(
                self.items, found.first, *found.first_interval, found.total, *found.total_interval, strict=True
            )
        ]
        return tuple(sorted(rows, key=lambda row: (-row.total, row.input)))


def _normal(uniform: FloatArray) -> FloatArray:
    return normal_quantiles(np.clip(uniform, 1e-9, 1 - 1e-9))


def _how(name: str, task: str) -> str:
    if name == "student_coverage":
        return f"freehold train {task}, then freehold certify {task}"
    if name in _LONGER:
        return "record for longer"
    return f"state {name} in [economics] of freehold.toml"
