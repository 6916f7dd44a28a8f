"""What was really paid: an invoice against the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._arguments import Json
from ._output import count, dim, emit_struct, say, strong, table, warn, working

if TYPE_CHECKING:
    from freehold.services.reconciling import Reconciled

_MOST_ROWS = 40


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("reconcile")(reconcile)


def reconcile(
    invoices: Annotated[list[Path], typer.Argument(help="Invoices or usage exports, as CSV.", metavar="INVOICE...")],
    provider: Annotated[str, typer.Option(help="Whose calls to compare; without it, the invoice says.")] = "",
    day_column: Annotated[str, typer.Option(help="The column of days, where it is not found out.")] = "",
    model_column: Annotated[str, typer.Option(help="The column of models.")] = "",
    amount_column: Annotated[str, typer.Option(help="The column of amounts in US dollars.")] = "",
    json: Json = False,
) -> None:
    """Compare a provider's invoice with the ledger, per day and model, and say why the two differ.

    Known are the exports of OpenAI and Anthropic (costs and usage), FOCUS, AWS cost and usage reports, and plain
    tables of date, model and amount. A costs export and a usage export of the same days say more together.

    Example: freehold reconcile costs.csv usage.csv
    """
    from freehold.services import reconciling
    from freehold.services.home import Home

    named = {"day": day_column, "model": model_column, "amount": amount_column}
    with Home.open() as home, working("comparing the invoice with the ledger"):
        found = reconciling.reconcile(
            home, invoices, provider=provider, columns={role: name for role, name in named.items() if name}
        )
    if json:
        emit_struct("freehold.reconcile/1", found)
        return
    _page(found)


def _page(found: Reconciled) -> None:
    from freehold.services.explaining import exact

    for taken in found.files:
        columns = ", ".join(f"{role} from {name}" for role, name in taken.columns.items())
        say(dim(f"{taken.path}: {taken.form}, {count(taken.lines)} lines; {columns}"))
    whose = " and ".join(found.providers) or "all providers"
    say(strong(f"{whose}, {found.first_day} to {found.last_day} (UTC)"))
    if not found.stated:
        say(warn("The export states no money: its tokens are valued at the prices that the ledger is."))
    if found.day_begins_h:
        say(f"The invoice's days were found to begin {-found.day_begins_h:+d} hours from those of UTC.")
    summary = [
        ["invoice", exact(found.invoice_usd)],
        ["ledger", exact(found.ledger_usd)],
        ["difference", exact(found.difference_usd)],
        *([f"  {name}", exact(usd)] for name, usd in found.parts.items()),
    ]
    table("|>US dollars", summary)
    rows = [
        [
            row.day,
            row.model,
            exact(row.invoice_usd) if row.invoice_usd is not None else "unknown",
            exact(row.ledger_usd) + (f" and {count(row.unpriced_calls)} calls unknown" if row.unpriced_calls else ""),
            exact(row.difference_usd) if row.difference_usd is not None else "unknown",
            "; ".join(f"{name} {exact(usd)}" for name, usd in row.parts.items()),
        ]
        for row in found.rows
        if row.difference_usd is None or row.difference_usd or row.unpriced_calls
    ]
    if rows:
        table("Day|Model|>Invoice|>Ledger|>Difference|Why", rows[:_MOST_ROWS], prose=True)
    if len(rows) > _MOST_ROWS:
        say(dim(f"{count(len(rows) - _MOST_ROWS)} more rows differ; --json has them all."))
    if not rows:
        say("Every day and model agrees to the last digit.")
