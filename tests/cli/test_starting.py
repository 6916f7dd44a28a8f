"""What a command loads, where its answer is kept, and how it ends when it is interrupted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.support import homes

from freehold.cli import main
from freehold.services import ingest
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
from freehold.cli import main
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
