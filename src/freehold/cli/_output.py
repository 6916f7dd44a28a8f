"""How commands speak: JSON and tables on stdout, talk and progress on stderr, figures as people read them."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.status import Status
from rich.table import Table

_ERR = Console(stderr=True, highlight=False)
_PLAIN_WIDTH = 200
"""Where stdout is no terminal there is no width to respect: rows must not be folded into shreds."""


def talk(message: str) -> None:
    """Say something to the person, on stderr."""
    _ERR.print(message, soft_wrap=True)


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
def working(what: str) -> Generator[Status]:
    """Show that something is being done; silent where stderr is no terminal."""
    with _ERR.status(what) as status:
        yield status


def table(title: str, columns: str, rows: Sequence[Sequence[str]], *, caption: str = "") -> None:
    """Print a table to stdout; headings are separated by bars, and one that begins with > stands to the right."""
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    made = Table(title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    made.caption, made.caption_justify = caption or None, "left"
    for heading in columns.split("|"):
        made.add_column(heading.lstrip(">"), justify="right" if heading.startswith(">") else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    Console(highlight=False, width=width).print(made)


def say(text: str) -> None:
    """Print a line of prose that is the command's result, to stdout."""
    Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH, soft_wrap=True).print(text)


def usd(amount: Decimal | float | None) -> str:
    """Dollars as people read them: cents below a hundred, whole dollars above, `unknown` for None."""
    if amount is None:
        return "unknown"
    value = Decimal(amount)
    sign = "-" if value < 0 else ""
    size = abs(value)
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
