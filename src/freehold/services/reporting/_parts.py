"""What a report is made of, whatever it is printed on: pages of sections of tables, charts and sentences.

Every figure is a `Cell` that names the entry of the sources it comes from. The templates of HTML and PDF draw the same
content from these structs and add no words of their own.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from freehold.vocabulary import Estimate, Range

Tone = Literal["", "own", "rent", "none", "soft", "warn"]
"""What a cell speaks of: owning, renting, neither; or how loud it is."""

_HALF_A_CENT = Decimal("0.005")
NBSP = "\u00a0"


class Link(msgspec.Struct, frozen=True):
    """A code of the sources, and the anchor of its entry."""

    code: str
    to: str


class Cell(msgspec.Struct, frozen=True):
    """A figure or a word: `note` stands small below it, `to` is the anchor of what it rests on, "" for no figure."""

    text: str
    to: str = ""
    note: str = ""
    tone: Tone = ""
    links: tuple[Link, ...] = ()
    pill: bool = False


class Column(msgspec.Struct, frozen=True):
    """A column's heading; figures stand to the right. `wide`: its share of the width, in print."""

    title: str
    right: bool = False
    wide: float = 1.0


class Row(msgspec.Struct, frozen=True):
    """A row; its first cell is its heading. `id` is an anchor."""

    cells: tuple[Cell, ...]
    look: Literal["", "chosen", "barred", "total"] = ""
    id: str = ""


class Table(msgspec.Struct, frozen=True):
    """A table, with what it says for those who do not see it."""

    label: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    kind: str = "table"


class Chart(msgspec.Struct, frozen=True):
    """A chart as an SVG document; `alt` says what it shows, `caption` how it is read."""

    svg: str
    alt: str
    caption: str
    links: tuple[Link, ...]
    kind: str = "chart"


class Text(msgspec.Struct, frozen=True):
    """Sentences, with the sources of the figures in them."""

    text: str
    links: tuple[Link, ...] = ()
    tone: Tone = ""
    kind: str = "text"


class Lines(msgspec.Struct, frozen=True):
    """Several sentences, each on a line of its own."""

    items: tuple[Text, ...]
    kind: str = "lines"


Block = Table | Chart | Text | Lines


class Section(msgspec.Struct, frozen=True):
    """A heading and what stands below it.

    `lead`: part of the one printed page that is read by who signs; these come first. `minor`: of use to who checks the
    figures rather than to who decides.
    """

    title: str
    blocks: tuple[Block, ...]
    minor: bool = False
    lead: bool = False


class Tile(msgspec.Struct, frozen=True):
    """A figure that is read first."""

    cell: Cell
    label: str


class Page(msgspec.Struct, frozen=True):
    """One page: of the portfolio, or of one task."""

    id: str
    title: str
    over: str
    pill: Cell | None
    answer: Text
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]


class Report(msgspec.Struct, frozen=True):
    """Every page, the first of which is the portfolio's unless one task alone was asked for."""

    title: str
    made_on: str
    pages: tuple[Page, ...]


def usd(amount: Decimal | float) -> str:
    """Dollars as people read them: cents below a hundred, whole dollars above, and never 0 for some."""
    exact = Decimal(amount)
    size = abs(exact)
    if 0 < size <= _HALF_A_CENT:  # a half is rounded to the even cent, which is none
        return ">\u2212$0.01" if exact < 0 else "<$0.01"
    sign = "\u2212" if exact < 0 else ""
    return f"{sign}${size:,.2f}" if size < 100 else f"{sign}${size:,.0f}"


def usd_range(low: Decimal, high: Decimal) -> str:
    """From one amount to another."""
    return f"{usd(low)} to {usd(high)}"


def usd_short(amount: Decimal) -> str:
    """Dollars to three digits, where a column has no room for more: $46.1k, \u2212$1.33M."""
    size, sign = abs(amount), "\u2212" if amount < 0 else ""
    for unit, name in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if size >= 10 * unit or (size >= unit and name != "k"):
            return f"{sign}${float(size) / unit:.3g}{name}"
    return usd(amount)


def spread_short(figure: Range | Estimate, to: str) -> Cell:
    """The figure above its range, both short."""
    middle = figure.mid if isinstance(figure, Range) else figure.value
    if figure.low == figure.high:
        return Cell(usd_short(middle), to)
    return Cell(usd_short(middle), to, f"{usd_short(figure.low)} to {usd_short(figure.high)}")


def spread(figure: Range, to: str, *, tone: Tone = "") -> Cell:
    """P50 above P10 to P90."""
    if figure.low == figure.mid == figure.high:
        return Cell(usd(figure.mid), to, tone=tone)
    return Cell(usd(figure.mid), to, usd_range(figure.low, figure.high), tone)


def estimate(figure: Estimate, to: str) -> Cell:
    """A mean above its 95 % interval."""
    return Cell(usd(figure.value), to, usd_range(figure.low, figure.high))


def percent(share: float, digits: int = 0) -> str:
    """A share as a percentage."""
    return f"{100 * share:.{digits}f}{NBSP}%"


def chance(share: float, scenarios: int) -> str:
    """How often something holds among the futures examined, never surer than their number allows."""
    if scenarios and share * scenarios < 0.5:
        return f"under {percent(1 / scenarios, 1)}"
    if scenarios and (1 - share) * scenarios < 0.5:
        return f"over {percent(1 - 1 / scenarios, 1)}"
    return percent(share)


def flipped(estimate: Estimate) -> Estimate:
    """The same the other way round: what is gained as what is lost."""
    return Estimate(-estimate.value, -estimate.high, -estimate.low)


DASH = "\u2013"
BLANK = Cell(DASH)
"""Where there is no figure."""
