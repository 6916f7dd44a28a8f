"""A task's statistics from the command line."""

from __future__ import annotations

from pathlib import Path

from tests.support import homes
from tests.support.shell import Shell


def test_a_tasks_traffic_is_measured(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shell.run("import", str(homes.colours_log(tmp_path / "calls.jsonl", 200, essays=0)))
    name = shell.json("tasks")["tasks"][0]["name"]
    found = shell.json("task", "stats", name)
    assert (found["schema"], found["task"], found["calls"], found["read"]) == ("freehold.task_stats/1", name, 200, 200)
    lines = {one["name"]: one for one in found["statistics"]}
    assert lines["distinct_answers"]["value"] == 4
    assert (
        lines["gold_share"]["interval"]["low"] < lines["gold_share"]["value"] < lines["gold_share"]["interval"]["high"]
    )
    assert all(one["definition"] and (one.get("interval") or one["why"]) for one in lines.values())
    said = shell.run("task", "stats", name).stdout
    assert "answer_entropy" in said
    assert "unknown" in said, "what cannot be told is said so"
