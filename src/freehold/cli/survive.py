"""Surviving one's providers: models that are about to go, and what an outage would do."""

from __future__ import annotations

from typing import Annotated

import typer

from ._arguments import Json
from ._output import bad, count, dim, emit, say, table, usd, warn, working


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("models")(models)


def models(
    risk: Annotated[bool, typer.Option("--risk", help="Say which of them will be shut down, and when.")] = False,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the providers for their lists first.")] = False,
    json: Json = False,
) -> None:
    """The rented models in use, with calls, spend and tasks; --risk says which are about to be shut down.

    Example: freehold models --risk --refresh
    """
    from freehold.services import model_lists, radar
    from freehold.services.home import Home

    with Home.open() as home, working("looking through the calls"):
        if refresh:
            model_lists.refresh(home)
        found = radar.models(home)
    if json:
        emit("freehold.models/1", as_of=found.as_of, models=found.models, lists=found.lists)
        return
    columns = "Model|Provider|>Calls|>Spend|Last seen|Tasks"
    rows = [
        [m.model, m.provider or "-", count(m.calls), usd(m.spend_usd), m.last_seen, ", ".join(m.tasks)]
        for m in found.models
    ]
    if not risk:
        table(columns, rows, prose=True)
        return
    said = [radar.in_words(m.risk) for m in found.models]
    table(f"{columns}|What is known", [[*row, words] for row, words in zip(rows, said, strict=True)], prose=True)
    for one in found.lists:
        state = f"{count(one.models)} models on {one.fetched_on}" if one.fetched_on else "never"
        say(dim(f"list of {one.provider}: {state}"), *((" ", bad(one.error)) if one.error else ()))
    if not found.lists:
        say(warn("No provider was asked for its list of models yet: "), "freehold models --risk --refresh")
