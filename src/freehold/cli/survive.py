"""Surviving one's providers: models that are about to go, and what an outage would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.errors import UsageError

from ._arguments import Json, duration
from ._output import bad, count, dim, emit, emit_struct, say, suggest, table, usd, warn, working

if TYPE_CHECKING:
    from freehold.services.drilling import TaskDrill
    from freehold.services.losing import Loss
    from freehold.services.radar import ModelRow

drill_app = typer.Typer(help="Rehearsals of what may happen.")


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("models")(models)
    app.add_typer(drill_app, name="drill")


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
        [m.model, m.provider or "-", count(m.calls), _spend(m), m.last_seen, ", ".join(m.tasks)] for m in found.models
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


@drill_app.command()
def outage(
    provider: Annotated[str, typer.Argument(help="The provider that is down, by its name in the settings.")],
    lasting: Annotated[str, typer.Option("--for", help="How long it is down: 90s, 60m, 2h.")] = "60m",
    speed: Annotated[float, typer.Option(min=1, help="How much faster than it was.")] = 600,
    log: Annotated[Path | None, typer.Option(help="Rehearse with this log, not with the recorded calls.")] = None,
    fault: Annotated[
        list[str] | None, typer.Option(help="What it does while down: 429, 500, 503, stall, drop, cut; a mixture.")
    ] = None,
    to: Annotated[str, typer.Option(help="Rehearse against this gateway, not against one made for it.")] = "",
    listen: Annotated[str, typer.Option(help="With --to: HOST:PORT where that gateway finds the provider.")] = "",
    json: Json = False,
) -> None:
    """Rehearse an outage: what would have failed, who would have stood in, at what cost and quality, per task.

    Recorded traffic is played to a gateway configured as this home is, whose providers play the recording. Nothing is
    sent to any provider and nothing is written into the home.

    Example: freehold drill outage openai --for 60m
    """
    from freehold.gateway import faults
    from freehold.services import drilling
    from freehold.services.home import Home

    if bool(to) != bool(listen):
        raise UsageError("--to and --listen belong together", hint="--to http://staging:8080 --listen 0.0.0.0:9100")
    order = drilling.Order(provider, duration("--for", lasting), speed, log, faults.named(fault or ()))
    with Home.open() as home, working("rehearsing an outage") as progress:
        if to:
            drill = drilling.elsewhere(home, order, to, listen, progress=progress)
        else:
            drill = drilling.outage(home, order, progress=progress)
    if json:
        emit_struct("freehold.drill/1", drill)
        return
    for line in drilling.in_words(drill):
        say(line)
    table("Task|>Calls|>Would have failed|>Failed|Stood in|>Cost more|How good", [_row(one) for one in drill.tasks])


@drill_app.command()
def replica(
    task: Annotated[str, typer.Argument(help="The task whose owned model loses a worker.")],
    fault: Annotated[
        list[str] | None, typer.Option(help="How: kill (as when memory runs out), hang; both in turn by default.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Calls a second meanwhile.")] = 20.0,
    everyone: Annotated[bool, typer.Option("--all", help="Lose all its workers at once, not one of them.")] = False,
    json: Json = False,
) -> None:
    """Rehearse losing an owned model's worker under load: what clients saw, and how long until it answered again.

    Recorded calls of the task are sent to a gateway configured as this home is, with its real workers, whose providers
    play the recording. Exit code 3 where a call failed, or where one of a restricted task left.

    Example: freehold drill replica sort_messages
    """
    from freehold.services import losing
    from freehold.services.home import Home

    order = losing.LossOrder(task, losing.named(fault or ()), rate, everyone)
    with Home.open() as home, working("rehearsing a loss") as progress:
        drill = losing.replica(home, order, progress=progress)
    if json:
        emit_struct("freehold.drill_replica/1", drill)
    else:
        for line in losing.in_words(drill):
            say(line)
        columns = "Lost by|>Calls|>Owned|>Rented|>Refused|>Failed|>Owned again after|>Slowest"
        table(columns, [_lost(one) for one in drill.losses])
        if drill.workers == 1 and any(one.refused or one.rented for one in drill.losses):
            suggest("gateway.owned_workers = 2 in freehold.toml keeps one answering while the other comes back")
    if not drill.passes:
        raise typer.Exit(3)


@drill_app.command()
def redeploy(
    task: Annotated[str, typer.Argument(help="The task whose owned model is redeployed.")],
    calls: Annotated[int, typer.Option(min=1, help="How many recorded calls are asked in both places.")] = 200,
    json: Json = False,
) -> None:
    """Redeploy an owned model into an empty home, timed, and compare its answers there with those here.

    An archive is all that goes over. Nothing is written into this home but a line in its audit log. Exit code 3 where
    an answer differs.

    Example: freehold drill redeploy sort_messages
    """
    from freehold.services import redeploying
    from freehold.services.home import Home

    with Home.open() as home, working("redeploying") as progress:
        found = redeploying.redeploy(home, task, calls=calls, progress=progress)
    if json:
        emit_struct("freehold.drill_redeploy/1", found)
    else:
        rows = [[phase.name, f"{phase.seconds:,.2f}", phase.what] for phase in found.phases]
        table("Phase|>Seconds|What", [*rows, ["total", f"{found.total_s:,.2f}", ""]], prose=True)
        for line in redeploying.in_words(found):
            say(line)
    if not found.passes:
        raise typer.Exit(3)


def _spend(model: ModelRow) -> str:
    """What is known of a model's spend, and of how many calls nothing is."""
    known = [usd(model.spend_usd)] if model.spend_usd or not model.unpriced else []
    return " + ".join([*known, f"{count(model.unpriced)} unknown"] if model.unpriced else known)


def _lost(one: Loss) -> list[str]:
    back = "not in time" if one.back_after_s is None else f"{one.back_after_s:.1f} s" if one.back_after_s else "at once"
    counts = (one.calls, one.owned, one.rented, one.refused, one.failed)
    return [one.fault, *map(count, counts), back, f"{one.slowest_ms:,.0f} ms"]


def _row(task: TaskDrill) -> list[str]:
    from freehold.services import drilling, explaining

    stood_in = ", ".join(f"{name} {count(number)}" for name, number in task.stood_in.items()) or "-"
    cost = "unknown" if task.unpriced else explaining.exact(task.extra_usd)
    return [
        task.task or "-",
        count(task.calls),
        count(task.exposed),
        count(task.failed),
        stood_in,
        cost,
        drilling.worth(task),
    ]
