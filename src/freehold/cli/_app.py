"""The application: its command groups, and how an error becomes a message and an exit code."""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar
from typing import NoReturn

import typer

from freehold import __version__
from freehold.errors import FreeholdError

from . import (
    components,
    contract,
    cost,
    decide,
    gpus,
    keys,
    margins,
    measure,
    money,
    own,
    privacy,
    rehearse,
    run,
    survive,
    traffic,
    watch,
    workflows,
    workload,
)
from ._output import bad, dim, talk

app = typer.Typer(
    name="freehold",
    help="Rent intelligence until owning it pays. Then own it, with proof.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_debugging: ContextVar[bool] = ContextVar("debugging", default=False)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"freehold {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
    debug: bool = typer.Option(False, "--debug", help="Show where an unexpected error came from."),
) -> None:
    """Rent intelligence until owning it pays. Then own it, with proof."""
    _debugging.set(debug)


_GROUPS = (
    *(traffic, workload, contract, privacy, measure, workflows, margins, money),
    *(cost, gpus, decide, rehearse, own, keys, run, survive, components, watch),
)
for group in _GROUPS:
    group.register(app)


def main() -> None:
    """Run the command line; the process ends with the exit code of what happened."""
    try:
        app()
    except FreeholdError as error:
        _end(error)
    except BrokenPipeError:  # the reader of our output has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if _debugging.get():
            raise
        _end(_of_the_system(error))
    except Exception as error:  # the last line of defence: a person gets a sentence, not our insides
        if _debugging.get():
            raise
        # The error's own words may hold the content of calls: its type alone is said.
        where = "freehold --debug COMMAND shows where; please report it"
        _end(FreeholdError(f"this is a fault of ours: {type(error).__name__}", hint=where))


def _end(error: FreeholdError) -> NoReturn:
    talk(bad("freehold:"), " ", error.message)
    if error.hint:
        talk("  ", dim("next:"), " ", error.hint)
    sys.exit(error.exit_code)


def _of_the_system(error: OSError) -> FreeholdError:
    """What the operating system refused: which file, and why."""
    where = f"{error.filename}: " if error.filename else ""
    why = error.strerror or type(error).__name__
    return FreeholdError(f"{where}{why}", hint="check the path, its permissions and the free space", code="os_error")
