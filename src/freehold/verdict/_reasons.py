"""Why, in two to four sentences; what it takes to find out; what to beware of. Facts come in, sentences go out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from freehold.economics.case import Case
from freehold.economics.options import OwnStudent
from freehold.economics.quality import QualityFacts
from freehold.economics.workload import Workload
from freehold.vocabulary import Flip, Option, Task, VerdictWord

from ._answers import Answers, Swing
from ._candidates import better_than, next_to_try, trial, would_win
from ._standing import Standing, rival_of
from .constraints import NOBODY_SAID
from .words import certificate_sentence, inputs_text, times_text, usd_text, word_text

_SWAPS = frozenset({"rent_smaller", "rent_open_weights", "host_open_weights"})
"""Answers that give the task to another model, whose answers somebody measured."""


_WORTH_NAMING = 0.01
_UNASKED_USD = 0.7
"""Above this the budget that a rehearsal has unasked, one dollar, might end it early."""


class Story(NamedTuple):
    """Everything that a verdict's sentences draw on."""

    task: Task
    workload: Workload
    quality: QualityFacts
    answers: Answers
    winner: Standing | None
    swings: tuple[Swing, ...]
    labels_missing: int
    barred: str
    """Why nothing may go to the provider that it is rented from; "" where it may."""


def reason(story: Story, word: VerdictWord, rows: Sequence[Option], flips: Sequence[Flip]) -> str:
    """Two to four sentences for the person who pays the bill."""
    sentences = [_bill(story, rows[0])]
    student = rows[-1]
    if story.barred:
        sentences.append(story.barred)
    if word == "not_enough_evidence":
        sentences.append(_shortage(story, rows))
    elif word == "keep_renting":
        sentences += [*_same_model_for_less(story, rows), *_staying(story, rows, flips)]
    else:
        chosen = next(row for row in rows if story.winner is not None and row.name == story.winner.option.name)
        sentences.append(_switching(story, chosen, rows[0]))
        if word == "own_student":
            sentences.append(_proof(story, student))
        elif story.winner is not None:
            sentences += _evidence(story, story.winner)
        sentences += _cheaper_unknown(story, chosen, rows)
    return " ".join(sentences)


def to_find_out(story: Story, word: VerdictWord, rows: Sequence[Option]) -> str:
    """The next measurement worth paying for and what it costs; "" where nothing is worth finding out."""
    student = story.answers.standings[-1]
    unproven = student.quality != "certified" and student.choosable
    if word == "not_enough_evidence" and story.winner is not None and story.winner.unknown and not story.labels_missing:
        return f"Say what is not known, in freehold.toml: {story.winner.unknown}."
    if word == "not_enough_evidence" and story.swings and not story.labels_missing:
        return _settle(story, unproven=unproven)
    if word == "not_enough_evidence" or (word == "own_student" and unproven):
        return _certify(story)
    if story.winner is None or word not in {"keep_renting", *_SWAPS}:
        return ""
    wanted = next_to_try(better_than(story.winner, story.answers, story.quality), story.answers, story.quality)
    if wanted is not None:
        now = next(row for row in rows if row.name == story.winner.option.name)
        return _rehearse(story, wanted, rows, now)
    return _ask_to_wait(rows) if word == "keep_renting" else ""


def rival_flips(answers: Answers, winner: Standing | None, quality: QualityFacts) -> tuple[Flip, ...]:
    """What measuring the best unmeasured option could change."""
    found = would_win(answers, quality) if winner is None else better_than(winner, answers, quality)
    if not found:
        return ()
    standing = found[0]
    rival = rival_of(standing.option, quality)
    share = rival.share if rival is not None and standing.undecided else 0.0
    label, unit = f"measured quality of: {standing.option.name}", "share of answers as good as today's"
    return (Flip(label, share, 1 - quality.alpha, standing.option.word, unit),)


def warnings(workload: Workload, case: Case, quality: QualityFacts) -> tuple[str, ...]:
    """What the reader must know before using the figures."""
    found: list[str] = []
    if workload.days_observed < 1:
        seen = f"{workload.days_observed * 24:.1f} hours"
        found.append(f"Only {seen} were observed: the monthly figures stretch them to a month and may be far off.")
    elif workload.days_observed < 7:
        found.append(f"Only {workload.days_observed:.1f} days were observed: no weekly rhythm is in the figures.")
    if 0 < workload.unpriced_calls < workload.calls:
        share = workload.unpriced_calls / workload.calls
        found.append(
            f"{workload.unpriced_calls:,} calls ({share:.0%}) have no known cost; they count as the mean of the rest."
        )
    if (
        case.rent_usd is not None
        and case.bill_usd is not None
        and abs(case.rent_usd - case.bill_usd) > case.bill_usd / 50
    ):
        found.append(
            f"Prices have changed since: the same calls cost {usd_text(case.bill_usd)} a month at the prices of their "
            f"days and {usd_text(case.rent_usd)} at those of {case.as_of.date().isoformat()}, which are used."
        )
    if any(source.assumed for source in case.sources):
        found.append("A price was found by the model's name, not by your provider: state yours if it differs.")
    if workload.usage.estimated:
        found.append("Some token counts are estimates: no provider stated them.")
    if workload.failed_calls > workload.calls / 10:
        found.append(f"{workload.failed_calls:,} of {workload.calls:,} calls failed.")
    promise = quality.certificate
    if promise is not None and promise.certified and promise.against == "teacher":
        found.append("The certificate is against the rented model's answers: where they are wrong, the student is too.")
    return tuple(found)


def _bill(story: Story, rent: Option) -> str:
    work = story.workload
    case = story.answers.evaluation.case
    times = "" if work.volume_factor == 1 else f" at {work.volume_factor:,.10g} times the observed volume"
    weight = "" if work.weight == 1 else f", each standing for {work.weight:,.10g}"
    seen = f"{work.calls:,} call{'s' * (work.calls != 1)} in {work.days_observed:.3g} days{weight}"
    if case.rent_usd is None:
        return f"The price of {case.rented} is not known ({seen})."
    others = _others(work)
    models = f" and {others} other model{'s' * (others != 1)}" * (others > 0)
    return f"Renting {case.rented}{models} costs {usd_text(rent.monthly_usd.mid)} a month{times} ({seen})."


def _others(work: Workload) -> int:
    """How many models beside the one asked most answered a share of the calls worth speaking of."""
    calls: Counter[tuple[str, str]] = Counter()
    for day in work.days:
        calls[day.provider, day.model] += day.calls
    return sum(n >= _WORTH_NAMING * work.calls for model, n in calls.items() if model != work.model)


def _same_model_for_less(story: Story, rows: Sequence[Option]) -> list[str]:
    """Where staying is the answer, and the same model can be had for less."""
    if story.winner is None or story.winner.option.name == rows[0].name:
        return []
    chosen = next(row for row in rows if row.name == story.winner.option.name)
    saved = rows[0].monthly_usd.mid - chosen.monthly_usd.mid
    how = f"To {chosen.name}, costs {usd_text(chosen.monthly_usd.mid)}: {usd_text(saved)} less"
    return [f"{how}, for {usd_text(chosen.one_off_usd.mid)} of work once."]


def _ask_to_wait(rows: Sequence[Option]) -> str:
    """That somebody should say whether answers may come a day later, where that alone stands before a saving."""
    held = [row for row in rows if not row.allowed and row.why_not == NOBODY_SAID]
    if not held or held[0].npv_usd["24"].mid <= 0:
        return ""
    saved = rows[0].monthly_usd.mid - held[0].monthly_usd.mid
    cost = f"in batches they cost {usd_text(saved)} less a month"
    return f"Say whether its answers may come a day later (`can_wait`): {cost}."


def _staying(story: Story, rows: Sequence[Option], flips: Sequence[Flip]) -> list[str]:
    student = rows[-1]
    assert story.winner is not None
    candidates = better_than(story.winner, story.answers, story.quality)
    standing = story.answers.standings[-1]
    sentences: list[str] = []
    if candidates:
        row = next(row for row in rows if row.name == candidates[0].option.name)
        sentences.append(
            f"There are cheaper models, the best of them to {row.name} ({usd_text(row.monthly_usd.mid)} a month), but "
            f"{_unmeasured(candidates[0])} their answers are good enough for this task."
        )
    elif not standing.eligible:
        sentences.append(f"An owned student is no choice here: {standing.open_question}.")
    if standing.choosable or not candidates:
        people = student.breakdown_usd.get("people")
        part = "" if not people else f", of which {usd_text(people)} is an engineer's time"
        sentences.append(f"Owning would cost {usd_text(student.monthly_usd.mid)} a month{part}.")
    up = next((flip for flip in flips if flip.input == "calls" and flip.at is not None and flip.at > flip.now), None)
    if up is not None and up.at is not None and up.now:
        sentences.append(
            f"From about {up.at:,.0f} calls a month ({times_text(up.at / up.now)}) the answer is to {word_text(up.to)}."
        )
    return sentences


def _switching(story: Story, chosen: Option, rent: Option) -> str:
    share = f", answering {chosen.owned_share:.0%} of the calls itself," if 0 < chosen.owned_share < 1 else ""
    one_off = usd_text(chosen.one_off_usd.mid)
    if story.barred:
        return f"To {chosen.name}{share} costs {usd_text(chosen.monthly_usd.mid)} a month and {one_off} once."
    pays = "" if chosen.months_to_pay_back is None else f", paid back in {chosen.months_to_pay_back:.1f} months"
    saved = rent.monthly_usd.mid - chosen.monthly_usd.mid
    return (
        f"To {chosen.name}{share} costs {usd_text(chosen.monthly_usd.mid)} a month, everything included: "
        f"{usd_text(saved)} less, for {one_off} once{pays}."
    )


def _proof(story: Story, student: Option) -> str:
    if student.quality == "certified":
        return f"Its certificate: {certificate_sentence(story.quality.certificate)}."
    return "That is provisional: no student of this task is certified yet, and its share of the calls is an assumption."


def _unmeasured(candidate: Standing) -> str:
    return "too few calls tell whether" if candidate.undecided else "nobody has measured whether"


def _evidence(story: Story, winner: Standing) -> list[str]:
    """What another model's answers are known to be worth."""
    rival = rival_of(winner.option, story.quality)
    if rival is None:
        return []
    sure = f"with {1 - story.quality.delta:.0%} confidence at most {max(0.0, rival.worse_upper):.1%} get worse"
    return [f"Measured by rehearsal: {winner.open_question}; {sure}, and {story.quality.alpha:.1%} are allowed."]


def _cheaper_unknown(story: Story, chosen: Option, rows: Sequence[Option]) -> list[str]:
    for standing in would_win(story.answers, story.quality):
        row = next(row for row in rows if row.name == standing.option.name)
        if row.npv_usd["24"].mid > chosen.npv_usd["24"].mid:
            cost = usd_text(row.monthly_usd.mid)
            known = "too few of its answers were measured" if standing.undecided else "nobody has measured its answers"
            return [f"To {row.name} would cost {cost}, but {known}: worth a rehearsal."]
    return []


def _shortage(story: Story, rows: Sequence[Option]) -> str:
    if story.labels_missing:
        student = rows[-1]
        return (
            f"A student might cost {usd_text(student.monthly_usd.mid)} a month, but nothing can be promised of it yet: "
            f"about {story.labels_missing:,} more labelled calls are needed."
        )
    if story.winner is None and not story.barred:
        return "None of the options that are allowed is known to answer well enough."
    if story.winner is None:
        return "No owned model is certified for it, so its calls can only be refused until one is."
    if story.winner.unknown:
        return (
            f"The answer would be to {word_text(story.winner.option.word)}, but whether that is allowed is not known: "
            f"{story.winner.unknown}."
        )
    swing = story.swings[0]
    names = inputs_text(found.input for found in story.swings)
    return (
        f"At the assumed inputs the answer is to {word_text(story.winner.option.word)}, but it turns to "
        f"{word_text(swing.to)} inside the range of what nobody gave: {names}."
    )


def _settle(story: Story, *, unproven: bool) -> str:
    """Measure what can be measured, state the rest."""
    names = dict.fromkeys(swing.input for swing in story.swings)
    if unproven:
        names.pop("student_coverage", None)
    measure = [_certify(story)] if unproven else []
    listed = ", ".join(names)
    state = [f"State what it is for you ([economics] in freehold.toml, docs/economics.md): {listed}."] if names else []
    return " ".join(measure + state)


def _certify(story: Story) -> str:
    answers = story.answers
    option = answers.standings[-1].option
    values = answers.evaluation.assumptions
    columns = answers.evaluation.columns()
    name = story.task.name
    commands = f"`freehold train {name}`, then `freehold certify {name}`"
    if isinstance(option, OwnStudent) and (labels := float(option.labels(columns)[0])) > 0:
        price = float(values["gold_label_usd"].value)
        return (
            f"About {labels:,.0f} labels by people, {usd_text(labels * price)} at {usd_text(price)} each; "
            f"then {commands} (minutes of CPU)."
        )
    if story.labels_missing:
        rent = answers.evaluation.case.rent_usd
        per_call = float(rent or 0) / max(1.0, answers.evaluation.case.calls)
        return (
            f"About {story.labels_missing:,} more calls answered by the rented model: they arrive with the traffic, or "
            f"cost about {usd_text(story.labels_missing * per_call)} to have labelled; then {commands}."
        )
    return f"{commands[0].upper()}{commands[1:]}: the log's own answers serve as labels; it costs minutes of CPU."


def _rehearse(story: Story, candidate: Standing, rows: Sequence[Option], now: Option) -> str:
    """How to learn whether a candidate is good enough, at what cost, for how much."""
    found = trial(candidate, story.answers, story.quality)
    row = next(row for row in rows if row.name == candidate.option.name)
    stake = f"for {usd_text(now.monthly_usd.mid - row.monthly_usd.mid)} a month at stake"
    cost = "" if found.rent_usd is None else f", about {usd_text(found.rent_usd)}"
    budget = "" if (found.rent_usd or 0.0) < _UNASKED_USD else f" --budget {ceil(1.5 * (found.rent_usd or 0.0))}"
    command = f"`freehold rehearse {story.task.name} {found.model} --calls {found.calls}{budget}`"
    known = " (PROVIDER: one of yours that rents it out)" if found.model.startswith("PROVIDER/") else ""
    ends = candidate.option.exposure.ends
    known += f" (it is shut down on {ends}: by then another one has to do)" if ends else ""
    if not found.judging_usd:
        if not found.model:
            return f"Try what nobody rents out ({row.name}) on about {found.calls:,} calls, {stake}."
        return f"{command}{known} asks {found.calls:,} calls again{cost}, {stake}."
    price = float(story.answers.evaluation.assumptions["gold_label_usd"].value)
    asks = f"{command}{known} gets them{cost}; " if found.model else ""
    return (
        f"Compare about {found.calls:,} answers of the cheapest candidate ({row.name}) with today's: {asks}"
        f"{usd_text(found.judging_usd)} at {usd_text(price)} a judgement, {stake}."
    )
