"""The application: its command groups, and how an error becomes a message and an exit code."""

from __future__ import annotations

import os
import sys

import typer

from freehold import __version__
from freehold.errors import FreeholdError

from . import decide, own, run, traffic
from ._output import talk

app = typer.Typer(
    name="freehold",
    help="Rent intelligence until owning it pays. Then own it, with proof.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"freehold {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Rent intelligence until owning it pays. Then own it, with proof."""


for group in (traffic, decide, own, run):
    group.register(app)


def main() -> None:
    """Run the command line; the process ends with the exit code of what happened."""
    try:
        app()
    except FreeholdError as error:
        talk(f"[red]freehold:[/red] {_plain(error.message)}")
        if error.hint:
            talk(f"  [dim]next:[/dim] {_plain(error.hint)}")
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
