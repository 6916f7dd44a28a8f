"""What the traffic costs and takes: spend, latency, errors, savings, and any question in SQL."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.errors import UsageError

from ._accounts import errors_by, latency_by, spend_by, spend_total
from ._arguments import Json, Since, Until, window
from ._measured import batching, caching, looked, waste
from ._output import count, dim, emit_struct, suggest, table, talk, warn, working

if TYPE_CHECKING:
    from freehold.services.accounting import ErrorReport, LatencyReport, SpendReport
    from freehold.services.questioning import Savings
    from freehold.services.windows import Window

    _Report = SpendReport | LatencyReport | ErrorReport | Savings

Grouped = Annotated[str, typer.Option("--by", help="What to tell them apart by, separated by commas.")]
Most = Annotated[int, typer.Option("--calls", min=1, help="Look at no more than so many of the newest calls.")]


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("spend")(spend)
    app.command("latency")(latency)
    app.command("errors")(errors)
    app.command("savings")(savings)
    app.command("sql")(sql)


def spend(since: Since = "", until: Until = "", by: Grouped = "", json: Json = False) -> None:
    """Where the money goes: by task, model, provider, team, feature, key, user, tier, purpose, hour, day or month.

    Example: freehold spend --by task,model --since 30d
    """
    from freehold.services import accounting
    from freehold.services.home import Home

    asked, names = window(since, until), _names(by)
    with Home.open() as home, working("adding up what the calls cost"):
        found = accounting.spend(home, asked, [names] if names else [])
        sample_weight = home.settings.workload.sample_weight
    if not _shown("freehold.spend/1", found, asked, json=json):
        return
    spend_total(found, sample_weight)
    for one in found.tables:
        spend_by(one, found.looked)


def latency(since: Since = "", until: Until = "", by: Grouped = "task,model", json: Json = False) -> None:
    """How long answered calls take, phase by phase: by task, model, provider, owner, streamed, hour, day or month.

    Example: freehold latency --by model --since 7d
    """
    from freehold.services import accounting
    from freehold.services.home import Home

    asked = window(since, until)
    with Home.open() as home, working("reading how long the calls took"):
        found = accounting.latency(home, asked, _names(by))
    if _shown("freehold.latency/1", found, asked, json=json):
        latency_by(found)


def errors(since: Since = "", until: Until = "", by: Grouped = "model", json: Json = False) -> None:
    """How calls fail, and the requests behind them: by task, model, provider, team, feature, key, hour, day or month.

    Example: freehold errors --by provider --since 24h
    """
    from freehold.services import accounting
    from freehold.services.home import Home

    asked = window(since, until)
    with Home.open() as home, working("counting what failed"):
        found = accounting.errors(home, asked, _names(by))
    if _shown("freehold.errors/1", found, asked, json=json):
        errors_by(found)


def savings(since: Since = "", until: Until = "", most: Most = 100_000, json: Json = False) -> None:
    """What could be saved while renting on: prompt caching, batches, and tokens that bring nothing.

    Example: freehold savings --since 30d
    """
    from freehold.services import questioning
    from freehold.services.home import Home

    asked = window(since, until)
    with Home.open() as home, working("looking through the calls") as progress:
        found = questioning.savings(home, asked, most=most, progress=progress)
    if not _shown("freehold.savings/1", found, asked, json=json):
        return
    caching(found)
    batching(found)
    waste(found)


def sql(
    query: Annotated[str, typer.Argument(help="A SELECT in DuckDB's SQL; - reads it from standard input.")] = "",
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    most: Annotated[int, typer.Option("--limit", min=1, help="Print no more than so many rows.")] = 1000,
    json: Json = False,
) -> None:
    """Ask anything of the recorded calls, read-only. Without a query: what there is to ask.

    Example: freehold sql "SELECT model, count(*) FROM calls GROUP BY model"
    """
    from freehold.services import asking
    from freehold.services.home import Home

    if json and csv:
        raise UsageError("--json and --csv are two forms of one answer", hint="choose one")
    text = sys.stdin.read() if query == "-" else query
    with Home.open() as home, working("asking the ledger"):
        found = asking.sql(home, text or asking.VIEWS, most=most)
    if json:
        emit_struct("freehold.sql/1", found)
    elif csv:
        asking.write_csv(found, sys.stdout)
    else:
        table("|".join(found.columns), [[asking.cell(value) for value in row] for row in found.rows])
        if not text:
            talk(dim("docs/measuring.md says what each column means"))
    if found.cut:
        talk(warn(f"only the first {count(most)} rows are shown"), "; --limit changes that")


def _names(by: str) -> list[str]:
    return [name.strip() for name in by.split(",") if name.strip()]


def _shown(schema: str, found: _Report, window: Window, *, json: bool) -> bool:
    """Whether tables are to follow what is printed here: not after a document, and not where there is no call."""
    if json:
        emit_struct(schema, found)
        return False
    looked(found.looked)
    if not found.looked.calls and window.since_us is None and window.until_us is None:
        suggest("freehold import LOG")
    return found.looked.calls > 0
