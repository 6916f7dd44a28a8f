"""Which option wins, for many scenarios at once, and where that changes.

Rule: the choosable option with the highest net present value over the decision's horizon, and only if it saves at least
a tenth of the rent's present value; else keep renting. Where renting is not allowed, the cheapest choosable option.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.evaluation import ALWAYS_NEEDED, VOLUME_GRID, Evaluation
from freehold.economics.options import CostModel
from freehold.vocabulary import OWNED_WORDS, Assumption, Flip, VerdictWord

from ._standing import Standing

WORTH_SWITCHING = 0.1
"""Share of the rent that a switch must save: below it, its risk and attention are not paid for."""

CONFIDENT = 0.8
"""Share of the scenarios that must give the answer, else it is withheld, where nobody stated an appetite for risk."""

_MOST_TURNED_BY_PRICES = 0.5
"""Share of the scenarios, moving prices among them, that may answer otherwise before the answer is withheld."""

_REFINED = 64
_REFINEMENTS = 3

_PRICE_GRID: FloatArray = np.logspace(-2, 2, 161)
_SHARE_GRID: FloatArray = np.linspace(0, 1, 201)
_HOURS_GRID: FloatArray = np.linspace(0, 160, 321)


class Swing(NamedTuple):
    """An assumed input inside whose range the answer changes, alone or with others: towards `value` it becomes `to`."""

    input: str
    value: float
    to: VerdictWord


def open_inputs(evaluation: Evaluation, options: Iterable[CostModel]) -> list[Assumption]:
    """Inputs that nobody gave and that some options depend on, by name."""
    needed = needed_by(options)
    return [
        item
        for name, item in sorted(evaluation.assumptions.items())
        if name in needed and item.source.assumed and item.low != item.high
    ]


def needed_by(options: Iterable[CostModel]) -> set[str]:
    """The names of the inputs that some options depend on."""
    return {name for option in options for name in option.needs} | set(ALWAYS_NEEDED)


class Answers:
    """The rule of this module over one evaluation and the standings of its options."""

    def __init__(self, evaluation: Evaluation, standings: Sequence[Standing], *, confident: float = CONFIDENT) -> None:
        self.evaluation = evaluation
        self.confident = confident
        self.standings = tuple(standings)
        self.choosable = tuple(standing for standing in standings if standing.choosable)

    def index(self, inputs: Inputs) -> FloatArray:
        """Index into `choosable` of the winner, per scenario; all -1 where nothing may be chosen."""
        n = len(inputs["volume"])
        if not self.choosable:
            return np.full(n, -1)
        npvs = self.evaluation.npvs_usd([standing.option for standing in self.choosable], inputs)
        best = np.argmax(npvs, axis=0)
        if not self.standings[0].choosable:
            return best
        worth = npvs[best, np.arange(n)] > WORTH_SWITCHING * self.evaluation.rent_usd(inputs)
        return np.where(worth, best, 0)

    def words(self, inputs: Inputs) -> list[VerdictWord]:
        """The winner's word, per scenario."""
        if not self.choosable:
            return ["not_enough_evidence"] * len(inputs["volume"])
        return [self.choosable[int(i)].option.word for i in self.index(inputs)]

    def winner(self) -> Standing | None:
        """Who wins when every input has its value; None where nothing may be chosen."""
        at = int(self.index(self.evaluation.columns())[0])
        return None if at < 0 else self.choosable[at]

    def swings(self) -> tuple[Swing, ...]:
        """Assumed inputs inside whose stated range the answer changes, one at a time, the others at their values.

        Where no input alone changes it but all together do, in more of the scenarios than `confident` leaves: the
        inputs that weigh most in that.
        """
        base = self.words(self.evaluation.columns())[0]
        items = open_inputs(self.evaluation, [standing.option for standing in self.choosable])
        probes = [(item.name, float(edge)) for item in items for edge in (item.low, item.high)]
        inputs = self.evaluation.columns(max(1, len(probes)))
        for column, (name, edge) in enumerate(probes):
            inputs[name][column] = edge
        words = self.words(inputs)
        alone = tuple(Swing(*probe, word) for probe, word in zip(probes, words, strict=False) if word != base)
        return alone or self._together(base, items)

    def _together(self, base: VerdictWord, items: Sequence[Assumption]) -> tuple[Swing, ...]:
        """The three inputs whose ranks separate the scenarios that answer otherwise, where those are too many.

        Prices stay as they are in these: how they will move nobody can state and no waiting settles, so that it is a
        risk of the answer and no lack of evidence, unless it turns the answer in more than half of the scenarios.
        """
        for scenarios, most in (
            (self.evaluation.at_todays_prices(), 1 - self.confident),
            (self.evaluation.scenarios, _MOST_TURNED_BY_PRICES),
        ):
            words = self.words(scenarios)
            others: Counter[VerdictWord] = Counter(word for word in words if word != base)
            if others.total() > most * len(words):
                break
        else:
            return ()
        to = max(others, key=lambda word: (others[word], word))
        otherwise = np.array([word != base for word in words])
        leaning: list[tuple[float, Assumption]] = []
        for item in items:
            ranks = np.argsort(np.argsort(self.evaluation.scenarios[item.name])) / len(otherwise)
            leaning.append((float(ranks[otherwise].mean() - ranks[~otherwise].mean()), item))
        leaning.sort(key=lambda pair: (-abs(pair[0]), pair[1].name))
        return tuple(Swing(item.name, float(item.high if lean > 0 else item.low), to) for lean, item in leaning[:3])

    def probability_owning_wins(self) -> float:
        """Share of scenarios in which the winner is owned: a student, or weights on machines of one's own hire."""
        words = self.words(self.evaluation.scenarios)
        return sum(word in OWNED_WORDS for word in words) / len(words)

    def flips(self) -> tuple[Flip, ...]:
        """What would change the answer, and how far away that is: volume both ways, price, upkeep, quality."""
        calls = self.evaluation.case.calls
        both = [
            self._flip("volume", VOLUME_GRID, 1.0, "calls a month", times=calls, upwards=upwards)
            for upwards in (True, False)
        ]
        found = [flip for flip in both if flip.at is not None] or both[:1]
        found.append(self._flip("rent_price_ratio", _PRICE_GRID, 1.0, "times today's price"))
        if any(standing.option.word == "own_student" for standing in self.choosable):
            values = self.evaluation.assumptions
            for name, grid in (("student_upkeep_hours_per_month", _HOURS_GRID), ("student_coverage", _SHARE_GRID)):
                found.append(self._flip(name, grid, float(values[name].value), values[name].unit))
        return tuple(found)

    def _flip(
        self,
        name: str,
        grid: FloatArray,
        now: float,
        unit: str,
        *,
        times: float = 1.0,
        upwards: bool | None = None,
    ) -> Flip:
        """The nearest value of an input at which the answer differs from today's, upwards, downwards or either way."""
        base = self.words(self.evaluation.columns(1, {name: now}))[0]
        words = self.words(self.evaluation.columns(len(grid), {name: grid}))
        off = [
            float(value)
            for value, word in zip(grid, words, strict=True)
            if word != base and (upwards is None or (value > now) == upwards)
        ]
        label = {"volume": "calls", "rent_price_ratio": "price of renting"}.get(name, name)
        if not off:
            return Flip(label, now * times, None, base, unit)
        at = self._edge(name, base, now, min(off, key=lambda value: abs(value - now)))
        return Flip(label, now * times, at * times, self.words(self.evaluation.columns(1, {name: at}))[0], unit)

    def _edge(self, name: str, base: VerdictWord, same: float, off: float) -> float:
        """Narrow down between a value with today's answer and one without; the end that answers otherwise."""
        for _ in range(_REFINEMENTS):
            between = np.linspace(same, off, _REFINED + 1)
            words = self.words(self.evaluation.columns(len(between), {name: between}))
            first = next((i for i, word in enumerate(words) if i and word != base), _REFINED)
            same, off = float(between[first - 1]), float(between[first])
        return off
