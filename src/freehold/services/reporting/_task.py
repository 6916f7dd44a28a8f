"""The page of one task: the answer, the money, the risk, what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from freehold.services import _charts, deciding, wording
from freehold.services._charts import TornadoBar, counted
from freehold.verdict.outlook import Outlook, Totals, together
from freehold.verdict.scenarios import ScenarioRow
from freehold.vocabulary import OWNED_WORDS, Certificate, Option, Risk, Source, Task, Verdict

from . import _plain, _tables
from ._parts import Block, Cell, Chart, Lines, Page, Section, Text, Tile, chance, percent, spread, usd, usd_range
from ._sources import Sources


class Material(NamedTuple):
    """What a task's page is made from. `share`: of its calls that an owned model answers now, None for no model."""

    task: Task
    verdict: Verdict
    outlook: Outlook | None
    scenarios: Sequence[ScenarioRow]
    certificate: Certificate | None
    share: float | None
    model: str

    @property
    def chosen(self) -> Option | None:
        """The option that the answer stands for."""
        return deciding.chosen(self.verdict)

    @property
    def today(self) -> str:
        """The option of going on as today, by name, "" where there is none to compare with."""
        return "" if self.verdict.today is None else self.verdict.today.name

    @property
    def switches(self) -> bool:
        """Whether the answer changes anything: another model, or the same one used otherwise."""
        return self.chosen is not None and self.chosen.name != self.today

    @property
    def alone(self) -> Totals | None:
        """The money of this answer by itself, future by future; None where it changes nothing or nobody knows."""
        return together([self.outlook]) if self.switches and self.outlook is not None else None

    @property
    def n_scenarios(self) -> int:
        """How many futures were examined; 0 where nothing could be compared."""
        return 0 if self.outlook is None else len(self.outlook.gain_usd)

    @property
    def price(self) -> Source | None:
        """The rented model's price, None where nobody knows it."""
        if deciding.rent_usd(self.verdict) is None:
            return None
        _, *others = self.verdict.sources
        proof = None if self.certificate is None else self.certificate.id
        return next((source for source in others if proof is None or proof not in source.name), None)

    @property
    def guessed(self) -> int:
        """How many inputs nobody measured."""
        return sum(item.source.assumed for item in self.verdict.assumptions)

    def sources(self) -> Sources:
        """The entries that its figures lead to."""
        return Sources(self.verdict, self.certificate, self.model, self.n_scenarios)


def page(one: Material) -> Page:
    """The page of a task."""
    verdict, sources = one.verdict, one.sources()
    sections = [
        _why(one, sources),
        _volume(one, sources),
        _risk(one, sources),
        _rests(one, sources),
        _flips(one, sources),
        _learn(one, sources),
        _money(one, sources),
        _moves(one, sources),
        _worlds(one, sources),
        _steps(one, sources),
        _criteria(one, sources),
        sources.section(),
    ]
    over = f"{_plain.KINDS[verdict.kind]} · {counted(verdict.calls_per_month)} calls a month"
    return Page(
        id=verdict.task_id,
        title=verdict.task_name,
        over=over,
        pill=Cell(_plain.pill(verdict), tone=_plain.tone(verdict.word), pill=True),
        answer=Text(_plain.answer(verdict, one.chosen, one.model), sources.links(sources.whole)),
        tiles=tuple(_tiles(one, sources)),
        sections=tuple(section for section in sections if section is not None),
    )


def _tiles(one: Material, sources: Sources) -> list[Tile]:
    rent, chosen = deciding.rent_usd(one.verdict), one.chosen
    found: list[Tile] = []
    if rent is not None:
        found.append(Tile(spread(rent, sources.to(sources.option(one.today))), "a month as it is rented today"))
    if one.switches and chosen is not None:
        to = sources.to(sources.option(chosen.name))
        found.append(Tile(spread(chosen.monthly_usd, to), "a month with the answer, all included"))
        if "24" in chosen.npv_usd:
            found.append(Tile(spread(chosen.npv_usd["24"], to), "better off after 24 months, in today's money"))
    if chosen is not None and chosen.probability_wins is not None:
        wins = Cell(chance(chosen.probability_wins, one.n_scenarios), sources.to(sources.whole))
        found.append(Tile(wins, f"of {one.n_scenarios:,} futures give this answer"))
    promise = one.certificate
    if promise is not None and promise.certified:
        interval = promise.coverage_interval
        note = f"{percent(interval.low)} to {percent(interval.high)}, n = {promise.n:,}"
        kept = Cell(percent(promise.coverage), sources.to(sources.proof), note)
        found.append(Tile(kept, "of the calls a small model may answer, by its certificate"))
    return found


def _why(one: Material, sources: Sources) -> Section:
    verdict = one.verdict
    links = sources.key() + sources.links(sources.whole)
    blocks: list[Block] = [Text(verdict.reason, links)]
    blocks += [Text(warning, sources.links(sources.calls), "warn") for warning in verdict.warnings]
    proof = sources.links(sources.proof)
    promise = one.certificate
    when = "" if promise is None else f" Issued {promise.issued_at[:10]}, {promise.id}."
    if promise is not None or verdict.word in OWNED_WORDS:
        blocks.append(Text(f"What is promised. {wording.promise(promise)}{when}", proof))
    return Section("Why", tuple(blocks), lead=True)


def _money(one: Material, sources: Sources) -> Section | None:
    if not one.verdict.options:
        return None
    chosen = "" if one.chosen is None else one.chosen.name
    blocks: list[Block] = [_tables.costs(one.verdict, chosen, sources)]
    if any(option.quality == "unknown" and option.allowed for option in one.verdict.options):
        unknown = "Not known: nobody has measured that option's answers on this task's calls, so it may not be chosen."
        blocks.append(Text(unknown, tone="soft"))
    notes = _tables.beside(one.verdict, sources)
    blocks += [notes] if notes is not None else []
    svg = _charts.options_chart(one.verdict.options)
    if svg:
        alt = f"Monthly cost of {len(one.verdict.options)} options of {one.verdict.task_name}, as in the table above."
        caption = "The first month of every option that is allowed: the middle as a point, P10 to P90 as a line."
        blocks.append(Chart(svg, alt, caption, sources.links(sources.whole)))
    worth = _tables.worths(one.verdict, chosen, one.n_scenarios, sources)
    if worth is not None:
        blocks.append(worth)
    if one.outlook is not None and one.outlook.cash is not None:
        blocks.append(_cash(one.outlook, sources))
    if one.verdict.from_scratch:
        blocks.append(Text(one.verdict.from_scratch, sources.links(sources.whole), "soft"))
    return Section("The money", tuple(blocks))


def _volume(one: Material, sources: Sources) -> Section | None:
    outlook = one.outlook
    if outlook is None or not outlook.curves:
        return None
    whole = sources.links(sources.whole)
    crossings = [
        f"{curve.option.name} from {counted(curve.crossings[0])}" for curve in outlook.curves if curve.crossings
    ]
    where = f"Cheaper than renting: {'; '.join(crossings)} calls a month." if crossings else "No line crosses renting."
    renting = outlook.curves[0].option
    barred = "" if renting.allowed else f" Renting is drawn to compare with; it is not allowed: {renting.why_not}."
    today = f"{counted(outlook.today)} ({counted(outlook.today_low)} to {counted(outlook.today_high)})"
    caption = (
        "What a month costs on average over 24 months, with what it takes to begin, growth and falling prices, by how "
        f"many calls there are. Today: {today} calls a month. Bands: P10 to P90. Broken lines: nobody has measured "
        f"whether the answers are good enough. {where}{barred}"
    )
    alt = f"Cost a month by volume. Today is at {today} calls a month. {where}"
    return Section("Cost by volume", (Chart(_charts.crossover_chart(outlook), alt, caption, whole),), lead=True)


def _cash(outlook: Outlook, sources: Sources) -> Chart:
    assert outlook.cash is not None
    option, last = outlook.cash.option, outlook.cash.months[-1]
    back = wording.payback(option)
    when = "It is never paid back" if back == "never" else f"It is paid back after {back}"
    figures = f"{usd(last.mid)} ({usd(last.low)} to {usd(last.high)})"
    caption = (
        f"What to {option.name} would have saved by each month, undiscounted. {when}; after {last.at:.0f}: {figures}."
    )
    return Chart(_charts.cash_chart(outlook.cash), caption, caption, sources.links(sources.option(option.name)))


def _risk(one: Material, sources: Sources) -> Section | None:
    risk = one.verdict.risk
    return None if risk is None else Section("The risk", (Lines(tuple(_risks(one, risk, sources))),), lead=True)


def _rests(one: Material, sources: Sources) -> Section:
    """What was looked at, how old its price is, and how much nobody measured; the entries say the rest."""
    calls, price = one.verdict.sources[0], one.price
    found = [Text(f"{calls.name}, {calls.date}.", sources.links(sources.calls))]
    if price is None:
        found.append(Text("No price of the rented model is known."))
    else:
        found.append(Text(f"Prices: {price.name}, {price.date}.", sources.links(sources.key()[1].code)))
    if one.verdict.assumptions:
        text = f"{one.guessed} of {len(one.verdict.assumptions)} inputs are judgement or usual ranges: nobody measured"
        found.append(Text(f"{text} them here. Each is listed with its range and its source.", sources.links("A1")))
    return Section("What it rests on", (Lines(tuple(found)),), lead=True)


def _flips(one: Material, sources: Sources) -> Section | None:
    table = _tables.flips(one.verdict, sources)
    return None if table is None else Section("What would change the answer", (table,))


def _moves(one: Material, sources: Sources) -> Section | None:
    risk = one.verdict.risk
    if risk is None or not risk.tornado:
        return None
    return Section("What moves the answer", tuple(_tornado(risk, sources)))


def _risks(one: Material, risk: Risk, sources: Sources) -> list[Text]:
    whole = sources.links(sources.whole)
    unmeasured = ", if its answers are good enough, which nobody has measured" if risk.against_unmeasured else ""
    over = f"over {risk.horizon_months} months"
    ahead = (
        f"{_upper(risk.leading)} is {usd(risk.lead_usd)} ahead of its best rival {over} ({risk.against}{unmeasured})."
        if risk.lead_usd >= 0
        else f"{_upper(risk.against)} would be {usd(-risk.lead_usd)} better {over}{unmeasured}."
    )
    found = [ahead]
    chosen = one.chosen
    if chosen is not None and chosen.regret_usd is not None and chosen.regret_usd.value > 0:
        regret = chosen.regret_usd
        found.append(
            f"On average over {risk.scenarios:,} futures this answer loses {usd(regret.value)} "
            f"({usd_range(regret.low, regret.high)}) against the best choice in hindsight."
        )
    elif risk.known_usd is not None:
        known = risk.known_usd
        found.append(
            f"Knowing everything beforehand would be worth {usd(known.value)} ({usd_range(known.low, known.high)})."
        )
    found.append(_tables.waiting(risk))
    return [Text(text, whole) for text in found if text]


def _upper(text: str) -> str:
    return f"To {text}"


def _tornado(risk: Risk, sources: Sources) -> list[Block]:
    bars = [
        TornadoBar(
            _plain.input_name(bar.input),
            _plain.input_value(bar.input, bar.low),
            _plain.input_value(bar.input, bar.high),
            float(bar.at_low_usd),
            float(bar.at_high_usd),
        )
        for bar in risk.tornado
    ]
    caption = (
        "How far each input that nobody measured moves the lead, from one end of its range to the other. The line "
        "is the lead at their middle; left of the broken line at zero another option is better."
    )
    first = risk.tornado[0]
    alt = f"What moves the answer, widest first: {', '.join(bar.name for bar in bars[:3])}."
    links = sources.links(sources.whole, sources.assumed(first.input))
    table = _tables.inputs(risk, sources)
    return [Chart(_charts.tornado_chart(risk, bars), alt, caption, links), *([table] if table is not None else [])]


def _worlds(one: Material, sources: Sources) -> Section | None:
    table = _tables.scenarios(one.scenarios, sources)
    return None if table is None else Section("If the world changes", (table,))


def _steps(one: Material, sources: Sources) -> Section | None:
    table = _tables.steps(one.verdict, sources)
    if table is None:
        return None
    lead = "Most of what owning is said to save is the smaller model. These are the two steps, each by itself."
    return Section("The model and the ownership, apart", (Text(lead, tone="soft"), table))


def _learn(one: Material, sources: Sources) -> Section | None:
    risk = one.verdict.risk
    blocks: list[Block] = []
    if one.verdict.to_find_out:
        blocks.append(Text(_plain.spelled(one.verdict.to_find_out), sources.links(sources.whole)))
    table = None if risk is None else _tables.learning(risk.learn, sources)
    blocks += [table] if table is not None else []
    if not blocks and risk is not None:
        blocks.append(Text("Nothing: no single input would change the choice.", sources.links(sources.whole)))
    return Section("What to find out next", tuple(blocks)) if blocks else None


def _criteria(one: Material, sources: Sources) -> Section | None:
    table = _tables.criteria(one.verdict, sources)
    lead = Text("They explain; the money decides.", tone="soft")
    return None if table is None else Section("The classical criteria", (lead, table), minor=True)
