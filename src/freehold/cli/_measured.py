"""Measured traffic on a terminal: tables of savings, what they rest on, and how figures are told."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from ._output import Part, count, dim, percent, say, strong, table, usd

if TYPE_CHECKING:
    from freehold.analytics.latency import Quantile
    from freehold.services.questioning import Savings
    from freehold.services.windows import Looked

_ROWS = 12
"""Rows of a table that are shown; `--json` has all."""


def looked(found: Looked) -> None:
    """What the figures below rest on."""
    if not found.calls:
        say("There is no call to look at.")
        return
    say(dim(covered(found)))


def covered(found: Looked) -> str:
    """How many calls that are, and from when to when."""
    newest = "" if found.calls == found.of_calls else f", the newest of {count(found.of_calls)}"
    return f"{count(found.calls)} calls{newest}, {_plain(found.since)} to {_plain(found.until)} UTC"


def caching(found: Savings) -> None:
    """What a provider's prompt cache could have served."""
    title("Prompt caching", "prompts of 1,024 tokens or more that begin like another of the five minutes before")
    rows = [
        [
            row.task or "-",
            row.model + (f" ({row.service_tier})" if row.service_tier else ""),
            f"{count(row.eligible)} of {count(row.calls)}",
            percent(row.cacheable_tokens / max(row.prompt_tokens, 1)),
            percent(row.reordered_tokens / max(row.prompt_tokens, 1)),
            percent(row.cached_tokens / max(row.prompt_tokens, 1)),
            usd(row.saved_usd),
            usd(found.monthly(row.saved_usd)),
        ]
        for row in found.caching
        if row.eligible
    ]
    rows_of(
        "Task|Model|>Long enough|>Could be read|>If what varies came last|>Was read|>Would save|>A month",
        rows,
        "every prompt is shorter",
    )


def batching(found: Savings) -> None:
    """Which calls could wait for a batch."""
    title("Batches", "calls for which nobody is seen to wait; whether nobody does, you have to know")
    rows = [
        [
            row.task or "-",
            row.model,
            row.could,
            percent(row.streamed / row.calls, 1),
            percent(row.followed / row.calls, 1) if row.known_runs else "not known",
            usd(row.usd),
            usd(row.saved_usd),
            usd(found.monthly(row.saved_usd)),
        ]
        for row in found.batching
    ]
    rows_of("Task|Model|Could wait|>Streamed|>Followed|>Cost|>Would save|>A month", rows, "no call was answered")


def waste(found: Savings) -> None:
    """Tokens that brought nothing, with the definition of each kind."""
    from freehold.analytics.waste import KINDS

    title("Waste", "kinds overlap: do not add them up")
    rows = [
        [
            row.task or "-",
            row.kind.replace("_", " "),
            f"{count(row.calls)} of {count(row.of_calls)}",
            ("about " if row.estimated else "") + count(row.tokens),
            usd(row.usd) + (f", {count(row.unpriced)} unknown" if row.unpriced else ""),
            usd(found.monthly(row.usd)),
        ]
        for row in found.waste
    ]
    rows_of("Task|What|>Calls|>Tokens|>Cost|>A month", rows, "none found")
    for kind in dict.fromkeys(row.kind for row in found.waste[:_ROWS]):
        say(dim(f"  {kind.replace('_', ' ')}: {KINDS[kind]}"))


def chain(tasks: tuple[str, ...]) -> str:
    """The tasks of a workflow in a line; a long chain by its beginning."""
    names = [task or "-" for task in tasks]
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return " \u2192 ".join(names[:6]) + more


def ms(value: float) -> str:
    """A length of time as people read it."""
    if value < 1000:
        return f"{value:.0f} ms"
    for most, size, unit in ((120_000, 1000, "s"), (7_200_000, 60_000, "min"), (172_800_000, 3_600_000, "h")):
        if value < most:
            return f"{value / size:.1f} {unit}"
    return f"{value / 86_400_000:.1f} days"


def exact(amount: object) -> str:
    """A small amount of money with the digits that tell it from zero, three of them."""
    return f"${Decimal(f'{float(str(amount)):.3g}'):,f}"


def rate(part: int, whole: int, interval: tuple[float, float]) -> str:
    """A share with its interval."""
    low, high = interval
    return f"{percent(part / whole, 1)} ({percent(low, 1)} to {percent(high, 1)})"


def quantile(one: Quantile) -> str:
    """A length of time with its interval, a unit of both written once."""
    if one.interval is None:
        return f"{ms(one.ms)} (too few)"
    low, high = ms(one.interval.low), ms(one.interval.high)
    unit = high.partition(" ")[2]
    return f"{ms(one.ms)} ({low.removesuffix(f' {unit}')} to {high})"


def _plain(moment: str) -> str:
    return moment.removesuffix("+00:00").replace("T", " ")


def title(name: str, what: str) -> None:
    """The heading of a table, and what the table is about."""
    say()
    say(strong(name), dim(f": {what}" if what else ""))


def rows_of(columns: str, rows: Sequence[Sequence[Part]], none: str) -> None:
    """A table's first rows, or that there are none."""
    if not rows:
        say(f"  {none}")
        return
    table(columns, rows[:_ROWS])
    if len(rows) > _ROWS:
        say(dim(f"  and {count(len(rows) - _ROWS)} more; --json has all"))
