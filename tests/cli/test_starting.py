"""What a command loads: a what-if that finds its question kept takes nothing that is slow to load and not needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support import homes

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
