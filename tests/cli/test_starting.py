"""What a command loads, where its answer is kept, and how it ends when it is interrupted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.support import homes

from freehold.cli import _up, main
from freehold.services import ingest, starting
from freehold.services.discovering import list_tasks

_HEAVY = (
    "scipy",
    "sklearn",
    "sqlalchemy",
    "duckdb",
    "jinja2",
    "freehold.gateway",
    "freehold.tasks",
    "freehold.students",
)
_RUN = """
import sys
from freehold.cli import _up, main
try:
    main()
except SystemExit as ended:
    code = ended.code
print(code, *sorted(sys.modules), file=sys.stderr)
"""


def test_a_what_if_that_finds_its_question_kept_loads_nothing_heavy(tmp_path: Path) -> None:
    with homes.home(tmp_path / "home") as home:
        ingest.import_log(home, homes.colours_log(tmp_path / "calls.jsonl", 300))
        list_tasks(home)
        task = next(task.name for task in home.registry.tasks() if task.kind == "classification")

    def asked() -> tuple[str, set[str]]:
        command = [sys.executable, "-c", _RUN, "what-if", task, "price=-50%", "volume=x3000", "--json"]
        environ = {**os.environ, "FREEHOLD_HOME": str(tmp_path / "home")}
        done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=True)
        code, *modules = done.stderr.split()
        assert code in ("None", "0")
        return done.stdout, set(modules)

    (fresh, all_of_it), (kept, loaded) = asked(), asked()
    assert kept == fresh
    assert {"sqlalchemy", "duckdb"} <= all_of_it, "what a fresh question loads, so that the next line says something"
    assert not loaded.intersection(_HEAVY)


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), SystemExit(130)])
def test_ctrl_c_is_a_line_and_a_code_however_early_it_comes(
    raised: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise raised

    monkeypatch.setitem(sys.modules, "freehold.cli._app", SimpleNamespace(main=interrupted))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "freehold: interrupted; the same command can be given again\n"


_PLAIN = [
    ["up"],
    ["up", "--port", "0"],
    ["up", "--port", "08080", "--host", "::1", "--workers", "256"],
    ["up", "--host", "10"],
    ["up", "--host", 'a "b" \u00fc'],
    ["up", "--host", ""],
]
_NOT_PLAIN = [
    [],
    ["--debug", "up"],
    ["up", "--help"],
    ["up", "--port"],
    ["up", "--port", "65536"],
    ["up", "--port", "9" * 5000],
    ["up", "--port", "-1"],
    ["up", "--port", "8_0"],
    ["up", "--port", "\u0663"],
    ["up", "--port=1"],
    ["up", "--port", "1", "--port", "2"],
    ["up", "--workers", "0"],
    ["up", "port", "1"],
    ["up", "1", "2"],
    ["up", "--host", "--port"],
    ["spend"],
]


@pytest.mark.parametrize("words", _PLAIN)
def test_what_is_read_without_the_parser_is_what_the_parser_reads(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from freehold.cli import _app

    became: list[tuple[list[str], dict[str, str]]] = []

    def become(_path: str, command: list[str], environ: dict[str, str]) -> None:
        became.append((command, environ))
        raise SystemExit(0)

    monkeypatch.setattr(os, "execve", become)
    monkeypatch.setattr(sys, "argv", ["freehold", *words])
    for run in (main, _app.main):
        with pytest.raises(SystemExit):
            run()
    assert _up.plain(words) is not None
    assert became[0] == became[1]


@pytest.mark.parametrize("words", _NOT_PLAIN)
def test_the_rest_is_left_to_the_parser(words: list[str]) -> None:
    assert _up.plain(words) is None


def test_where_python_cannot_be_started_anew_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "python")

    monkeypatch.setattr(os, "execve", refused)
    monkeypatch.setattr(sys, "argv", ["freehold", "up"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "python: Permission denied" in capsys.readouterr().err


def test_an_address_of_digits_stays_text() -> None:
    assert starting._quoted("10") == '"10"'


def test_a_plain_start_loads_no_parser() -> None:
    code = (
        "import os, sys\n"
        "os.execve = lambda *_: print(*sys.modules) or sys.exit(0)\n"
        "sys.argv = ['freehold', 'up', '--port', '0']\n"
        "from freehold.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "freehold.services.starting" in done.stdout.split()
    assert not {"typer", "msgspec", "asyncio", "freehold.settings"}.intersection(done.stdout.split())
