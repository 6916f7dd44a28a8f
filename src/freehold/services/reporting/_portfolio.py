"""The first page: the answer for all tasks, the money together, the risk, what it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from freehold.services import _charts, deciding, radar
from freehold.services._charts import Bill, counted
from freehold.verdict.outlook import Totals, together
from freehold.vocabulary import Certificate

from . import _plain
from ._parts import (
    BLANK,
    NBSP,
    Block,
    Cell,
    Chart,
    Column,
    Lines,
    Link,
    Page,
    Row,
    Section,
    Table,
    Text,
    Tile,
    chance,
    percent,
    spread,
    usd,
    usd_range,
)
from ._sources import Sources
from ._task import Material

ID = "portfolio"
_TOTAL = "portfolio-F1"
_COUNT = "portfolio-F2"
_HORIZON = 24


def page(tasks: Sequence[Material], endings: Sequence[tuple[str, str, radar.Risk]]) -> Page:
    """The page over all tasks. `endings`: rented models that are about to go."""
    verdicts = [one.verdict for one in tasks]
    outlooks = [one.outlook for one in tasks if one.outlook is not None]
    totals = together(outlooks) if outlooks else None
    sources = {one.verdict.task_id: one.sources() for one in tasks}
    sections = [
        _answers(tasks, sources, totals),
        _risks(tasks, sources, totals, endings),
        _summed(tasks),
        _changes(tasks, sources),
        _next(tasks, sources),
        _rests(tasks, sources, totals),
        _reading(),
    ]
    calls = sum(v.calls_per_month for v in verdicts)
    factor = verdicts[0].volume_factor if verdicts else 1.0
    asked = f", as if there were {factor:g} times as many" if factor != 1.0 else ""
    return Page(
        id=ID,
        title=_plain.counts(verdicts),
        over=f"{len(verdicts)} recurring tasks · {counted(calls)} calls a month{asked}",
        pill=None,
        answer=Text(_summary(tasks, totals), _total_links() if totals is not None else ()),
        tiles=tuple(_tiles(tasks, totals)),
        sections=tuple(section for section in sections if section is not None),
    )


def _total_links() -> tuple[Link, ...]:
    return (Link("F1", _TOTAL),)


def _summary(tasks: Sequence[Material], totals: Totals | None) -> str:
    if totals is None:
        return "Nothing can be compared yet."
    unpriced = sum(one.outlook is None for one in tasks)
    verbs = ("has", "is") if unpriced == 1 else ("have", "are")
    left_out = f" {unpriced} of the tasks {verbs[0]} no known price and {verbs[1]} not in it." if unpriced else ""
    if totals.chance is None:
        now = f"{usd(totals.now_usd.mid)} a month ({usd_range(totals.now_usd.low, totals.now_usd.high)})"
        return f"Renting all of it costs {now}, and nothing known today is better.{left_out}"
    once = f"{usd(totals.once_usd.mid)} ({usd_range(totals.once_usd.low, totals.once_usd.high)})"
    return (
        f"The answers below would take the bill from {usd(totals.now_usd.mid)} to {usd(totals.then_usd.mid)} a month, "
        f"for {once} once. In {chance(totals.chance, totals.scenarios)} of the {totals.scenarios:,} futures examined "
        f"that pays within {_HORIZON} months.{_free(tasks)}{left_out}"
    )


def _free(tasks: Sequence[Material]) -> str:
    """How often it pays without the answers that are not chosen for their money, "" where there are none."""
    bound = [one for one in tasks if one.outlook is not None and _costs_more(one)]
    free = together([one.outlook for one in tasks if one.outlook is not None and not _costs_more(one)])
    if not bound or free.chance is None:
        return ""
    names = ", ".join(one.verdict.task_name for one in bound)
    share = chance(free.chance, free.scenarios)
    return f" Without {names}, where the data decides and not the money, in {share}."


def _tiles(tasks: Sequence[Material], totals: Totals | None) -> list[Tile]:
    found: list[Tile] = []
    if totals is not None:
        found.append(Tile(spread(totals.now_usd, _TOTAL), "a month now, everything rented"))
        if totals.chance is not None:
            found.append(Tile(spread(totals.then_usd, _TOTAL), "a month with the answers below"))
            found.append(Tile(spread(totals.gain_usd, _TOTAL), f"better off after {_HORIZON} months, in today's money"))
    calls = sum(one.verdict.calls_per_month for one in tasks) or 1.0
    owned = sum(one.verdict.calls_per_month * (one.share or 0.0) for one in tasks)
    promised = sum(_certified(one.certificate) for one in tasks)
    note = f"{promised} of {len(tasks)} tasks carry a certificate"
    found.append(Tile(Cell(percent(owned / calls), f"{ID}-S1", note), "of the calls go to owned models now"))
    return found


def _certified(certificate: Certificate | None) -> bool:
    return certificate is not None and certificate.certified


def _answers(tasks: Sequence[Material], sources: dict[str, Sources], totals: Totals | None) -> Section:
    rows = [_answer(one, sources[one.verdict.task_id]) for one in tasks]
    if totals is not None and len(rows) > 1:
        saved = spread(totals.saved_usd, _TOTAL) if totals.chance is not None else BLANK
        pays = Cell(chance(totals.chance, totals.scenarios), _TOTAL) if totals.chance is not None else BLANK
        together_ = Cell("together")
        now, then = spread(totals.now_usd, _TOTAL), spread(totals.then_usd, _TOTAL)
        rows.append(
            Row((together_, Cell(""), now, then, saved, pays, Cell(""), Cell("", links=_total_links())), "total")
        )
    columns = (
        Column("Task", wide=2.9),
        Column("Answer", wide=2.1),
        Column("A month now", right=True, wide=1.9),
        Column("With the answer", right=True, wide=1.9),
        Column("Saved a month", right=True, wide=2),
        Column("Pays in", right=True, wide=1),
        Column("Owned now", right=True, wide=1.1),
        Column("From", wide=0.7),
    )
    table = Table("The answer for each task", columns, tuple(rows))
    blocks: list[Block] = [table]
    bills = [_bill(one) for one in tasks]
    shown = [bill for bill in bills if bill is not None]
    if shown:
        alt = "Each task's month now and with its answer, as in the table above."
        caption = "A month now, and with the answer: the middle as a point, P10 to P90 as a line."
        blocks.append(Chart(_charts.bills_chart(shown), alt, caption, _total_links()))
    lead = f"Pays in: the share of the futures examined in which the answer beats renting within {_HORIZON} months."
    return Section("What each task should do", (Text(lead, tone="soft"), *blocks), lead=True)


def _answer(one: Material, sources: Sources) -> Row:
    verdict, chosen, alone = one.verdict, one.chosen, one.alone
    rent = deciding.rent_usd(verdict)
    code = sources.option(chosen.name) if chosen is not None else sources.whole
    to, rented = sources.to(code), sources.to(sources.option(one.today))
    saved, pays, then = BLANK, BLANK, BLANK
    if chosen is not None:
        then = spread(chosen.monthly_usd, to)
    if alone is not None:
        saved = spread(alone.saved_usd, to)
        pays = BLANK if alone.chance is None else Cell(chance(alone.chance, alone.scenarios), to)
    owned = BLANK if one.share is None else Cell(percent(one.share), sources.to(sources.proof))
    calls = f"{counted(verdict.calls_per_month)} calls a month"
    cells = (
        Cell(verdict.task_name, verdict.task_id, f"{_plain.KINDS[verdict.kind]}; {calls}"),
        Cell(_plain.pill(verdict), tone=_plain.tone(verdict.word), pill=True),
        Cell("not known") if rent is None else spread(rent, rented),
        then,
        saved,
        pays,
        owned,
        Cell("", links=sources.links(sources.calls, code)),
    )
    return Row(cells)


def _bill(one: Material) -> Bill | None:
    rent, chosen = deciding.rent_usd(one.verdict), one.chosen
    if rent is None:
        return None
    return Bill(one.verdict.task_name, rent, rent if chosen is None else chosen.monthly_usd)


def _risks(
    tasks: Sequence[Material],
    sources: dict[str, Sources],
    totals: Totals | None,
    endings: Sequence[tuple[str, str, radar.Risk]],
) -> Section | None:
    lines: list[Text] = []
    if totals is not None and totals.chance is not None:
        wrong = f"under {percent(1 / totals.scenarios, 1)}" if totals.chance == 1 else percent(1 - totals.chance, 1)
        low = f"one in ten ends below {usd(totals.gain_usd.low)}"
        lines.append(
            Text(f"In {wrong} of the futures the answers cost more than going on as today; {low}.", _total_links())
        )
    for one in tasks:
        if one.verdict.provisional:
            mine = sources[one.verdict.task_id]
            what = "is not decided" if one.verdict.word == "not_enough_evidence" else "is provisional"
            lines.append(Text(f"{one.verdict.task_name} {what}: see its page.", mine.links(mine.whole)))
    lines += [_bound(one, sources[one.verdict.task_id]) for one in tasks if _costs_more(one)]
    lines += _endings(endings)
    return Section("The risk", (Lines(tuple(lines)),), lead=True) if lines else None


def _changes(tasks: Sequence[Material], sources: dict[str, Sources]) -> Section | None:
    blocks = (*_nearest(tasks, sources), *_worlds(tasks, sources))
    return Section("What would change the answers", blocks) if blocks else None


def _summed(tasks: Sequence[Material]) -> Section:
    """What all the answers rest on together, in a few lines; the table says it for each."""
    links = tuple(Link(one.verdict.task_name, one.verdict.task_id) for one in tasks)
    priced = sum(one.price is not None for one in tasks)
    proven = sum(_certified(one.certificate) for one in tasks)
    days = sorted({one.price.date for one in tasks if one.price is not None})
    dated = f", of {days[0]}" if len(days) == 1 else f", of {days[0]} to {days[-1]}" if days else ""
    guessed = max(one.guessed for one in tasks)
    text = (
        f"Recorded calls of {len(tasks)} tasks; prices of {priced} of them{dated}; certificates of {proven}. Up to "
        f"{guessed} inputs of an answer are judgement or usual ranges. Each task's page names its own."
    )
    return Section("What it rests on", (Text(text, links),), lead=True)


def _costs_more(one: Material) -> bool:
    """Whether the answer is what is allowed rather than what is cheapest."""
    rent, chosen = deciding.rent_usd(one.verdict), one.chosen
    return rent is not None and chosen is not None and chosen.monthly_usd.mid > rent.mid


def _bound(one: Material, sources: Sources) -> Text:
    assert one.outlook is not None
    saved = together([one.outlook]).saved_usd
    more = f"{usd(-saved.mid)} a month ({usd_range(-saved.high, -saved.low)})"
    text = f"{one.verdict.task_name} is bound by what was declared: its answer costs {more} more than renting would."
    return Text(text, sources.links(sources.whole))


def _endings(endings: Sequence[tuple[str, str, radar.Risk]]) -> list[Text]:
    """Rented models that are about to go; one that was called under several providers' names, once."""
    found: dict[str, Text] = {}
    for provider, model, risk in sorted(endings, key=lambda one: not one[0]):
        said = "; ".join(f"{source.name}, {source.date}" for source in risk.sources)
        name = f"{provider}/{model}" if provider else model
        found.setdefault(model, Text(f"{name} {radar.in_words(risk)}. Source: {said}.", tone="warn"))
    return list(found.values())


def _nearest(tasks: Sequence[Material], sources: dict[str, Sources]) -> list[Block]:
    """What would change each answer first."""
    rows: list[Row] = []
    for one in tasks:
        mine = sources[one.verdict.task_id]
        to = mine.to(mine.whole)
        known = [flip for flip in one.verdict.flips if flip.at is not None and flip.now > 0]
        if not known:
            continue
        flip = min(known, key=lambda one: abs(float(one.at or 0) / one.now - 1) if one.at else 1.0)
        there, far = _plain.input_value(flip.input, flip.at or 0.0), _plain.distance(flip)
        cells = (
            Cell(one.verdict.task_name, one.verdict.task_id),
            Cell(_plain.input_name(flip.input)),
            Cell(_plain.input_value(flip.input, flip.now), to),
            Cell(there, to, "" if far == there else far),
            Cell(_plain.PILLS[flip.to], tone=_plain.tone(flip.to)),
            Cell("", links=mine.links(mine.whole)),
        )
        rows.append(Row(cells))
    columns = (
        Column("Task", wide=2.4),
        Column("What changes its answer first", wide=2.8),
        Column("Now", right=True, wide=1.4),
        Column("At", right=True, wide=1.4),
        Column("It becomes", wide=1.8),
        Column("From", wide=0.6),
    )
    return [Table("What changes each answer first", columns, tuple(rows))] if rows else []


def _worlds(tasks: Sequence[Material], sources: dict[str, Sources]) -> list[Block]:
    """How many answers stand in other worlds, and which do not."""
    told = [one for one in tasks if one.scenarios]
    if not told:
        return []
    rows: list[Row] = []
    steady: list[str] = []
    for place, scenario in enumerate(told[0].scenarios[1:], 1):
        changed = [
            one for one in told if place < len(one.scenarios) and one.scenarios[place].word != one.scenarios[0].word
        ]
        stand = len(told) - len(changed)
        if not changed:
            steady.append(scenario.text)
            continue
        others = tuple(
            Link(f"{one.verdict.task_name}: {_plain.PILLS[one.scenarios[place].word]}", mine.to(mine.whole))
            for one, mine in ((one, sources[one.verdict.task_id]) for one in changed)
        )
        rows.append(Row((Cell(scenario.text), Cell(f"{stand} of {len(told)}", _COUNT), Cell("", links=others))))
    columns = (
        Column("If", wide=4),
        Column("Answers that stand", right=True, wide=1.3),
        Column("The others become", wide=4),
    )
    found: list[Block] = [Table("If the world changes", columns, tuple(rows))] if rows else []
    if steady:
        found.append(Text(f"Every answer stands if {'; if '.join(steady)}.", (Link("F2", _COUNT),), "soft"))
    return found


def _next(tasks: Sequence[Material], sources: dict[str, Sources]) -> Section | None:
    rows: list[Row] = []
    for one in tasks:
        if not one.verdict.to_find_out:
            continue
        mine = sources[one.verdict.task_id]
        name = Cell(one.verdict.task_name, one.verdict.task_id)
        what = Cell(_plain.spelled(one.verdict.to_find_out), mine.to(mine.whole))
        rows.append(Row((name, what, Cell("", links=mine.links(mine.whole)))))
    columns = (Column("Task", wide=2), Column("What to do", wide=6), Column("From", wide=0.6))
    return Section("What to find out next", (Table("What to find out next", columns, tuple(rows)),)) if rows else None


def _rests(tasks: Sequence[Material], sources: dict[str, Sources], totals: Totals | None) -> Section:
    rows = [_rest(one, sources[one.verdict.task_id], n) for n, one in enumerate(tasks)]
    columns = (
        Column("Task", wide=2.2),
        Column("Calls", wide=2.2),
        Column("Prices", wide=2.6),
        Column("Certificate", wide=2.2),
        Column("Nobody measured", right=True, wide=1.1),
        Column("From", wide=1),
    )
    blocks: list[Block] = [Table("What each answer rests on", columns, tuple(rows))]
    if totals is not None:
        text = (
            f"The tasks' bills are added in each of {totals.scenarios:,} futures; the range is that of the sums. What "
            "tasks share, such as wages and the growth of calls, is taken to fall alike on all of them."
        )
        counted_ = (
            "The answers of the tasks under each assumption, counted: each task's page has them with their money."
        )
        links = Cell(
            "",
            links=tuple(
                Link(f"{one.verdict.task_name}{NBSP}{mine.whole}", mine.to(mine.whole))
                for one, mine in ((one, sources[one.verdict.task_id]) for one in tasks if one.outlook is not None)
            ),
        )
        computed = (
            Row((Cell("F1"), Cell(text), links), id=_TOTAL),
            Row((Cell("F2"), Cell(counted_), links), id=_COUNT),
        )
        head = (Column("", wide=0.35), Column("Computed", wide=4), Column("From", wide=4))
        blocks.append(Table("Computed", head, computed))
    return Section("What each answer rests on", tuple(blocks))


def _rest(one: Material, sources: Sources, n: int) -> Row:
    verdict = one.verdict
    calls, price = verdict.sources[0], one.price
    promise = one.certificate
    proof = Cell("none")
    if promise is not None:
        word = "" if promise.certified else "no promise; "
        proof = Cell(promise.id, sources.to(sources.proof), f"{word}n = {promise.n:,}, {promise.issued_at[:10]}")
    paid = Cell("none known")
    if price is not None:
        paid = Cell(price.name, sources.to(sources.key()[1].code), price.date)
    cells = (
        Cell(verdict.task_name, verdict.task_id),
        Cell(calls.name, sources.to(sources.calls), calls.date),
        paid,
        proof,
        Cell(str(one.guessed), sources.to("A1") if verdict.assumptions else sources.to(sources.calls)),
        Cell("", links=sources.key()),
    )
    return Row(cells, id=f"{ID}-S{n + 1}")


def _reading() -> Section:
    rows = tuple(Row((Cell(name), Cell(text))) for name, text in _plain.READING)
    table = Table("What the words mean", (Column("Word", wide=2), Column("Meaning", wide=7)), rows)
    return Section("What the words mean", (table,), minor=True)
