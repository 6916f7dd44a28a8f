"""Virtual keys: who may call, until when, for how much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.errors import UsageError

from ._arguments import By, Json
from ._output import bad, count, dim, emit, emit_struct, good, say, suggest, table, talk, usd, warn, working

if TYPE_CHECKING:
    from freehold.services.keys import KeyRow

keys_app = typer.Typer(help="Virtual keys with budgets and limits, for those who call through the gateway.")


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.add_typer(keys_app, name="keys")


@keys_app.command()
def create(
    name: str,
    *,
    budget: Annotated[str | None, typer.Option(help="Money per day, week, month or total: 50usd/month.")] = None,
    rpm: Annotated[int, typer.Option(help="Requests a minute; 0 for no limit.")] = 0,
    tpm: Annotated[int, typer.Option(help="Tokens a minute; 0 for no limit.")] = 0,
    expires: Annotated[str | None, typer.Option(help="When it ends: 90d, 12h, or a date (its end, UTC).")] = None,
    models: Annotated[list[str] | None, typer.Option(help="Models it is for, as patterns; may be repeated.")] = None,
    tasks: Annotated[list[str] | None, typer.Option(help="Tasks it is for, as patterns; may be repeated.")] = None,
    team: Annotated[str, typer.Option(help="Whose it is; a label.")] = "",
    by: By = "",
    json: Json = False,
) -> None:
    """Make a virtual key. It is shown once, now, and kept as a digest alone.

    Example: freehold keys create search-team --budget 50usd/month --rpm 600
    """
    from freehold.services import keys
    from freehold.services.home import Home

    for_models, for_tasks = _several(models), _several(tasks)
    said = {"budget": budget, "expires": expires, "models": for_models, "tasks": for_tasks}
    for option, value in said.items():  # an empty variable in a script would else make a key without the limit
        if value is not None and not value:
            raise UsageError(f"--{option} says nothing", hint=f"leave --{option} out for a key without it")
    limits = keys.Limits(budget or "", rpm, tpm, expires or "", for_models or (), for_tasks or (), team)
    with Home.open() as home:
        row, secret = keys.create(home, name, limits, by=by)
        where = home.path.resolve()
    if json:
        emit("freehold.key/1", key=secret, **{field: getattr(row, field) for field in row.__struct_fields__})
        return
    talk(f"The key of {row.name}, for gateways of the home {where}; it cannot be shown again:")
    say(secret)
    suggest("send it as Authorization: Bearer, x-api-key or api-key; freehold keys list shows what it spends")


def _several(given: list[str] | None) -> tuple[str, ...] | None:
    """Patterns from an option that may be repeated, and from lists with commas in it; None where it was not given."""
    return None if given is None else tuple(one.strip() for text in given for one in text.split(",") if one.strip())


@keys_app.command("list")
def list_keys(json: Json = False) -> None:
    """Every key, with its limits and what it has spent in the present period.

    Example: freehold keys list
    """
    from freehold.services import keys
    from freehold.services.home import Home

    with Home.open() as home:
        rows = keys.listed(home)
    if json:
        emit("freehold.keys/1", keys=rows)
        return
    _table(rows)
    if not rows:
        suggest("freehold keys create NAME --budget 50usd/month --rpm 600")


@keys_app.command()
def revoke(
    name: str,
    by: By = "",
    reason: Annotated[str, typer.Option(help="Why; goes into the audit log.")] = "",
    json: Json = False,
) -> None:
    """Take a key back: running gateways refuse it within a second.

    Example: freehold keys revoke search-team
    """
    from freehold.services import keys
    from freehold.services.home import Home

    with Home.open() as home:
        row = keys.revoke(home, name, by=by, reason=reason)
    if json:
        emit_struct("freehold.key/1", row)
        return
    say(f"the key {row.name} is revoked")


@keys_app.command()
def rebuild(json: Json = False) -> None:
    """Make the account of budgets anew from the recorded calls, where it is damaged or lost. No gateway may run.

    Example: freehold keys rebuild
    """
    from freehold.services import keys
    from freehold.services.home import Home

    with Home.open() as home, working("adding up what keys have spent"):
        rebuilt = keys.rebuild(home)
    if json:
        emit_struct("freehold.keys/1", rebuilt)
        return
    _table(rebuilt.keys)
    say(f"{count(rebuilt.calls)} calls counted")
    if rebuilt.unpriced:
        say(warn(f"{count(rebuilt.unpriced)} calls have no token counts or no price, and are not in it"))


def _table(rows: Sequence[KeyRow]) -> None:
    marks = {"active": good, "expired": dim, "revoked": bad}
    cells = [
        [
            row.name,
            marks[row.status](row.status),
            row.team,
            "-" if row.budget_usd is None else f"{usd(row.budget_usd)} / {row.period}",
            "-" if row.spent_usd is None else usd(row.spent_usd),
            "-" if row.reserved_usd is None else usd(row.reserved_usd),
            str(row.rpm or "-"),
            str(row.tpm or "-"),
            row.expires_at[:10] or "-",
            ", ".join((*row.models, *row.tasks)) or "everything",
        ]
        for row in rows
    ]
    table("Key|Status|Team|>Budget|>Spent|>Reserved|>Rpm|>Tpm|Expires|For", cells)
