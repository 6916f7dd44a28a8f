"""The housekeeper publishes, seals, and goes when its parent goes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support import homes

from freehold.registry import routes
from freehold.services import housekeeping, ingest


def test_it_publishes_what_the_settings_declare_and_ends_with_its_input(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "freehold.toml").write_text('[tasks.secret]\ndata_class = "restricted"\n')
    env = os.environ | {"FREEHOLD_HOME": str(home)}
    command = [sys.executable, "-m", "freehold.services.housekeeping", str(home)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    table = routes.load(routes.path(home))
    assert [(r.task_name, r.data_class) for r in table.routes] == [("secret", "restricted")]


def test_it_seals_closed_files_and_no_call_is_lost(tmp_path: Path) -> None:
    log = homes.colours_log(tmp_path / "calls.jsonl", 50, essays=0)
    with homes.home(tmp_path / "home") as home:
        ingest.import_log(home, log)
        before = [call.id for call in home.calls()]
        housekeeping.once(home.path, "seal")
        assert list((home.path / "ledger" / "segments").rglob("*.parquet"))
        assert [call.id for call in home.calls()] == before
