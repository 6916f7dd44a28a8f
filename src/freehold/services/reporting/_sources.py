"""Where every figure of a page comes from, as numbered entries that figures link to.

Entries are made from what the verdict carries (`Source`, `Assumption`, `Declared`, `Option.needs`), never by hand: S
for what was measured, priced or certified, A for what nobody measured, D for what was declared, F for what was computed
from these. The figures of a verdict lead to its F entries, and those to the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from freehold.settings import EconomicsSettings
from freehold.vocabulary import Assumption, Certificate, Option, Source, Verdict

from ._parts import Block, Cell, Column, Link, Row, Section, Table, Text
from ._plain import input_name, input_value

_OWN_SETTINGS = frozenset(EconomicsSettings.__struct_fields__) - {"assume"}


class Entry(NamedTuple):
    """One measured, priced or certified thing: what, of when, and where to look it up."""

    code: str
    source: Source
    how: str


class Sources:
    """The sources of one task's page.

    Args:
        verdict: whose figures are traced.
        certificate: the promise it rests on; None where there is none.
        model: the rented model as `provider/model`, "" where unknown.
        scenarios: how many futures the figures are computed over.
    """

    def __init__(self, verdict: Verdict, certificate: Certificate | None, model: str, scenarios: int) -> None:
        self._page = verdict.task_id
        self._verdict = verdict
        self._scenarios = scenarios
        self._certificate = certificate
        self._model = model
        options = [source for option in verdict.options for source in option.sources]
        listed = tuple(dict.fromkeys((*verdict.sources, *options)))
        if certificate is not None and not any(self._proves(source) for source in listed):
            listed = (*listed, Source(f"certificate {certificate.id}", certificate.issued_at))
        self._entries = [Entry(f"S{n}", source, self._how(source)) for n, source in enumerate(listed, 1)]
        self._of_source = {entry.source: entry.code for entry in self._entries}
        self._of_input = {item.name: f"A{n}" for n, item in enumerate(verdict.assumptions, 1)}
        self._of_option = {option.name: f"F{n}" for n, option in enumerate(verdict.options, 1)}

    def anchor(self, code: str) -> str:
        """The anchor of an entry."""
        return f"{self._page}-{code}"

    def link(self, code: str) -> Link:
        """An entry as a link."""
        return Link(code, self.anchor(code))

    @property
    def calls(self) -> str:
        """The code of the recorded calls."""
        return self._entries[0].code

    @property
    def whole(self) -> str:
        """The code of what is computed over all options: the comparison itself; the calls where there is none."""
        return f"F{len(self._of_option) + 1}" if self._of_option else self.calls

    @property
    def proof(self) -> str:
        """The code of the certificate; the calls where there is none."""
        return next((entry.code for entry in self._entries if self._proves(entry.source)), self.calls)

    def option(self, name: str) -> str:
        """The code of an option's figures."""
        return self._of_option.get(name, self.whole)

    def assumed(self, name: str) -> str:
        """The code of an input; that of the comparison for what is none."""
        return self._of_input.get(name, self.whole)

    def to(self, code: str) -> str:
        """Where a figure that rests on an entry leads."""
        return self.anchor(code)

    def links(self, *codes: str) -> tuple[Link, ...]:
        """Entries as links, each once."""
        return tuple(self.link(code) for code in dict.fromkeys(codes))

    def key(self) -> tuple[Link, ...]:
        """What was measured, priced and certified for this task, without the prices of its alternatives."""
        return self.links(*(self._of_source[source] for source in self._verdict.sources))

    def section(self) -> Section:
        """The entries themselves."""
        blocks: list[Block] = [self._measured()]
        if self._of_option:
            blocks += [self._assumed(), self._computed()]
        if self._verdict.declared:
            blocks.insert(2, self._declared())
        return Section("Sources", (_INTRODUCTION, *blocks), minor=True)

    def _proves(self, source: Source) -> bool:
        return self._certificate is not None and self._certificate.id in source.name

    def _how(self, source: Source) -> str:
        name = self._verdict.task_name
        if source is self._verdict.sources[0]:
            return f"freehold calls --task {name}"
        if self._proves(source):
            return f"freehold export {name} DIR holds it, with the calls it was measured on"
        if source.assumed:
            return f'state your own: [prices."{self._model}"] in freehold.toml'
        return "docs/economics.md, Your own prices"

    def _measured(self) -> Table:
        rows = [
            self._row(e.code, Cell(e.source.name), Cell(e.source.date[:24]), Cell(e.how, tone="soft"))
            for e in self._entries
        ]
        columns = (Column("", wide=0.35), Column("Measured, priced, certified", wide=3), Column("Of", wide=1.5))
        return Table("Measured, priced and certified", (*columns, Column("Where to look it up", wide=2.6)), tuple(rows))

    def _assumed(self) -> Table:
        rows = [self._input(item) for item in self._verdict.assumptions]
        columns = (
            Column("", wide=0.35),
            Column("Assumed or given", wide=2.4),
            Column("Value", right=True, wide=1.3),
            Column("Unit", wide=1.9),
            Column("Who says so", wide=2.2),
            Column("Where to set it", wide=2.2),
        )
        return Table("Assumed or given", columns, tuple(rows))

    def _input(self, item: Assumption) -> Row:
        code = self._of_input[item.name]
        value, low, high = (input_value(item.name, float(one)) for one in (item.value, item.low, item.high))
        note = "" if item.low == item.high else f"{low} to {high}"
        where = f"[economics] {item.name}" if item.name in _OWN_SETTINGS else f"[economics.assume] {item.name}"
        if "certificate" in item.source.name:
            where = f"freehold certify {self._verdict.task_name}"
        said = Cell(item.source.name, note=item.source.date[:10])
        cells = (Cell(input_name(item.name)), Cell(value, note=note), Cell(item.unit), said, Cell(where, tone="soft"))
        return self._row(code, *cells)

    def _declared(self) -> Table:
        rows = [
            self._row(f"D{n}", Cell(one.name.replace("_", " ")), Cell(one.value), Cell(one.origin), Cell(one.effect))
            for n, one in enumerate(self._verdict.declared, 1)
        ]
        columns = (
            Column("", wide=0.35),
            Column("Declared", wide=1.5),
            Column("Value", wide=1.5),
            Column("Where", wide=2),
            Column("What it does", wide=3),
        )
        return Table("Declared", columns, tuple(rows))

    def _computed(self) -> Table:
        options = self._verdict.options
        rows = [
            self._row(self._of_option[one.name], Cell(f"the figures of: {one.name}"), self._from(self._needed(one)))
            for one in options
        ]
        compared = (
            f"the comparison of all options: chances, ranges, what changes the answer ({self._scenarios:,} futures)"
        )
        rows.append(self._row(self.whole, Cell(compared), self._from(self._of_option.values())))
        columns = (Column("", wide=0.35), Column("Computed", wide=3), Column("From", wide=4))
        return Table("Computed", columns, tuple(rows))

    def _needed(self, option: Option) -> Sequence[str]:
        prices = [self._of_source[source] for source in option.sources]
        inputs = [self._of_input[name] for name in option.needs if name in self._of_input]
        rests_on = [self.proof] if option.quality in ("certified", "measured") else []
        bill = [self._of_source[source] for source in self._verdict.sources[1:] if not self._proves(source)]
        return list(dict.fromkeys((self.calls, *bill, *prices, *rests_on, *inputs)))

    def _from(self, codes: Iterable[str]) -> Cell:
        return Cell("", links=self.links(*codes))

    def _row(self, code: str, *cells: Cell) -> Row:
        return Row((Cell(code), *cells), id=self.anchor(code))


_INTRODUCTION = Text(
    "Every figure above is a link into these lists. S was measured, priced or certified; A was assumed, or given by "
    "somebody; D was declared to bind; F was computed from them.",
    tone="soft",
)
