"""What the traffic is: import, calls, tasks, a task's edits, replay."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import privacy
from ._arguments import By, Json, page
from ._imports import emit_import, imported
from ._output import count, emit_line, emit_struct, percent, say, suggest, table, warn, working
from ._pages import explained_legs

if TYPE_CHECKING:
    from freehold.services.discovering import TaskListing

log_app = typer.Typer(help="The recorded calls as a file.")
task_app = typer.Typer(help="Look at a task, rename, merge, split, tag it: what a person decides survives discovery.")


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("import")(import_log)
    app.command("tasks")(tasks)
    app.command("calls")(calls)
    app.command("explain")(explain)
    app.command("replay")(replay)
    app.command("gold")(gold)
    app.command("feedback")(feedback)
    privacy.register_log(log_app)
    app.add_typer(log_app, name="log")
    app.add_typer(task_app, name="task")


def import_log(
    paths: Annotated[
        list[str],
        typer.Argument(help="Logs, folders of logs, or postgresql://… of a LiteLLM proxy.", metavar="PATH..."),
    ],
    kind: Annotated[str, typer.Option("--format", help="The format; without it, it is found out.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come in, and write nothing.")] = False,
    json: Json = False,
) -> None:
    """Bring existing logs into the ledger: JSONL, JSON or CSV, plain or compressed.

    The format is found out and said. Importing twice adds nothing, an interrupted import goes on where it stood, and
    records that cannot be read are reported while the rest comes in.

    Example: freehold import calls.jsonl --dry-run
    """
    from freehold.services import ingest
    from freehold.services.home import Home

    with Home.open() as home, working("looking at the logs") as now:
        done = ingest.import_logs(home, paths, format_name=kind, dry_run=dry_run, progress=now)
    if json:
        emit_import(done)
        return
    imported(done)
    suggest("freehold import, without --dry-run" if dry_run else "freehold tasks")


def tasks(
    json: Json = False,
    refresh: Annotated[bool, typer.Option("--refresh", help="Look again even if no calls have come since.")] = False,
    versions: Annotated[bool, typer.Option("--versions", help="The versions of each task's prompt, by id.")] = False,
) -> None:
    """The recurring tasks found in the traffic, without tags.

    Example: freehold tasks --versions
    """
    from freehold.services import checking, discovering
    from freehold.services.home import Home

    with Home.open() as home, working("finding the recurring tasks") as now:
        listing = discovering.list_tasks(home, refresh=refresh, say=now)
        judged = checking.known(home)
        every = discovering.versions(home) if versions else []
    if json:
        emit_struct("freehold.tasks/1", listing)
        return
    if versions:
        table("Task|Version|>Calls when found|Constant text", [[v.task, v.id, count(v.calls), v.text] for v in every])
        suggest("freehold task split TASK NAME VERSION...")
        return
    if not listing.calls and not listing.tasks:
        say("There is no call to look at.")
        suggest("freehold import LOG")
        return
    _tasks_page(listing)
    for one in listing.tasks:
        answers, broken = judged.get(one.id, (0, 0))
        if broken:
            say(warn(f"{one.name}: {count(broken)} of {count(answers)} later answers broke their contract."))
            suggest(f"freehold contract {one.name} --check")
    if listing.tasks:
        suggest(f"freehold task show {listing.tasks[0].name}")
    suggest("freehold verdict")


def _tasks_page(listing: TaskListing) -> None:
    """The tasks, how sure they are, and what of the traffic is in none of them."""
    rows = [
        [
            t.name,
            "not seen" if t.stated else t.kind,
            count(t.calls),
            percent(t.share, 1),
            str(t.versions),
            "-" if t.stability is None else f"{t.stability:.2f}",
            f"{t.stage}, paused" if t.paused else t.stage,
            t.why,
        ]
        for t in listing.tasks
    ]
    table("Task|Kind|>Calls|>Share|>Versions|>Stable|Stage|Why these calls belong together", rows, prose=True)
    stable = listing.stability
    if stable is not None and stable.ari is not None:
        say(
            f"Reruns on half of the calls agree to {stable.ari:.2f} (adjusted Rand index, 1 is the same tasks;"
            f" {count(stable.calls)} calls, {stable.reruns} reruns)."
        )
    if listing.unrecognised:
        say(f"{count(listing.unrecognised)} of {count(listing.calls)} calls recur in no task.")
    if not listing.requests:
        say(
            warn("These calls hold no requests, only what they took: "),
            "no prompt can be recognised, no student taught and no contract learned.",
        )
        say("Import a log with what was asked and answered, or send the traffic through freehold up, which records it.")
    if listing.paused:
        say(warn("All owned answers are paused: everything is rented."))


def calls(
    task: Annotated[str, typer.Option(help="Only this task's calls.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="At most this many, the oldest; 0 for all.")] = 0,
    last: Annotated[int, typer.Option(min=0, help="This many of the newest, the newest at the end.")] = 0,
    json: Json = False,
) -> None:
    """The recorded calls, oldest first, each with its task. With --json, one object a line.

    Example: freehold calls --last 20
    """
    from freehold.services import listing
    from freehold.services.home import Home

    with Home.open() as home:
        for row in listing.calls(home, task_name=task, limit=limit, last=last):
            if json:
                emit_line(row)
            else:
                model = " ".join(row.model.split())  # a client may have named anything
                say(f"{row.started_at}  {row.id}  {row.task or '-'}  {model}  {row.served_by}  {row.outcome}")


def explain(
    call: Annotated[str, typer.Argument(help="The call's id, or its beginning.")],
    content: Annotated[bool, typer.Option("--content", help="Show what was asked and answered as well.")] = False,
    json: Json = False,
) -> None:
    """Why a call was owned, rented, escalated or refused: every attempt with its time, tokens and exact cost.

    Example: freehold explain call_0642f1
    """
    from freehold.services import explaining
    from freehold.services.home import Home

    with Home.open() as home:
        told = explaining.explain(home, call, content=content)
    if json:
        emit_struct("freehold.explain/1", told)
        return
    for line in explaining.in_words(told):
        say(line)
    explained_legs(told)


def gold(
    call: Annotated[str, typer.Argument(help="The call's id.")],
    answer: Annotated[str, typer.Argument(help="The right answer, in the words the product expects.")],
) -> None:
    """Attach the right answer to a recorded call: what promises against gold are measured on.

    Example: freehold gold call-000123 delivery_late
    """
    from freehold.services import feedbacking
    from freehold.services.home import Home

    with Home.open() as home:
        feedbacking.give(home, call, gold=answer)
    say(f"call {call} has its right answer")


def feedback(
    call: Annotated[str, typer.Argument(help="The call's id, or its beginning.")],
    score: Annotated[float | None, typer.Option(help="A number, on whatever scale the product uses.")] = None,
    name: Annotated[str, typer.Option(help="What the score is of; several scores have several names.")] = "",
    gold: Annotated[str | None, typer.Option(help="The right answer, by somebody who labels calls.")] = None,
    correction: Annotated[str | None, typer.Option(help="The right answer, by somebody who got a wrong one.")] = None,
    comment: Annotated[str | None, typer.Option(help="Anything else.")] = None,
    by: Annotated[str, typer.Option(help="Who says so.")] = "",
) -> None:
    """Say of a recorded call how good it was, or what would have been right.

    Example: freehold feedback call_0642f1 --score 0 --name helpful --correction delivery_late
    """
    from freehold.services import feedbacking
    from freehold.services.home import Home

    with Home.open() as home:
        say(
            feedbacking.give(
                home, call, gold=gold, correction=correction, score=score, name=name, comment=comment, by=by
            )
        )


def replay(
    log: Annotated[Path, typer.Argument(help='A log in the "calls" format.')],
    to: Annotated[str, typer.Option(help="The gateway to send it to, such as http://127.0.0.1:8080")],
    rate: Annotated[float, typer.Option(min=0, help="Calls per second; 0 for as fast as they are answered.")] = 0,
    speed: Annotated[float, typer.Option(min=0, help="The log's own rhythm, this many times faster; 0 for not.")] = 0,
    json: Json = False,
) -> None:
    """Send a log's requests to a gateway again, in their order.

    Example: freehold replay later.jsonl --to http://127.0.0.1:8080 --rate 200
    """
    from freehold.services import replaying

    with working(f"replaying {log.name}"):
        report = replaying.replay(log, to, rate=rate, speed=speed)
    if json:
        emit_struct("freehold.replay/1", report)
        return
    say(report.in_words())


@log_app.command("export")
def export_log(
    out: Annotated[Path, typer.Argument(help="The file to write; zipped if its name ends in .gz.")],
    form: Annotated[
        str, typer.Option("--format", help="calls, openai-finetune, parquet, otlp, or focus for cost rows.")
    ] = "calls",
    task: Annotated[str, typer.Option(help="Only this task's calls.")] = "",
    bodies: Annotated[
        bool | None,
        typer.Option("--bodies/--no-bodies", help="Whether parquet and otlp hold what was asked and answered."),
    ] = None,
    json: Json = False,
) -> None:
    """Write the recorded calls, or what they cost, to a file.

    As "calls", which import reads again without loss; as examples for OpenAI's fine-tuning; as Parquet; as spans in
    OTLP JSON; or as FOCUS cost rows.

    Example: freehold log export costs.csv --format focus
    """
    from freehold.services import exporting
    from freehold.services.home import Home

    with Home.open() as home, working(f"writing {out.name}"):
        report = exporting.export(home, page(out), form=form, task=task, bodies=bodies)
    if json:
        emit_struct("freehold.export/1", report)
        return
    say(f"{count(report.written)} {report.unit} are in {out}")
    if report.skipped:
        say(warn(f"{count(sum(report.skipped.values()))} calls are not in it:"))
        for why, number in report.skipped.items():
            say(f"  {count(number)}: {why}")
    for note in report.notes:
        say(warn(note))


@task_app.command("show")
def show_task(task: str, json: Json = False) -> None:
    """Why a task's calls belong together, its versions over time, its most typical and its strangest calls.

    Example: freehold task show sort_messages
    """
    from freehold.services import showing
    from freehold.services.home import Home

    from ._pages import shown_task

    with Home.open() as home:
        found = showing.show(home, task)
    if json:
        emit_struct("freehold.task/1", found)
        return
    shown_task(found)


@task_app.command()
def rename(task: str, name: str, by: By = "") -> None:
    """Give a task a name of your own.

    Example: freehold task rename sort_messages inbox
    """
    from freehold.services.home import Home
    from freehold.services.promoting import whoever

    with Home.open() as home:
        home.registry.rename(task, name, by=by or whoever())
    say(f"{task} is now {name}")


@task_app.command()
def merge(into: str, others: list[str], by: By = "") -> None:
    """Say that several tasks are one.

    Example: freehold task merge sort_messages sort_messages_2
    """
    from freehold.services.home import Home
    from freehold.services.promoting import whoever

    with Home.open() as home:
        home.registry.merge(into, others, by=by or whoever())
    say(f"{', '.join(others)} is now part of {into}")


@task_app.command()
def split(task: str, name: str, versions: list[str], by: By = "") -> None:
    """Make some of a task's prompt versions a task of their own. freehold tasks --versions lists them.

    Example: freehold task split sort_messages urgent_messages VERSION
    """
    from freehold.services.home import Home
    from freehold.services.promoting import whoever

    with Home.open() as home:
        home.registry.split(task, versions, name, by=by or whoever())
    say(f"{name} has left {task}")


@task_app.command()
def tag(task: str, tags: list[str], by: By = "") -> None:
    """Put words of your own on a task.

    Example: freehold task tag sort_messages support mail
    """
    from freehold.services.home import Home
    from freehold.services.promoting import whoever

    with Home.open() as home:
        home.registry.tag(task, tags, by=by or whoever())
    say(f"{task} is tagged {', '.join(tags)}")
