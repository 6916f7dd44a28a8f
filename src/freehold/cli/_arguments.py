"""Arguments that several commands share."""

from __future__ import annotations

import math
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.errors import UsageError

if TYPE_CHECKING:
    from freehold.services.windows import Window

Json = Annotated[bool, typer.Option("--json", help="Print JSON under a versioned schema.")]
Volume = Annotated[str, typer.Option(help="As if there were this many times the calls: x100.")]
Since = Annotated[str, typer.Option(help="Only calls from then on: 2026-11-01, or 7d for the last seven days.")]
Until = Annotated[str, typer.Option(help="Only calls before then.")]
By = Annotated[str, typer.Option(help="Who decides; goes into the audit log.")]


_MOST = 1e12
"""More than anybody can mean."""


def factor(text: str) -> float:
    """`x100`, `100x` or `100` as a number.

    Raises:
        UsageError: it is no positive number, or too large a one.
    """
    try:
        value = float(text.strip().lower().strip("x"))
    except ValueError:
        value = 0.0
    if not 0 < value <= _MOST:
        raise UsageError(f"{text!r} is no factor", hint="write it as x100 or x0.1")
    return value


_LONGEST_S = 366 * 86_400.0
"""Longer is a slip of the fingers, and more than clocks can wait for."""


def duration(option: str, text: str) -> float:
    """`90s`, `60m`, `1.5h` or `2d` in seconds.

    Raises:
        UsageError: it is no positive length of time, or more than a year.
    """
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
    number, unit = text.strip()[:-1], text.strip()[-1:].lower()
    try:
        value = float(number) * units[unit]
    except (ValueError, KeyError):
        value = 0.0
    if not 0 < value <= _LONGEST_S:  # nor is NaN
        raise UsageError(f"{option} is {text!r}, which is no length of time", hint=f"as in {option} 60m")
    return value


def moment_us(option: str, text: str) -> int | None:
    """A day or a moment in ISO 8601 (UTC where it states no offset), or how long ago: `7d`, `12h`; None for "".

    Microseconds since the epoch.

    Raises:
        UsageError: it is none of these.
    """
    if not text.strip():
        return None
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        try:
            return time.time_ns() // 1000 - round(duration(option, text) * 1e6)
        except UsageError:
            raise UsageError(f"{option} is {text!r}, which is no time", hint=f"{option} 2026-11-01 or 7d") from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1e6)


def window(since: str, until: str) -> Window:
    """The time that `--since` and `--until` leave.

    Raises:
        UsageError: one of them is no time, or nothing is left.
    """
    from freehold.services.windows import Window

    asked = Window(moment_us("--since", since), moment_us("--until", until))
    if asked.since_us is not None and asked.until_us is not None and asked.since_us >= asked.until_us:
        raise UsageError("--since is not before --until", hint="--since 14d --until 7d is the week before the last")
    return asked


def inside(option: str, value: float) -> float:
    """A number between 0 and 1, both excluded: a share, a risk.

    Raises:
        UsageError: it is not.
    """
    if not 0 < value < 1:
        raise UsageError(f"{option} is {value:g}, and must lie between 0 and 1", hint=f"as in {option} 0.1")
    return value


def positive(option: str, value: float) -> float:
    """A number above 0.

    Raises:
        UsageError: it is not.
    """
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"{option} is {value:g}, and must be above 0", hint=f"as in {option} 3")
    return value


def not_negative(option: str, value: float) -> float:
    """A number of 0 or more.

    Raises:
        UsageError: it is not.
    """
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"{option} is {value:g}, and must not be negative", hint=f"as in {option} 0.25")
    return value


def page(path: Path, option: str = "--out") -> Path:
    """Where a page or a log is to be written, looked at before the work that fills it.

    Raises:
        UsageError: it is a folder, or no file can be written there.
    """
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint=f"{option} {path / 'NAME'}")
    if not above.is_dir() or not os.access(path if path.exists() else above, os.W_OK):
        raise UsageError(f"{path} cannot be written", hint="choose another place for it")
    return path
