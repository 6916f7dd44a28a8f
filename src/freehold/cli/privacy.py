"""What is kept, for how long, and what goes: erasure, retention, the key of the bodies."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from ._arguments import By, Json
from ._output import count, emit, emit_struct, say, suggest, table, warn, working


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("erase")(erase)
    app.command("expire")(expire)


def register_log(app: typer.Typer) -> None:
    """Add what belongs to the log."""
    app.command("rekey")(rekey)


def erase(
    user: Annotated[str, typer.Option(help="The end user, as calls name them; - reads the name from stdin.")] = "",
    call: Annotated[list[str] | None, typer.Option(help="A call by its id, whoever's it is; may be repeated.")] = None,
    tag: Annotated[str, typer.Option(help="The tag that says whose a call is.")] = "end_user",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")] = False,
    reason: Annotated[str, typer.Option(help="Why; goes into the audit log.")] = "",
    by: By = "",
    json: Json = False,
) -> None:
    """Erase for good what was asked and answered in one end user's calls, and whose they were; numbers stay.

    The audit log keeps who erased how much and when, with a salted hash in place of the name.

    Example: freehold erase --user u-4711 --reason "asked for it on 3 May"
    """
    from freehold.services import erasing
    from freehold.services.home import Home

    name = sys.stdin.readline().rstrip("\n") if user == "-" else user
    with Home.open() as home, working("looking for the calls") as progress:
        done = erasing.erase(
            home, user=name, tag=tag, call_ids=call or (), dry_run=dry_run, by=by, reason=reason, progress=progress
        )
    if json:
        emit_struct("freehold.erase/1", done)
    else:
        _say_erased(done)
    if not (done.finished or done.dry_run):
        raise typer.Exit(1)


def _say_erased(done: object) -> None:
    from freehold.services.erasing import Erasure

    assert isinstance(done, Erasure)
    if done.dry_run:
        say(f"{count(done.calls)} calls hold content that would be erased; nothing was changed.")
    elif done.finished and not done.calls:
        say(f"No call holds such content: there was nothing to erase. Erasure {done.erasure} in the audit log says so.")
    elif done.finished:
        say(f"{count(done.calls)} calls hold no content any more: erasure {done.erasure}, in the audit log.")
    else:
        say(warn("Not finished: "), "calls are still being written. Ask again in a moment.")
        for name in done.held:
            say(f"  held by a gateway: {name}")
    if done.bundles:
        say(warn("These owned models learned from such calls, and a bundle cannot be changed:"))
        rows = [[one.task, one.student, count(one.calls), one.bundle] for one in done.bundles]
        table("Task|Model|>Calls|Where", rows)
        suggest(f"freehold train {done.bundles[0].task}, and remove the old bundle")
    for name in done.unread:
        say(warn(f"{name} was written off and still lies there: nobody can tell what it holds."))
    for name in done.mentions:
        say(warn(f"The name also stands in {name}."))


def expire(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is due.")] = False, json: Json = False
) -> None:
    """Let go what the settings of retention no longer keep. Beside a running gateway this happens by itself.

    Example: freehold expire --dry-run
    """
    from freehold.services import retaining
    from freehold.services.home import Home

    with Home.open() as home, working("looking for what is due"):
        done = retaining.expire(home, dry_run=dry_run)
    if json:
        emit_struct("freehold.expire/1", done)
        return
    verb = "would lose" if dry_run else "lost"
    say(
        f"{count(done.contents)} calls {verb} their content, {count(done.calls)} would go."
        if dry_run
        else f"{count(done.contents)} calls {verb} their content, {count(done.calls)} are gone."
    )
    if done.next_us is not None:
        say(f"More is due from {datetime.fromtimestamp(done.next_us / 1e6, UTC):%Y-%m-%d %H:%M} UTC on.")


def rekey(json: Json = False) -> None:
    """Put every file's key under the master key that is set now, after it was changed; files are not rewritten.

    Example: freehold log rekey
    """
    from freehold.services import retaining
    from freehold.services.home import Home

    with Home.open() as home:
        changed = retaining.rekey(home)
    if json:
        emit("freehold.rekey/1", files=changed)
        return
    say(f"{count(changed)} files were under another key, and are under the one that is set now.")
