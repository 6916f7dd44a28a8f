"""How a table lies in the width there is: words and figures stay whole, and what has no room beside goes above.

Three layouts, the first that has room: columns, whose sentences fold between words; the same with the first column on a
line of its own above each row; one line per field, as wide answers of SQL need it. Only a word that is longer than
`_LONG_WORD` is broken, and only where nothing else helps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

_GAP = 3
"""Blank columns between two columns of a table."""
_MARGIN = 1
_INDENT = 3
_LONG_WORD = 22
_LONG_FIGURE = 18
"""`1,489 of 1,957` is one figure: it stands on one line where it is not longer than this."""


class Sheet:
    """A table's headings and cells, ready to be printed; a heading that begins with > stands to the right."""

    def __init__(self, headings: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
        self._right = [heading.startswith(">") for heading in headings]
        self._headings = [Text(heading.lstrip(">"), style="bold") for heading in headings]
        self._rows = rows

    def show(self, console: Console) -> None:
        """Print it in the first layout that has room."""
        lines = self._laid_out(console)
        for line in lines:
            line.rstrip()
            console.print(line, soft_wrap=True)

    def beside_last(self, width: int) -> int:
        """The columns of the terminal that would be left for the last column if no other had to fold."""
        return width - sum(self._natural(i) + _GAP for i in range(len(self._headings) - 1))

    def _laid_out(self, console: Console) -> Iterator[Text]:
        for whole in (True, False):
            widths = self._widths(0, console.width - 2 * _MARGIN, whole=whole)
            if widths is not None:
                return self._columns(console, widths)
            widths = self._widths(1, console.width - _INDENT - _MARGIN, whole=whole)
            if widths:
                return self._grouped(console, widths)
        return self._fields(console)

    def _column(self, index: int) -> list[Text]:
        return [self._headings[index], *(row[index] for row in self._rows)]

    def _natural(self, index: int) -> int:
        return max(_longest(cell.plain.split("\n")) for cell in self._column(index))

    def _least(self, index: int, *, whole: bool) -> int:
        """The narrowest that a column can be; with `whole`, without breaking a figure or any word."""
        words = max(_longest(cell.plain.split()) for cell in self._column(index))
        if not whole:
            return min(words, _LONG_WORD)
        figures = _longest([row[index].plain for row in self._rows]) if self._right[index] else 0
        if index:
            words = min(words, _LONG_WORD)
        return max(words, figures if figures <= _LONG_FIGURE else 0)

    def _widths(self, first: int, room: int, *, whole: bool) -> list[int] | None:
        """A width for every column from `first` on, or None where their narrowest find no room."""
        columns = range(first, len(self._headings))
        least = [self._least(i, whole=whole) for i in columns]
        room -= _GAP * (len(least) - 1)
        if sum(least) > room:
            return None
        widths = [max(self._natural(i), low) for i, low in zip(columns, least, strict=True)]
        while sum(widths) > room:  # the widest gives way first, down to its narrowest
            spare = [width if width > low else 0 for width, low in zip(widths, least, strict=True)]
            widths[spare.index(max(spare))] -= 1
        return widths

    def _columns(self, console: Console, widths: Sequence[int]) -> Iterator[Text]:
        yield Text()
        yield from self._head(console, 0, widths, _MARGIN)
        for row in self._rows:
            yield from self._folded(console, 0, row, widths, _MARGIN)
        yield Text()

    def _grouped(self, console: Console, widths: Sequence[int]) -> Iterator[Text]:
        """The first cell of a row above it; rows whose first cell is empty belong to the one before."""
        yield Text()
        if self._headings[0].plain:
            yield Text(" " * _MARGIN) + self._headings[0]
        yield from self._head(console, 1, widths, _INDENT)
        for row in self._rows:
            if row[0].plain:
                yield Text(" " * _MARGIN) + row[0]
            yield from self._folded(console, 1, row, widths, _INDENT)
        yield Text()

    def _head(self, console: Console, first: int, widths: Sequence[int], indent: int) -> Iterator[Text]:
        yield from self._folded(console, first, self._headings, widths, indent, bottom=True)
        yield Text(" " * _MARGIN + "\u2500" * (sum(widths) + _GAP * (len(widths) - 1) + indent - _MARGIN))

    def _folded(
        self,
        console: Console,
        first: int,
        row: Sequence[Text],
        widths: Sequence[int],
        indent: int,
        *,
        bottom: bool = False,
    ) -> Iterator[Text]:
        """The lines of one row; with `bottom`, cells of fewer lines stand at the last ones."""
        cells = [
            [Text()] if not cell.plain else list(cell.wrap(console, width, overflow="fold"))
            for cell, width in zip(row[first:], widths, strict=True)
        ]
        most = max(len(lines) for lines in cells)
        for number in range(most):
            whole = Text(" " * indent)
            for index, (lines, width) in enumerate(zip(cells, widths, strict=True)):
                at = number - (most - len(lines)) if bottom else number
                line = lines[at] if 0 <= at < len(lines) else Text()
                line.rstrip()
                blank = " " * (width - line.cell_len)
                gap = " " * _GAP if index else ""
                whole += Text(gap + blank) + line if self._right[first + index] else Text(gap) + line + Text(blank)
            yield whole

    def _fields(self, console: Console) -> Iterator[Text]:
        """One line per field, the rows apart by an empty line; the names of the fields where there is no row."""
        wide = min(max(heading.cell_len for heading in self._headings), console.width // 2)
        widths = [wide, max(console.width - wide - _GAP - 2 * _MARGIN, 1)]
        pair = Sheet(["", ""], [])
        for row in self._rows or [[Text()] * len(self._headings)]:
            yield Text()
            for heading, cell in zip(self._headings, row, strict=True):
                yield from pair._folded(console, 0, [heading, cell], widths, _MARGIN)
        yield Text()


def _longest(parts: Sequence[str]) -> int:
    return max((cell_len(part) for part in parts), default=0)
