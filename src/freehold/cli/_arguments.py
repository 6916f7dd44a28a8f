"""Arguments that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from freehold.errors import UsageError

Json = Annotated[bool, typer.Option("--json", help="Print JSON under a versioned schema.")]
Volume = Annotated[str, typer.Option(help="As if there were this many times the calls: x100.")]
By = Annotated[str, typer.Option(help="Who decides; goes into the audit log.")]


def factor(text: str) -> float:
    """`x100`, `100x` or `100` as a number.

    Raises:
        UsageError: it is no positive number.
    """
    try:
        value = float(text.strip().lower().strip("x"))
    except ValueError:
        value = 0.0
    if value <= 0:
        raise UsageError(f"{text!r} is no factor", hint="write it as x100 or x0.1")
    return value
