"""Verdicts that keep themselves up to date: watch."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from freehold.errors import UsageError

from ._arguments import duration
from ._output import Part, bad, dim, emit_line, good, say, table, talk, usd, warn, working

if TYPE_CHECKING:
    from freehold.services.watching import Change, Watched

_TELL_S = 60.0
CHANGED = 5
"""The exit code of a single round in which some task's answer changed."""


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("watch")(watch)


def watch(
    once: Annotated[bool, typer.Option("--once", help="One round; exit code 5 where an answer changed.")] = False,
    every: Annotated[str, typer.Option(help="How long from one round to the next: 1d, 6h.")] = "1d",
    tell: Annotated[
        str, typer.Option(help="A command that is run for each answer that changed, with its line of JSON as input.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per task under freehold.watch/1.")] = False,
) -> None:
    """Judge every task again when prices, volume, evidence or models changed, and say what changed and by how much.

    Example: freehold watch --once --tell 'mail -s "an answer changed" me@example.com'
    """
    from freehold.services import watching
    from freehold.services.home import Home

    pause_s = duration("--every", every)
    words = _words(tell)
    while True:
        with Home.open() as home, working("looking at what changed"):
            rounds = watching.watch(home)
        shown = rounds if once else [one for one in rounds if one.status != "unchanged"]
        if json:
            for one in shown:
                emit_line(one)
        elif shown:
            _show(shown)
        flipped = [one for one in rounds if one.status == "flipped"]
        for one in flipped:
            _tell(words, one)
        if once:
            raise typer.Exit(CHANGED if flipped else 0)
        time.sleep(pause_s)


def _words(command: str) -> list[str]:
    """What is run, found before any time is spent: a command that is not there would be missed a month later.

    Raises:
        UsageError: it cannot be read, or there is no such command.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        raise UsageError("--tell is no command: a quotation mark is open", hint="quote the whole of it once") from None
    if words and shutil.which(words[0]) is None:
        raise UsageError(f"--tell names {words[0]!r}, and there is no such command", hint="give its path")
    return words


def _tell(words: list[str], one: Watched) -> None:
    """Run the command; the watch goes on where it fails, and says so."""
    if not words:
        return
    line = msgspec.json.encode(one) + b"\n"
    try:
        # What it prints is talk: standard output is for our own lines.
        done = subprocess.run(words, input=line, stdout=2, timeout=_TELL_S, check=False)  # noqa: S603 - theirs
        why = "" if not done.returncode else f"it ended with {done.returncode}"
    except subprocess.TimeoutExpired:
        why = f"it took longer than {_TELL_S:.0f} s"
    except OSError as error:
        why = error.strerror or type(error).__name__
    if why:
        talk(warn(f"{words[0]} could not be told that the answer for {one.task} changed: {why}"))


def _show(rounds: list[Watched]) -> None:
    from freehold.verdict import words

    rows: list[list[Part]] = []
    for one in rounds:
        rent = one.now.rent_monthly_usd
        answer = words.word_text(one.word)
        rows.append(
            [
                one.task,
                _status(one.status),
                answer if one.status != "flipped" or one.was is None else f"{answer} (was: {words.word_text(one.was)})",
                usd(rent.mid if rent else None),
                _moved(one),
                "; ".join([*map(_change, one.changed), *([one.why] if one.why else [])]),
            ]
        )
    table("Task|Status|Answer that stands|>Rent a month|>It saves in 24 months|What changed", rows, prose=True)
    if any(one.status == "held" for one in rounds):
        say(dim("held: the verdict says something else by now; freehold verdict TASK shows it"))


def _status(status: str) -> Part:
    return {"flipped": bad, "held": warn, "confirmed": good}.get(status, dim)(status)


def _moved(one: Watched) -> str:
    now, before = one.now.saving_usd, one.before.saving_usd if one.before else None
    if now is None:
        return "-"
    if before is None or one.status == "unchanged" or before.mid == now.mid:
        return usd(now.mid)
    return f"{usd(now.mid)} (was {usd(before.mid)})"


def _change(change: Change) -> str:
    if isinstance(change.before, float) and isinstance(change.after, float) and change.before:
        names = {"price": "price of a call", "volume": "calls a month"}
        return f"{names.get(change.what, change.what)} {change.after / change.before - 1:+.0%}"
    if change.what == "settings":
        return "settings of the decision"
    return f"{change.what}: {change.before} to {change.after}"
