"""The tables of a task's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from freehold.services._charts import counted
from freehold.verdict.scenarios import ScenarioRow
from freehold.vocabulary import Learning, Option, Risk, Step, Verdict

from . import _plain
from ._parts import (
    BLANK,
    DASH,
    NBSP,
    Cell,
    Column,
    Lines,
    Row,
    Table,
    Text,
    chance,
    estimate,
    flipped,
    percent,
    spread,
    spread_short,
    usd,
    usd_range,
)
from ._sources import Sources

_HORIZONS = ("12", "24", "36")


def costs(verdict: Verdict, chosen: str, sources: Sources) -> Table:
    """What every option costs, how fast it answers and what is known of its answers."""
    columns = (
        Column("Option", wide=3.4),
        Column("A month", right=True, wide=1.9),
        Column("Once", right=True, wide=1.7),
        Column("Paid back after, months", right=True, wide=1.3),
        Column("Pays from, calls a month", right=True, wide=1.7),
        Column("Time to answer", right=True, wide=1.2),
        Column("Quality", wide=1.2),
        Column("From", wide=0.6),
    )
    rows = [_cost(option, chosen, sources) for option in verdict.options]
    return Table("What every option costs", columns, tuple(rows))


def _cost(option: Option, chosen: str, sources: Sources) -> Row:
    code = sources.option(option.name)
    to = sources.to(code)
    certified = option.quality in ("certified", "measured")
    cells = (
        Cell(option.name, note=_beside(option), tone="" if option.allowed else "soft"),
        spread(option.monthly_usd, to),
        spread(option.one_off_usd, to),
        _paid_back(option, to),
        _pays_from(option, to),
        Cell(DASH if option.latency_ms is None else _time(option.latency_ms), "" if option.latency_ms is None else to),
        Cell(_plain.QUALITY[option.quality], sources.to(sources.proof) if certified else ""),
        Cell("", links=sources.links(code)),
    )
    return Row(cells, _look(option, chosen))


def _beside(option: Option) -> str:
    """What a reader should see beside an option. That nobody measured its answers stands in its own column."""
    if not option.allowed:
        return f"not allowed: {option.why_not}"
    return "" if option.quality == "unknown" else option.why_not


def beside(verdict: Verdict, sources: Sources) -> Lines | None:
    """What stands behind the bills of owned options: machines, how much of them is used, what becomes of the rest."""
    items = [
        Text(f"To {option.name}: {'; '.join(option.notes)}.", sources.links(sources.option(option.name)), "soft")
        for option in verdict.options
        if option.allowed and option.notes
    ]
    return Lines(tuple(items)) if items else None


def _look(option: Option, chosen: str) -> Literal["", "chosen", "barred"]:
    return "chosen" if option.name == chosen else "" if option.allowed else "barred"


def _paid_back(option: Option, to: str) -> Cell:
    if option.quality == "reference":
        return BLANK
    return Cell("never") if option.months_to_pay_back is None else Cell(f"{option.months_to_pay_back:.1f}", to)


def _pays_from(option: Option, to: str) -> Cell:
    if option.quality == "reference":
        return BLANK
    if not option.crossover_ranges:
        return Cell("never")
    ranges = [
        counted(one.from_calls) + ("" if one.to_calls is None else f" to {counted(one.to_calls)}")
        for one in option.crossover_ranges
    ]
    return Cell(ranges[0], to, note=", ".join(ranges[1:]))


def _time(ms: float) -> str:
    return f"{ms / 1000:.2g}{NBSP}s" if ms >= 1000 else f"{ms:.3g}{NBSP}ms"


def worths(verdict: Verdict, chosen: str, scenarios: int, sources: Sources) -> Table | None:
    """What every option that may be chosen is worth against renting, how often it wins, and what it would lose."""
    rows = [
        _worth(option, chosen, scenarios, sources) for option in verdict.options if option.npv_usd and option.allowed
    ]
    if not rows:
        return None
    columns = (
        Column("Option", wide=2.6),
        *(Column(f"{months} months", right=True, wide=1.9) for months in _HORIZONS),
        Column("Wins in", right=True, wide=1.3),
        Column("Loses if wrong", right=True, wide=1.6),
        Column("Deciding in 6 months instead", right=True, wide=1.9),
        Column("From", wide=0.6),
    )
    return Table("What every option is worth against renting as today", columns, tuple(rows))


def _worth(option: Option, chosen: str, scenarios: int, sources: Sources) -> Row:
    code = sources.option(option.name)
    to, whole = sources.to(code), sources.to(sources.whole)
    wins = option.probability_wins
    condition = "if its answers are good" if option.quality == "unknown" else ""
    cells = (
        Cell(option.name),
        *(spread_short(option.npv_usd[months], to) for months in _HORIZONS),
        BLANK if wins is None else Cell(chance(wins, scenarios), whole, condition),
        BLANK if option.regret_usd is None else spread_short(option.regret_usd, whole),
        BLANK if option.waiting_usd is None else spread_short(option.waiting_usd, whole),
        Cell("", links=sources.links(code, sources.whole)),
    )
    return Row(cells, _look(option, chosen))


def steps(verdict: Verdict, sources: Sources) -> Table | None:
    """The swap of the model and the ownership, apart."""
    if not verdict.steps:
        return None
    by_name = {option.name: option for option in verdict.options}
    rows = [_step(step, by_name[step.option], sources) for step in verdict.steps]
    columns = (
        Column("Step", wide=1.8),
        Column("Option", wide=3),
        Column("A month", right=True, wide=2),
        Column("Change", right=True, wide=1.3),
        Column("From", wide=0.6),
    )
    return Table("The swap of the model and the ownership, apart", columns, tuple(rows))


def _step(step: Step, option: Option, sources: Sources) -> Row:
    code = sources.option(option.name)
    to = sources.to(code)
    change = Cell(usd(step.change_usd), to) if step.change_usd else BLANK
    return Row(
        (
            Cell(step.name),
            Cell(option.name),
            spread(option.monthly_usd, to),
            change,
            Cell("", links=sources.links(code)),
        )
    )


def flips(verdict: Verdict, sources: Sources) -> Table | None:
    """What would change the answer, and how far away that is."""
    if not verdict.flips:
        return None
    rows: list[Row] = []
    to = sources.to(sources.whole)
    for flip in verdict.flips:
        there = "nothing looked at changes it" if flip.at is None else _plain.input_value(flip.input, flip.at)
        quality = flip.input.startswith("measured quality")
        rows.append(
            Row(
                (
                    Cell(_plain.input_name(flip.input), note=flip.unit),
                    Cell("not measured") if quality else Cell(_plain.input_value(flip.input, flip.now), to),
                    Cell(there, "" if flip.at is None else to),
                    Cell(DASH if quality else _plain.distance(flip), "" if quality or flip.at is None else to),
                    Cell("" if flip.at is None else _plain.PILLS[flip.to], tone=_plain.tone(flip.to)),
                    Cell("", links=sources.links(sources.assumed(flip.input))),
                )
            )
        )
    columns = (
        Column("What", wide=3.2),
        Column("Now", right=True, wide=1.4),
        Column("The answer changes at", right=True, wide=1.8),
        Column("How far away", right=True, wide=1.4),
        Column("It becomes", wide=1.8),
        Column("From", wide=0.6),
    )
    return Table("What would change the answer", columns, tuple(rows))


def inputs(risk: Risk, sources: Sources) -> Table | None:
    """Every input that moves the lead: how far, and how much of what is not known about the lead is its doing."""
    weights = {one.input: one for one in risk.influences}
    rows: list[Row] = []
    for bar in risk.tornado[:8]:
        weight = weights.get(bar.input)
        to = sources.to(sources.assumed(bar.input))
        ends = (_plain.input_value(bar.input, bar.low), _plain.input_value(bar.input, bar.high))
        share = BLANK
        if weight is not None:
            low, high = max(0.0, weight.total_low), max(0.0, weight.total_high)
            note = f"{percent(low)} to {percent(high)}"
            share = Cell(percent(max(0.0, weight.total)), sources.to(sources.whole), note)
        cells = (
            Cell(_plain.input_name(bar.input)),
            Cell(f"{ends[0]} to {ends[1]}", to),
            Cell(usd(bar.at_low_usd), sources.to(sources.whole)),
            Cell(usd(bar.at_high_usd), sources.to(sources.whole)),
            share,
            Cell("", links=sources.links(sources.assumed(bar.input))),
        )
        rows.append(Row(cells))
    columns = (
        Column("Input that nobody measured", wide=2.8),
        Column("Its range", right=True, wide=2),
        Column("Ahead at its low end", right=True, wide=1.4),
        Column("Ahead at its high end", right=True, wide=1.4),
        Column("Share of the doubt", right=True, wide=1.4),
        Column("From", wide=0.6),
    )
    return Table("What moves the answer", columns, tuple(rows)) if rows else None


def learning(found: Sequence[Learning], sources: Sources) -> Table | None:
    """What finding out would be worth, what it costs and how it is done."""
    rows = [
        Row(
            (
                Cell(_plain.input_name(one.what), note=_needed(one)),
                estimate(one.worth_usd, sources.to(sources.whole)),
                Cell("asking") if one.cost_usd is None else Cell(usd(one.cost_usd), sources.to(sources.whole)),
                Cell(one.how, tone="soft"),
                Cell("", links=sources.links(sources.whole)),
            )
        )
        for one in sorted(found, key=lambda one: -one.worth_usd.value)[:5]
    ]
    columns = (
        Column("To know", wide=2.8),
        Column("Is worth at most", right=True, wide=1.9),
        Column("Costs", right=True, wide=1),
        Column("How", wide=3),
        Column("From", wide=0.6),
    )
    return Table("What is worth finding out", columns, tuple(rows)) if rows else None


def _needed(one: Learning) -> str:
    if one.chance_needed is None:
        return ""
    return f"pays if it is good with a chance above {percent(one.chance_needed, 1)}"


def scenarios(rows: Sequence[ScenarioRow], sources: Sources) -> Table | None:
    """The answer in other worlds."""
    if not rows:
        return None
    today = rows[0]
    to = sources.to(sources.whole)
    made: list[Row] = []
    for row in rows:
        same = row.word == today.word and row.leads == today.leads
        saves = row.saving_usd
        empty = not row.leads or (not saves.low and not saves.high)
        cells = (
            Cell("as it is today" if row is today else row.text),
            Cell(_plain.PILLS[row.word], note="" if same or not row.leads else row.leads, tone=_plain.tone(row.word)),
            Cell(usd(row.rent_monthly_usd), to),
            BLANK if empty else spread(saves, to),
            BLANK if not row.regret_usd else Cell(usd(row.regret_usd), to),
            Cell("", links=sources.links(sources.whole)),
        )
        made.append(Row(cells, "" if same else "chosen"))
    columns = (
        Column("If", wide=3.4),
        Column("The answer is", wide=2),
        Column("Renting, a month", right=True, wide=1.3),
        Column("What leads saves in 24 months", right=True, wide=2),
        Column("Staying with today's costs", right=True, wide=1.4),
        Column("From", wide=0.6),
    )
    return Table("The answer in other worlds", columns, tuple(made))


def criteria(verdict: Verdict, sources: Sources) -> Table | None:
    """The classical criteria with their evidence."""
    if not verdict.criteria:
        return None
    rows = [
        Row(
            (
                Cell(one.name),
                Cell(one.speaks_for),
                Cell(one.answer),
                Cell(one.evidence, sources.to(sources.calls), note="" if one.rests_on == "nothing" else one.rests_on),
                Cell("", links=sources.links(sources.calls)),
            )
        )
        for one in verdict.criteria
    ]
    columns = (
        Column("Criterion", wide=1.5),
        Column("Speaks for", wide=1.1),
        Column("Holds", wide=1.1),
        Column("Evidence", wide=5),
        Column("From", wide=0.6),
    )
    return Table("The classical criteria", columns, tuple(rows))


def waiting(risk: Risk) -> str:
    """Whether deciding later pays, in a sentence; "" where that makes no sense."""
    if risk.waiting_usd is None:
        return ""
    found, months = risk.waiting_usd, risk.waiting_months
    if found.low > 0:
        worth = f"{usd(found.value)} ({usd_range(found.low, found.high)})"
        return f"Deciding in {months} months, with prices and volume seen, is worth {worth} more than deciding now."
    if found.high < 0:
        lost = flipped(found)
        worth = f"{usd(lost.value)} ({usd_range(lost.low, lost.high)})"
        return (
            f"Deciding in {months} months instead of now would cost {worth}, though prices and volume are seen by then."
        )
    return f"Deciding in {months} months instead of now makes no clear difference ({usd_range(found.low, found.high)})."
