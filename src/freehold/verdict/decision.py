"""The answer for one task.

Order of judgement: hard constraints remove options; quality that nobody measured cannot win, except a student of a
narrow task, provisionally; the cash decides among the rest; and if an input that nobody gave could change the answer
inside its stated range, the answer is `not_enough_evidence` and names that input.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

from freehold.analytics.findings import Glanced
from freehold.economics import bought
from freehold.economics.assumptions import assumptions
from freehold.economics.case import Case, build_case
from freehold.economics.evaluation import Evaluation
from freehold.economics.options import CostModel, HostOpenWeights
from freehold.economics.prices_over_time import RentedModel
from freehold.economics.quality import QualityFacts
from freehold.economics.workload import Workload
from freehold.market.price_process import price_facts
from freehold.market.tokens import PriceBook
from freehold.settings import EconomicsSettings
from freehold.vocabulary import Assumption, Option, Source, Task, Verdict, VerdictWord

from . import _reasons, from_scratch
from ._answers import Answers, Swing, needed_by
from ._candidates import better_than
from ._hosting import hosting_inputs
from ._risks import Risks
from ._standing import Standing, options, stand
from .constraints import Constraints, Rulings, barred, declared, judge
from .criteria import criteria
from .steps import steps

MIN_DAYS = 1 / 24
"""Below an hour of observation no month is spoken of: the rate of a burst is no volume."""

_INCOMPARABLE: dict[str, object] = {
    "npv_usd": {},
    "months_to_pay_back": None,
    "pays_back_share": None,
    "crossover_calls_per_month": None,
    "crossover_ranges": (),
    "regret_usd": None,
    "waiting_usd": None,
    "probability_wins": None,
}
"""What cannot be said of an option where nobody knows what renting costs."""


class Frame(NamedTuple):
    """What the decision on a workload is made over.

    `why_barred`: why nothing may go to today's provider, "" where it may. `comparable`: enough was seen, and what the
    options are compared with has a price. `months_left`: until the announced end of today's model, None without one.
    """

    case: Case
    options: list[CostModel]
    inputs: dict[str, Assumption]
    why_barred: str
    comparable: bool
    months_left: float | None

    def evaluation(self) -> Evaluation:
        """The options in cash, today's model ending when it is announced to."""
        return Evaluation(self.case, self.options, self.inputs, rented=RentedModel(self.months_left))


def framed(
    workload: Workload,
    quality: QualityFacts,
    constraints: Constraints,
    settings: EconomicsSettings,
    as_of: datetime,
    prices: PriceBook,
) -> Frame:
    """The case of a workload, its options and its inputs.

    Raises:
        ConfigurationError: as `decide`.
    """
    case = build_case(workload, prices, as_of)
    why_barred = barred(constraints, case)
    found = options(case, workload, quality, prices, restricted=bool(why_barred))
    also = bought.inputs() | hosting_inputs(found, case, constraints)
    inputs = assumptions(workload, quality, settings, also)
    known = case.rent_usd is not None or bool(why_barred)
    return Frame(
        case,
        found,
        inputs,
        why_barred,
        bool(workload.calls) and workload.days_observed >= MIN_DAYS and known,
        workload.months_left,
    )


def ruled(evaluation: Evaluation, constraints: Constraints) -> list[Rulings]:
    """What the constraints say of each option."""
    case, values = evaluation.case, evaluation.columns()
    return [judge(one, case, constraints, one.latency_ms(case, values)) for one in evaluation.options]


def decide(
    task: Task,
    workload: Workload,
    quality: QualityFacts,
    constraints: Constraints,
    settings: EconomicsSettings,
    as_of: datetime,
    *,
    prices: PriceBook | None = None,
    glanced: Glanced | None = None,
) -> Verdict:
    """The verdict on `task` at the prices of `as_of`.

    Same inputs, same verdict: scenarios are seeded. It judges money, evidence and what was declared to bind; strategy
    is shown and weighs nothing, and no law is interpreted.

    Raises:
        ConfigurationError: the settings name an input that does not exist, or give it a negative value.
    """
    frame = framed(workload, quality, constraints, settings, as_of, prices or PriceBook())
    found = _weighed(task, workload, quality, constraints, frame)
    if isinstance(found, Verdict):
        return found
    verdict, case = found.verdict, found.risks.evaluation.case
    return msgspec.structs.replace(
        verdict,
        declared=declared(constraints, found.rulings),
        from_scratch=from_scratch.sentence(case),
        steps=steps(found.risks.evaluation.options, verdict.options),
        criteria=criteria(task.kind, workload, constraints, verdict.options, glanced or Glanced()),
        risk=None if case.rent_usd is None else found.risks.decision(task.name),
    )


def weigh(
    task: Task,
    workload: Workload,
    quality: QualityFacts,
    constraints: Constraints,
    settings: EconomicsSettings,
    as_of: datetime,
    *,
    prices: PriceBook | None = None,
) -> Verdict:
    """The verdict as `decide` gives it, without what only explains it: that takes as long as the answer itself.

    Left out are the criteria, the steps, what was declared, training from scratch, and what the answer hangs on.

    Raises:
        ConfigurationError: as `decide`.
    """
    frame = framed(workload, quality, constraints, settings, as_of, prices or PriceBook())
    found = _weighed(task, workload, quality, constraints, frame)
    return found if isinstance(found, Verdict) else found.verdict


class _Weighed(NamedTuple):
    """A verdict where options can be compared, and what else is known of it."""

    verdict: Verdict
    rulings: list[Rulings]
    risks: Risks


def _weighed(
    task: Task, workload: Workload, quality: QualityFacts, constraints: Constraints, frame: Frame
) -> _Weighed | Verdict:
    """The verdict alone where there is nothing to compare."""
    if not frame.comparable:
        return _unpriced(task, workload, frame.case, frame.case.as_of)
    evaluation = frame.evaluation()
    rulings = ruled(evaluation, constraints)
    standings = stand(evaluation.options, quality, rulings)
    answers = Answers(evaluation, standings, confident=constraints.confident)
    verdict, risks = _compared(task, workload, quality, answers, frame.why_barred)
    return _Weighed(verdict, rulings, risks)


def _compared(
    task: Task, workload: Workload, quality: QualityFacts, answers: Answers, why_barred: str
) -> tuple[Verdict, Risks]:
    """The verdict where options can be compared."""
    evaluation, standings = answers.evaluation, answers.standings
    case, inputs = evaluation.case, evaluation.assumptions
    winner = answers.winner()
    swings = answers.swings() if winner is not None else ()
    word, shortage = _word(answers, winner, swings, workload, quality)
    story = _reasons.Story(task, workload, quality, answers, winner, swings, shortage, why_barred)
    risks = Risks(answers, winner, quality)
    rows = tuple(risks.row(_row(evaluation, standing), at) for at, standing in enumerate(standings))
    flips = answers.flips() + _reasons.rival_flips(answers, winner, quality)
    reason, to_find_out = _reasons.reason(story, word, rows, flips), _reasons.to_find_out(story, word, rows)
    if case.rent_usd is None:
        rows = tuple(msgspec.structs.replace(row, **_INCOMPARABLE) for row in rows[1:])
    verdict = Verdict(
        task_id=task.id,
        task_name=task.name,
        kind=task.kind,
        word=word,
        reason=reason,
        provisional=_provisional(word, winner, answers, quality),
        to_find_out=to_find_out,
        calls_per_month=workload.calls_per_month,
        months_observed=workload.months_observed,
        volume_factor=workload.volume_factor,
        options=rows,
        flips=flips,
        assumptions=_used(inputs, standings),
        probability_owning_wins=answers.probability_owning_wins(),
        sources=_sources(workload, case, quality),
        made_at=case.as_of.isoformat(),
        warnings=_reasons.warnings(workload, case, quality),
        chosen=winner.option.name if winner is not None and word == winner.option.word else "",
    )
    return verdict, risks


def _word(
    answers: Answers, winner: Standing | None, swings: tuple[Swing, ...], workload: Workload, quality: QualityFacts
) -> tuple[VerdictWord, int]:
    """The answer, and how many labelled calls are missing where that is why there is none."""
    promise = quality.certificate
    student = answers.standings[-1]
    if promise is not None and not promise.certified and promise.labels_needed is not None:
        hoped = [*answers.standings[:-1], student._replace(eligible=True)]
        hopeful = Answers(answers.evaluation, hoped, confident=answers.confident).winner()
        if hopeful is not None and hopeful.option is student.option:
            return "not_enough_evidence", promise.labels_needed
    if winner is None or swings or winner.unknown:
        return "not_enough_evidence", 0
    needed = int(answers.evaluation.assumptions["labels_to_certify"].value)
    if winner.option.word == "own_student" and winner.quality != "certified" and workload.calls < needed:
        return "not_enough_evidence", needed - workload.calls
    return winner.option.word, 0


def judged(answers: Answers, workload: Workload, quality: QualityFacts) -> tuple[VerdictWord, Standing | None]:
    """The answer as the verdict gives it, and the option that is ahead when every input has its value."""
    winner = answers.winner()
    return _word(answers, winner, answers.swings() if winner is not None else (), workload, quality)[0], winner


def _provisional(word: VerdictWord, winner: Standing | None, answers: Answers, quality: QualityFacts) -> bool:
    """True until the quality that the answer rests on is certified, or until no quality could change it."""
    if word == "not_enough_evidence" or winner is None:
        return True
    if winner.option.word == "own_student":
        return winner.quality != "certified"
    if isinstance(winner.option, HostOpenWeights):  # measured as somebody else serves the same weights
        return True
    return bool(better_than(winner, answers, quality))


def _row(evaluation: Evaluation, standing: Standing) -> Option:
    return msgspec.structs.replace(
        evaluation.row(standing.option),
        quality=standing.quality,
        allowed=standing.allowed,
        why_not=standing.why_not or "; ".join(filter(None, (standing.unknown, standing.open_question))),
    )


def _used(inputs: dict[str, Assumption], standings: tuple[Standing, ...]) -> tuple[Assumption, ...]:
    needed = needed_by(standing.option for standing in standings)
    return tuple(item for name, item in inputs.items() if name in needed)


def _sources(workload: Workload, case: Case, quality: QualityFacts) -> tuple[Source, ...]:
    days = [day.day for day in workload.days]
    span = f"{min(days)} to {max(days)}" if days else ""
    calls = Source(f"{workload.calls:,} recorded calls over {workload.days_observed:.3g} days", span)
    promise = quality.certificate
    proof = () if promise is None else (Source(f"certificate {promise.id}", promise.issued_at),)
    tried = (Source(f"rehearsal {one.id} of {one.model}", one.made_at) for one in quality.rivals if one.id)
    moving = Source(
        "how prices move: lists, shutdowns and GPU rents since 2024 (market/price_process.toml)", price_facts().date
    )
    return (calls, *case.sources, *proof, *tried, moving)


def _unpriced(task: Task, workload: Workload, case: Case, as_of: datetime) -> Verdict:
    """There is nothing to compare with: no call, no time to speak of, or nobody knows what renting costs."""
    name = case.rented
    if not workload.calls:
        reason, to_find_out = "No call of this task is recorded, so there is nothing to price.", "Record calls first."
    elif workload.days_observed < MIN_DAYS:
        minutes = workload.days_observed * 24 * 60
        reason = (
            f"Only {minutes:.1f} minutes were observed ({workload.calls:,} calls): that says nothing about a month."
        )
        to_find_out = "Record, or import, at least a day of calls; better two weeks."
    else:
        reason = (
            f"Nobody knows what {workload.unpriced_calls:,} of {workload.calls:,} calls cost: there is no price of "
            f"{name}, or the calls state no token counts. Owning cannot be compared with an unknown bill."
        )
        to_find_out = f'State the price: [prices."{name}"] in freehold.toml.'
    return Verdict(
        task_id=task.id,
        task_name=task.name,
        kind=task.kind,
        word="not_enough_evidence",
        reason=reason,
        provisional=True,
        to_find_out=to_find_out,
        calls_per_month=workload.calls_per_month,
        months_observed=workload.months_observed,
        volume_factor=workload.volume_factor,
        options=(),
        flips=(),
        assumptions=(),
        probability_owning_wins=0.0,
        sources=_sources(workload, case, QualityFacts()),
        made_at=as_of.isoformat(),
        warnings=_reasons.warnings(workload, case, QualityFacts()),
    )
