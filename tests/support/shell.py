"""`freehold` as a person or a script types it: exit codes, stdout as data, stderr as talk.

Starting Python and loading the libraries takes longer than most commands do, so a command runs in the test's own
process, through the entry point that a process would run. `process` is for what only a process of its own can show.
"""

from __future__ import annotations

import contextvars
import functools
import io
import json
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import typer.main

from freehold.cli import main

_built_once = functools.cache(typer.main.get_command)
"""The commands are the same each time; building them all takes longer than most of them do."""


class _Captured(io.TextIOWrapper):
    """A stream that is no terminal; what went through it stays readable."""

    def __init__(self, content: str = "") -> None:
        super().__init__(io.BytesIO(content.encode()), encoding="utf-8")

    def text(self) -> str:
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode()


class Shell:
    """Runs `freehold` in a folder, with a home of its own; `env` may be changed between commands."""

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FREEHOLD_")}
        self.env = kept | {"FREEHOLD_HOME": str(home or folder / "home"), "COLUMNS": "160"}

    def run(self, *words: str, code: int = 0, said: str = "") -> subprocess.CompletedProcess[str]:
        """A command in this process; `said` is its standard input."""
        out, err = _Captured(), _Captured()
        with (
            mock.patch.dict(os.environ, self.env, clear=True),
            mock.patch.object(sys, "argv", ["freehold", *words]),
            mock.patch.object(sys, "stdin", _Captured(said)),
            mock.patch.object(typer.main, "get_command", _built_once),
            redirect_stdout(out),
            redirect_stderr(err),
            chdir(self.folder),
        ):
            ended = contextvars.Context().run(_main)
        return self._checked(subprocess.CompletedProcess([*words], ended, out.text(), err.text()), code)

    def process(self, *words: str, code: int = 0, said: str = "") -> subprocess.CompletedProcess[str]:
        """The same command in a process of its own."""
        command = [sys.executable, "-m", "freehold", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, input=said, check=False
        )
        return self._checked(done, code)

    def json(self, *words: str, code: int = 0, said: str = "") -> Any:
        """The document that a command prints with `--json`."""
        return json.loads(self.run(*words, "--json", code=code, said=said).stdout)

    @staticmethod
    def _checked(done: subprocess.CompletedProcess[str], code: int) -> subprocess.CompletedProcess[str]:
        assert done.returncode == code, f"{done.args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done


def _main() -> int:
    """Run the entry point; returns the status that the process would have ended with."""
    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, str):  # the interpreter would print it: a way to end that no command takes
            raise
        return ended.code or 0
    return 0
