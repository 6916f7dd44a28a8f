"""Options that might win if their answers were known to be good enough, and what it costs to find out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from freehold.economics.options import (
    FineTuneOwn,
    HostOpenWeights,
    OwnStudent,
    RentOpenWeights,
    RentSmaller,
    TrainFromScratch,
)
from freehold.economics.quality import QualityFacts

from ._answers import WORTH_SWITCHING, Answers
from ._standing import Standing


class Trial(NamedTuple):
    """Finding out how good an option's answers are.

    `model`: as `freehold rehearse` takes it, "" where nobody rents it out or it is a student. `rent_usd`: what its
    answers to `calls` calls cost, None where that is not known; `judging_usd`: what people cost who judge them, 0 where
    a scorer does.
    """

    model: str
    calls: int
    rent_usd: float | None
    judging_usd: float

    @property
    def usd(self) -> float:
        """What is known of its cost."""
        return (self.rent_usd or 0.0) + self.judging_usd


def would_win(answers: Answers, quality: QualityFacts) -> list[Standing]:
    """Options that nobody measured, or not enough, and that would win if their answers were good enough, best first.

    Options whose quality was measured and is not good enough stay out.
    """
    found: list[tuple[float, Standing]] = []
    columns = answers.evaluation.columns()
    worth = WORTH_SWITCHING * float(answers.evaluation.rent_usd(columns)[0])
    for standing in answers.standings:
        if standing.eligible or not standing.allowed or standing.quality == "measured":
            continue
        if isinstance(standing.option, OwnStudent) and quality.certificate is not None:
            continue
        npv = float(answers.evaluation.npv_usd(standing.option, columns)[0])
        if npv > worth:
            found.append((npv, standing))
    return [standing for _, standing in sorted(found, key=lambda item: -item[0])]


def better_than(winner: Standing, answers: Answers, quality: QualityFacts) -> list[Standing]:
    """Those of them that would be better than what leads."""
    columns = answers.evaluation.columns()
    now = float(answers.evaluation.npv_usd(winner.option, columns)[0])
    return [
        one for one in would_win(answers, quality) if float(answers.evaluation.npv_usd(one.option, columns)[0]) > now
    ]


def next_to_try(candidates: Sequence[Standing], answers: Answers, quality: QualityFacts) -> Standing | None:
    """The best of some that a rehearsal can tell of; without one, the best. Tuning costs far more than asking."""
    rented = (one for one in candidates if trial(one, answers, quality).model)
    return next(rented, next(iter(candidates), None))


def trial(standing: Standing, answers: Answers, quality: QualityFacts) -> Trial:
    """What it takes to know how good an option's answers are: its own model rented for some calls, then judged."""
    evaluation, option = answers.evaluation, standing.option
    values = evaluation.assumptions
    calls = standing.more_calls or round(float(values["labels_to_certify"].value))
    judged = quality.judged_by_people or isinstance(option, OwnStudent)
    judging_usd = calls * float(values["gold_label_usd"].value) if judged else 0.0
    rented = _rented(standing, answers)
    if rented is None:
        return Trial("", calls, None, judging_usd)
    columns = evaluation.columns()
    month = float(rented.monthly(evaluation.case, columns["volume"], columns).tokens_usd[0])
    a_call = month / evaluation.case.calls if evaluation.case.calls else None
    return Trial(_name(rented, answers), calls, None if a_call is None else calls * a_call, judging_usd)


def _rented(standing: Standing, answers: Answers) -> RentSmaller | RentOpenWeights | None:
    """The option itself where it is rented; for weights that would be hosted, the same weights by the token."""
    option = standing.option
    if isinstance(option, RentSmaller | RentOpenWeights):
        return option
    if not isinstance(option, HostOpenWeights) or isinstance(option, FineTuneOwn | TrainFromScratch):
        return None
    others = (one.option for one in answers.standings if one.allowed)
    return next((one for one in others if isinstance(one, RentOpenWeights) and one.weights == option.weights), None)


def _name(option: RentSmaller | RentOpenWeights, answers: Answers) -> str:
    if isinstance(option, RentOpenWeights):
        return f"PROVIDER/{option.weights}"
    return f"{option.elsewhere or answers.evaluation.case.provider}/{option.model}"
