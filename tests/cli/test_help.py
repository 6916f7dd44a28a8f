"""Every command's help shows what to type."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import typer.main

from freehold.cli._app import app


def _commands(group: Any, above: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, command in group.commands.items():
        path = f"{above} {name}"
        found += _commands(command, path) if hasattr(command, "commands") else [(path, command.help or "")]
    return found


def test_every_command_shows_an_example_of_itself() -> None:
    commands = _commands(typer.main.get_command(app), "freehold")
    assert len(commands) > 20
    assert [path for path, text in commands if f"Example: {path}" not in text] == []


def test_the_command_line_is_light_until_a_command_runs() -> None:
    heavy = ("numpy", "scipy", "sklearn", "duckdb", "sqlalchemy", "jinja2", "asyncio", "freehold.services")
    code = f"import sys, freehold.cli; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
