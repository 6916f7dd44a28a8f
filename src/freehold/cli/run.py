"""Running: up, demo, doctor, config."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._arguments import By, Json, factor, page
from ._output import bad, dim, emit, emit_struct, say, table, talk, warn

config_app = typer.Typer(help="What is set, and where it was set.")


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    for command in (up, pause, resume, demo, doctor):
        app.command()(command)
    app.add_typer(config_app, name="config")


def up(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Gateway processes that share the port.")] = None,
) -> None:
    """Start the gateway. Point any OpenAI client at it.

    Example: freehold up --port 8080
    """
    from freehold.services import starting

    debug = bool(context.find_root().params.get("debug"))
    starting.become(host=host, port=port, workers=workers, debug=debug)


def pause(
    task: Annotated[str, typer.Argument(help="One task; everything without it.")] = "",
    reason: Annotated[str, typer.Option(help="Why; goes into the audit log.")] = "",
    by: By = "",
) -> None:
    """Stop owned answers, of one task or of all: everything is rented, now, without a restart.

    What is restricted is refused meanwhile. Stages stay as they are.

    Example: freehold pause sort_messages --reason "wrong labels since Monday"
    """
    from freehold.services import pausing
    from freehold.services.home import Home

    with Home.open() as home:
        for line in pausing.pause(home, task, by=by, reason=reason):
            say(line)


def resume(
    task: Annotated[str, typer.Argument(help="One task; the pause of everything without it.")] = "",
    reason: Annotated[str, typer.Option(help="Why; goes into the audit log.")] = "",
    by: By = "",
) -> None:
    """End a pause: owned models answer again as their stages say.

    Example: freehold resume sort_messages
    """
    from freehold.services import pausing
    from freehold.services.home import Home

    with Home.open() as home:
        for line in pausing.resume(home, task, by=by, reason=reason):
            say(line)


def demo(
    json: Json = False,
    volume: Annotated[str, typer.Option(help="What one recorded call stands for, times this: x0.01.")] = "x1",
    teacher_error: Annotated[float, typer.Option(min=0, max=1, help="How often the rented model errs.")] = 0.01,
    price: Annotated[str, typer.Option(help="The rented model's price, times this: x0.1.")] = "x1",
    restricted: Annotated[bool, typer.Option(help="Whether the health desk's messages are restricted.")] = True,
    out: Annotated[Path, typer.Option(help="Where to write the report.")] = Path("freehold-report.html"),
    keep: Annotated[Path | None, typer.Option(help="Keep the demo's home in this folder to look around.")] = None,
) -> None:
    """The whole circle on a recorded product, offline, in about a minute.

    Example: freehold demo --volume x0.01
    """
    from freehold.demo import show, walk

    options = walk.DemoOptions(factor(volume), teacher_error, factor(price), restricted, page(out), keep)
    result = walk.run(options, progress=talk)
    if json:
        emit_struct("freehold.demo/1", result)
        return
    table(show.COLUMNS, show.rows(result), prose=True)
    for line in show.closing(result):
        say(line)


def doctor(
    write_off: Annotated[str, typer.Option(help="Give up this damaged file of the ledger.")] = "",
    json: Json = False,
) -> None:
    """What is wrong, and the command that mends it. Exit code 1 where something is.

    Example: freehold doctor
    """
    from freehold.services import doctoring
    from freehold.services.home import Home

    if write_off:
        with Home.open() as home:
            talk(doctoring.write_off(home, write_off))
    findings = doctoring.examine()
    if json:
        emit("freehold.doctor/1", findings=findings)
    elif findings:
        for finding in findings:
            say(bad(finding.what) if finding.severity == "error" else warn(finding.what))
            if finding.mend:
                say("  ", dim("next:"), " ", finding.mend)
    else:
        say("nothing is wrong")
    if findings:
        raise typer.Exit(1)


@config_app.command()
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value came from.")] = False,
    json: Json = False,
) -> None:
    """Every setting with its value. Keys are never shown: settings name the variable that holds them.

    Example: freehold config show --origin
    """
    from freehold.services import doctoring

    rows = doctoring.settings_rows()
    if json:
        emit("freehold.config/1", settings=rows)
        return
    cells = [[r.name, r.value, r.origin] if origin else [r.name, r.value] for r in rows]
    table("Setting|Value|Origin" if origin else "Setting|Value", cells)
