"""How commands speak: JSON and tables on stdout, talk and progress on stderr, figures as people read them.

What is printed is data: names, ids and reasons come out of logs, so nothing in them is read as markup, and a control
character among them never reaches the terminal. Emphasis is an argument (`good`, `warn`, `bad`, `dim`, `strong`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import msgspec
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from ._layout import Sheet

Part = str | Text
"""A piece of a line: plain text, or text with emphasis."""

_PLAIN_WIDTH = 200
"""Where stdout is no terminal there is no width to respect: rows must not be folded into shreds."""
_PROSE_WIDTH = 48
"""Sentences in a column narrower than this are a ladder of words."""
_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "\ufffd")


def _console(*, stderr: bool = False) -> Console:
    file = sys.stderr if stderr else sys.stdout
    width = None if stderr or file.isatty() else _PLAIN_WIDTH
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


_ERR = _console(stderr=True)


def _line(parts: Sequence[Part]) -> Text:
    line = Text()
    for part in parts:
        line.append(part.translate(_CONTROLS) if isinstance(part, str) else part)
    return line


def _cell(part: Part) -> Text:
    """A cell of a table: a name that holds a line break would take the rows apart."""
    return _line([part.replace("\n", " ") if isinstance(part, str) else part])


def _styled(text: str, style: str) -> Text:
    return Text(text.translate(_CONTROLS), style=style)


def good(text: str) -> Text:
    """Text as something that went well."""
    return _styled(text, "green")


def warn(text: str) -> Text:
    """Text as something to look at."""
    return _styled(text, "yellow")


def bad(text: str) -> Text:
    """Text as something that failed."""
    return _styled(text, "red")


def dim(text: str) -> Text:
    """Text of less weight."""
    return _styled(text, "dim")


def strong(text: str) -> Text:
    """Text of more weight."""
    return _styled(text, "bold")


def _print(console: Console, parts: Sequence[Part]) -> None:
    line = _line(parts)
    if not console.is_terminal:  # a file or a pipe wants lines whole
        console.print(line, soft_wrap=True)
        return
    for one in line.split("\n", allow_blank=True):  # what is indented stays so where a terminal breaks it
        indent = len(one.plain) - len(one.plain.lstrip(" "))
        # An empty line has no width, and padded it would be no line at all.
        console.print(Padding(one[indent:], (0, 0, 0, indent), expand=False) if indent else one)


def talk(*parts: Part) -> None:
    """Say something to the person, on stderr."""
    _print(_ERR, parts)


def suggest(command: str) -> None:
    """Say what to type next, on stderr."""
    talk(dim("next:"), " ", command)


def emit(schema: str, **content: Any) -> None:
    """Write one JSON document to stdout, under a versioned schema."""
    document = {"schema": schema, **content}
    text = msgspec.json.format(msgspec.json.encode(document), indent=2)
    sys.stdout.write(text.decode() + "\n")


def emit_struct(schema: str, struct: msgspec.Struct) -> None:
    """Write a struct as one JSON document to stdout: its fields, and the schema they follow."""
    emit(schema, **{name: getattr(struct, name) for name in struct.__struct_fields__})


def emit_line(struct: msgspec.Struct) -> None:
    """Write a struct as JSON on a line of its own to stdout."""
    sys.stdout.write(msgspec.json.encode(struct).decode() + "\n")


@contextmanager
def working(what: str) -> Generator[Callable[[str], None]]:
    """Show that something is being done; silent where stderr is no terminal. Yields a way to say what is done now."""
    with _ERR.status(_line([what])) as status:
        yield lambda now: status.update(_line([now]))


def table(columns: str, rows: Sequence[Sequence[Part]], *, prose: bool = False) -> None:
    """Print a table to stdout; headings are separated by bars, and one that begins with > stands to the right.

    With `prose`, the last column is sentences: where a terminal leaves too little room for them, they follow the table,
    a paragraph each, under the names, in the first column that has a heading, of the rows that have it.
    """
    console = _console()
    headings = columns.split("|")
    cells = [[_cell(part) for part in row] for row in rows]
    apart = prose and Sheet(headings, cells).beside_last(console.width) < _PROSE_WIDTH
    shown = len(headings) - apart
    Sheet(headings[:shown], [row[:shown] for row in cells]).show(console)
    if apart:
        name = next((i for i, heading in enumerate(headings) if heading), 0)
        said: dict[str, list[list[Text]]] = {}
        for row in cells:
            if row[-1]:
                said.setdefault(row[-1].plain, []).append(row)
        for alike in said.values():
            names = Text("; ").join(row[name] for row in alike)
            console.print(Padding(_line([names, ": ", alike[0][-1]]), (0, 0, 0, 2), expand=False))
        if said:
            console.print()


def say(*parts: Part) -> None:
    """Print a line of prose that is the command's result, to stdout."""
    _print(_console(), parts)


def usd(amount: Decimal | float | None) -> str:
    """Dollars as people read them: cents below a hundred, whole dollars above; `unknown` for None, never 0 for some."""
    if amount is None:
        return "unknown"
    value = Decimal(amount)
    sign = "-" if value < 0 else ""
    size = abs(value)
    if 0 < size <= Decimal("0.005"):  # a half is rounded to the even cent, which is none
        return ">-$0.01" if sign else "<$0.01"
    return f"{sign}${size:,.2f}" if size < 100 else f"{sign}${size:,.0f}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share as a percentage; `-` for None."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def count(number: float) -> str:
    """A count with thousands separators, or in words of magnitude where it is large."""
    for size, unit in ((1e9, "B"), (1e6, "M")):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:,.0f}"
