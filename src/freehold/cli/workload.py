"""A task's traffic, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ._arguments import Json
from ._output import count, emit_struct, percent, say, table, working
from .traffic import task_app

if TYPE_CHECKING:
    from freehold.analytics.statistics import Statistic

_DIGITS = {"days": 1, "tokens": 1, "bits": 2, "times": 2, "PSI": 3}


def register(_: typer.Typer) -> None:
    """Add this group's commands."""
    task_app.command("stats")(stats)


def stats(
    task: str,
    names: Annotated[str, typer.Option(metavar="MODEL", help="Look for names too, with this spaCy model.")] = "",
    json: Json = False,
) -> None:
    """What a task's traffic looks like: volume, bursts, forecast, narrowness, drift, repeats, waiting, personal data.

    Each figure says what it is of how many calls, with its interval or why there is none.

    Example: freehold task stats sort_messages
    """
    from freehold.services import measuring
    from freehold.services.home import Home

    with Home.open() as home, working("measuring the calls"):
        found = measuring.measure(home, home.task(task), names=names)
    if json:
        emit_struct("freehold.task_stats/1", found)
        return
    say(f"{found.task}: {count(found.calls)} calls from {found.since or '-'} to {found.until or '-'}")
    if found.read < found.calls:
        say(f"{count(found.calls - found.read)} of them have no body: what they held is not known.")
    if found.sampled < found.read:
        say(f"Texts were looked at in {count(found.sampled)} of {count(found.read)} calls, drawn at random.")
    if found.untimed:
        say(f"Of {count(found.untimed)} calls the log states no time: when they came is when the log was written.")
    table("|Statistic|>Value|>95 % interval|>Of|What it is", _rows(found.statistics), prose=True)


def _rows(statistics: tuple[Statistic, ...]) -> list[list[str]]:
    rows: list[list[str]] = []
    before = ""
    for one in statistics:
        group = one.group if one.group != before else ""
        before = one.group
        found = one.interval
        interval = "-" if found is None else f"{_plain(one, found.low)} to {_plain(one, found.high)}"
        rows.append([group, one.name, _value(one), interval, _of(one), _meaning(one)])
    return rows


def _of(one: Statistic) -> str:
    return count(one.n) if one.n == one.of else f"{count(one.n)} of {count(one.of)}"


def _meaning(one: Statistic) -> str:
    """What it is; how to read this value; why there is no value or interval, or what the interval takes for granted."""
    missing = one.value is None or one.interval is None
    parts = [
        one.definition,
        one.note,
        f"no {'value' if one.value is None else 'interval'}: {one.why}" if missing else "",
    ]
    return "; ".join(part for part in parts if part)


def _value(one: Statistic) -> str:
    if one.value is None:
        return "unknown"
    unit = "" if one.unit == "share" else f" {one.unit}"
    return f"{_plain(one, one.value)}{unit}"


def _plain(one: Statistic, value: float) -> str:
    if one.unit == "share":
        return percent(value, 1)
    digits = _DIGITS.get(one.unit, 0)
    return f"{value:,.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"
