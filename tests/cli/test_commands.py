"""The command line as a person or a script meets it: exit codes, stdout as data, stderr as talk."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.support import homes
from tests.support.shell import Shell

from freehold.cli import main


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_one_task_goes_all_the_way_round(shell: Shell) -> None:
    log = homes.colours_log(shell.folder / "calls.jsonl", 500, essays=20)
    assert shell.json("import", str(log))["added"] == 520
    again = shell.json("import", str(log))
    assert (again["schema"], again["added"], again["duplicates"], again["rejected"]) == ("freehold.import/2", 0, 520, 0)
    assert (again["logs"][0]["format"], again["logs"][0]["content"]["complete"]) == ("calls", 520)
    tasks = shell.json("tasks")
    assert tasks["schema"] == "freehold.tasks/1"
    name = next(t["name"] for t in tasks["tasks"] if t["kind"] == "classification")
    rows = [json.loads(line) for line in shell.run("calls", "--task", name, "--json").stdout.splitlines()]
    assert len(rows) == 500
    assert {row["task"] for row in rows} == {name}
    for words in ((), ("--task", name)):
        every = shell.run("calls", *words).stdout.splitlines()
        assert shell.run("calls", *words, "--last", "7").stdout.splitlines() == every[-7:]
        assert shell.run("calls", *words, "--limit", "7").stdout.splitlines() == every[:7]
        assert shell.run("calls", *words, "--last", "9999").stdout.splitlines() == every
    trained = shell.json("train", name)
    certificate = shell.json("certify", name, "--alpha", "0.1", "--delta", "0.1")
    assert certificate["student_id"] == trained["student_id"]
    wanted = "certified threshold coverage coverage_interval risk risk_upper n alpha delta against labels_needed reason"
    assert set(wanted.split()) <= certificate.keys()
    assert "stage full" in shell.run("promote", name, "--stage", "full").stdout
    verdict = shell.json("verdict", name, "--volume", "x100000")["tasks"][0]
    assert verdict["word"] == "own_student"
    shell.run("export", name, "out")
    assert shell.json("verify", "out")["verified"] is True
    assert shell.json("rebuild", "out")["identical"] is True
    shell.run("report", "--out", "page.html")
    assert name in (shell.folder / "page.html").read_text("utf-8")
    promoted = shell.run("promote", name, "--stage", "full").stdout
    assert "The last verdict, of " in promoted
    shell.run("task", "rename", name, "colour")
    assert shell.json("contract", "colour", "--sign", "Rosa")["contract"]["signed_by"] == "Rosa"
    assert "rented again" in shell.run("rollback", "colour").stdout


def test_an_exported_ledger_imports_as_the_same(shell: Shell) -> None:
    shell.run("import", str(homes.colours_log(shell.folder / "calls.jsonl", 30, essays=0)))
    assert "30 calls are in" in shell.run("log", "export", "out.jsonl.gz").stdout
    assert "exists already" in shell.run("log", "export", "out.jsonl.gz", code=2).stderr
    assert shell.json("import", "out.jsonl.gz")["duplicates"] == 30
    shell.env["FREEHOLD_HOME"] = str(shell.folder / "other")
    assert shell.json("import", "out.jsonl.gz")["added"] == 30


def test_an_edited_task_is_counted_anew(shell: Shell) -> None:
    first = homes.colours_log(shell.folder / "calls.jsonl", 60, essays=0)
    shell.run("import", str(first))
    other = shell.folder / "other.jsonl"
    changed = first.read_text("utf-8").replace(
        "Name the colour",
        "You work for a paint shop that sorts what its customers say. They are in a hurry. Tell the hue",
    )
    other.write_text(changed.replace('"id": "', '"id": "b').replace('"id":"', '"id":"b'), encoding="utf-8")
    shell.run("import", str(other))
    tasks = shell.json("tasks")["tasks"]
    ids = [version for task in tasks for version in task["version_ids"]]
    assert len(ids) == sum(task["versions"] for task in tasks) > 1
    listed = shell.run("tasks", "--versions").stdout
    assert all(version in listed for version in ids)
    if len(tasks) > 1:
        shell.run("task", "merge", tasks[0]["name"], tasks[1]["name"])
        assert [task["calls"] for task in shell.json("tasks")["tasks"]] == [120]
    name = shell.json("tasks")["tasks"][0]["name"]
    shell.run("task", "split", name, "apart", ids[0])
    counts = {task["name"]: task["calls"] for task in shell.json("tasks")["tasks"]}
    assert counts == {name: 60, "apart": 60}


def test_a_no_is_exit_code_three_and_says_what_is_missing(shell: Shell) -> None:
    log = homes.colours_log(shell.folder / "calls.jsonl", 260, teacher_error=0.4, essays=0)
    shell.run("import", str(log))
    name = shell.json("tasks")["tasks"][0]["name"]
    shell.run("train", name)
    certificate = shell.json("certify", name, "--alpha", "0.01", "--delta", "0.01", code=3)
    assert certificate["certified"] is False
    assert certificate["threshold"] is None
    assert certificate["reason"]
    refused = shell.process("promote", name, "--stage", "full", code=3)
    assert "freehold certify" in refused.stderr
    shell.run("promote", name, "--stage", "shadow")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["verdict"], 4, "no calls have been recorded yet"),
        (["train", "anything"], 4, "no tasks have been found yet"),
        (["import", "missing.jsonl"], 1, "no file"),
        (["verify", "missing"], 1, "not a folder"),
        (["verdict", "--volume", "lots"], 2, "no factor"),
        (["backtest", "missing.jsonl"], 1, "no file"),
        (["replay", "missing.jsonl", "--to", "nowhere"], 2, "no address"),
        (["replay", ".", "--to", "http://127.0.0.1:1"], 1, "no file"),
        (["replay", "missing.jsonl", "--to", "http://127.0.0.1:99999"], 2, "no address"),
        (["replay", "missing.jsonl", "--to", "http://127.0.0.1:1", "--rate", "-1"], 2, "--rate"),
        (["verdict", "--volume", "nan"], 2, "no factor"),
        (["verdict", "--volume", "inf"], 2, "no factor"),
        (["report", "--out", "."], 2, "is a folder"),
        (["demo", "--out", "."], 2, "is a folder"),
        (["demo", "--teacher-error", "7"], 2, "--teacher-error"),
        (["backtest", "missing.jsonl", "--share", "2"], 2, "--share is 2"),
        (["backtest", "missing.jsonl", "--share", "-1"], 2, "--share is -1"),
        (["backtest", "missing.jsonl", "--alpha", "7"], 2, "--alpha is 7"),
        (["certify", "anything", "--delta", "0"], 2, "--delta is 0"),
        (["calls", "--limit", "-5"], 2, "--limit"),
        (["up", "--port", "99999"], 2, "--port"),
        (["no-such-command"], 2, "No such command"),
        (["certify", "anything", "--alpha"], 2, "requires an argument"),
    ],
)
def test_wrong_input_gets_a_message_and_an_exit_code(shell: Shell, words: list[str], code: int, said: str) -> None:
    done = shell.run(*words, code=code)
    assert said in done.stderr
    assert not done.stdout.strip()


def test_a_process_ends_with_its_code_and_keeps_its_streams_apart(shell: Shell) -> None:
    for words, code, said in (
        (["verdict"], 4, "no calls have been recorded yet"),
        (["verify", "missing"], 1, "not a folder"),
        (["verdict", "--volume", "lots"], 2, "no factor"),
    ):
        done = shell.process(*words, code=code)
        assert said in done.stderr
        assert not done.stdout
    log = homes.colours_log(shell.folder / "calls.jsonl", 20, essays=0)
    done = shell.process("import", str(log), "--json")
    assert (json.loads(done.stdout)["added"], done.stderr) == (20, "")


def test_a_port_that_is_taken_is_named(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = shell.process("up", "--port", port, code=1).stderr
    assert f"port {port}, is taken" in said
    assert "--port" in said


def test_a_home_that_is_a_file_is_a_message(shell: Shell) -> None:
    (shell.folder / "home").write_text("a file where a folder is needed")
    for command in ("tasks", "verdict"):
        assert str(shell.folder / "home") in shell.run(command, code=4).stderr


def test_a_fault_of_ours_is_one_line_and_its_origin_is_for_the_asking(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise RuntimeError("the content of a call")

    monkeypatch.setattr("freehold.services.doctoring.examine", fail)
    monkeypatch.setattr(sys, "argv", ["freehold", "doctor"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert "a fault of ours: RuntimeError" in said
    assert "content of a call" not in said
    monkeypatch.setattr(sys, "argv", ["freehold", "--debug", "doctor"])
    with pytest.raises(RuntimeError):
        main()


def test_a_wrong_setting_names_every_place_looked_at(shell: Shell) -> None:
    (shell.folder / "freehold.toml").write_text("[gateway]\nprot = 1\n")
    done = shell.run("tasks", code=4)
    assert "prot" in done.stderr
    assert "freehold.toml" in done.stderr
    (shell.folder / "freehold.toml").write_text("[gateway\n")
    assert "not valid TOML" in shell.run("config", "show", code=4).stderr


def test_settings_say_where_they_came_from(shell: Shell) -> None:
    (shell.folder / "freehold.toml").write_text("[gateway]\nport = 81\n")
    shell.env["FREEHOLD_GATEWAY__HOST"] = "localhost"
    rows = {row["name"]: row for row in shell.json("config", "show")["settings"]}
    assert (rows["gateway.port"]["value"], rows["gateway.port"]["origin"]) == ("81", "freehold.toml")
    assert (rows["gateway.host"]["value"], rows["gateway.host"]["origin"]) == ("localhost", "FREEHOLD_GATEWAY__HOST")
    assert rows["gateway.retries"]["origin"] == "default"


def test_the_user_in_an_address_is_not_shown(shell: Shell) -> None:
    (shell.folder / "freehold.toml").write_text('[providers.a]\nkind = "openai"\nbase_url = "https://me:pw@host/v1"\n')
    printed = shell.run("config", "show").stdout
    assert "https://***@host/v1" in printed
    assert "pw" not in printed


def test_doctor_says_what_is_missing_and_how_to_mend_it(shell: Shell) -> None:
    found = {finding["code"]: finding for finding in shell.json("doctor", code=1)["findings"]}
    assert "freehold.toml" in found["no_provider"]["mend"]
    (shell.folder / "freehold.toml").write_text('[providers.a]\nkind = "openai"\napi_key_env = "NO_SUCH_KEY"\n')
    found = {finding["code"]: finding for finding in shell.json("doctor", code=1)["findings"]}
    assert found["missing_key"]["mend"] == "export NO_SUCH_KEY=..."


def test_doctor_does_not_send_back_to_itself(shell: Shell) -> None:
    home = shell.folder / "home"
    home.mkdir()
    (home / "control.db").write_bytes(b"no database" * 100)
    found = {finding["code"]: finding for finding in shell.json("doctor", code=1)["findings"]}
    assert "backup" in found["registry_unavailable"]["mend"]
    assert all(finding["mend"] != "freehold doctor" for finding in found.values())


def test_doctor_sees_that_the_audit_log_was_changed(shell: Shell) -> None:
    shell.run("import", str(homes.colours_log(shell.folder / "calls.jsonl", 60, essays=0)))
    name = shell.json("tasks")["tasks"][0]["name"]
    shell.run("task", "tag", name, "one", "--by", "Rosa")
    assert "audit_log_changed" not in {finding["code"] for finding in shell.json("doctor", code=1)["findings"]}
    with closing(sqlite3.connect(shell.folder / "home" / "control.db")) as database, database:
        guards = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_log'")
        for (guard,) in guards.fetchall():
            database.execute(f"DROP TRIGGER {guard}")
        changed = database.execute("UPDATE audit_log SET who = 'Eve' WHERE who = 'Rosa'")
        assert changed.rowcount == 1
    found = {finding["code"]: finding for finding in shell.json("doctor", code=1)["findings"]}
    assert found["audit_log_changed"]["severity"] == "error"


def test_a_damaged_file_of_the_ledger_can_be_given_up(shell: Shell) -> None:
    shell.run("import", str(homes.colours_log(shell.folder / "calls.jsonl", 20, essays=0)))
    (lost,) = [
        p
        for p in (shell.folder / "home" / "ledger").rglob("*")
        if p.suffix in (".parquet", ".db") and p.parent.name != "ledger"
    ]
    lost.unlink()
    mends = " ".join(finding["mend"] for finding in shell.json("doctor", code=1)["findings"])
    assert f"freehold doctor --write-off {lost.name}" in mends
    said = shell.run("doctor", "--write-off", lost.name, code=1)
    assert f"{lost.name} is written off" in said.stderr
    assert "--write-off" not in said.stdout
    assert shell.run("calls").stdout == ""
    assert "no file" in shell.run("doctor", "--write-off", "nothing", code=1).stderr


def test_what_a_hint_shows_in_brackets_is_printed(shell: Shell) -> None:
    assert "set [providers.NAME] in freehold.toml" in shell.run("doctor", code=1).stdout


def test_bad_lines_are_counted_and_the_rest_comes_in(shell: Shell) -> None:
    log = homes.colours_log(shell.folder / "calls.jsonl", 20, essays=0)
    lines = log.read_text("utf-8").splitlines()
    lines.insert(3, "{broken")
    lines.insert(7, '{"id": "x"}')
    log.write_text("\n".join(lines) + "\n")
    report = shell.json("import", str(log))
    assert (report["added"], report["rejected"]) == (20, 2)
    (told,) = report["logs"]
    assert [number for number, _ in told["examples"]] == [4, 8]


def test_help_and_version_need_no_home(shell: Shell) -> None:
    assert "backtest" in shell.process("--help").stdout
    assert shell.process("--version").stdout.startswith("freehold ")
    assert not (shell.folder / "home").exists()


def test_output_into_a_closed_pipe_ends_quietly(shell: Shell) -> None:
    log = homes.colours_log(shell.folder / "calls.jsonl", 400, essays=0)
    shell.run("import", str(log))
    shell.run("tasks")
    command = f"{sys.executable} -m freehold calls --json | head -n 1"
    done = subprocess.run(
        command, shell=True, cwd=shell.folder, env=shell.env, capture_output=True, text=True, check=True
    )
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["id"]


def test_the_kill_switch_is_seen_until_it_is_lifted(shell: Shell) -> None:
    shell.run("import", str(homes.colours_log(shell.folder / "calls.jsonl", 60, essays=0)))
    name = shell.json("tasks")["tasks"][0]["name"]
    assert "paused by Rosa" in shell.run("pause", name, "--by", "Rosa", "--reason", "odd").stdout
    assert [t["paused"] for t in shell.json("tasks")["tasks"]] == [True]
    assert "none, paused" in shell.run("tasks").stdout
    shell.run("pause")
    assert shell.json("tasks")["paused"] is True
    mends = [finding["mend"] for finding in shell.json("doctor", code=1)["findings"] if finding["code"] == "paused"]
    assert mends == ["freehold resume", f"freehold resume {name}"]
    shell.run("resume")
    shell.run("resume", name)
    listing = shell.json("tasks")
    assert (listing["paused"], listing["tasks"][0]["paused"]) == (False, False)
    assert "no task" in shell.run("pause", "nonsense", code=1).stderr


def test_a_call_is_explained_without_its_content(shell: Shell) -> None:
    log = homes.colours_log(shell.folder / "calls.jsonl", 20, essays=0)
    shell.run("import", str(log))
    said = shell.run("explain", "colour-7").stdout
    assert "Answered by the rented model gpt-4.1 of openai in 400.0 ms." in said
    assert "genai-prices" in said
    assert "Name the colour" not in said
    assert "Name the colour" in shell.run("explain", "colour-7", "--content").stdout
    told = shell.json("explain", "colour-7")
    assert (told["schema"], told["call_id"], told["content"]) == ("freehold.explain/1", "colour-7", None)
    assert "begin with colour-" in shell.run("explain", "colour-", code=2).stderr
    assert "freehold calls" in shell.run("explain", "nothing", code=1).stderr
    assert (
        "score kept" in shell.run("feedback", "colour-7", "--score", "0.5", "--name", "helpful", "--by", "Rosa").stdout
    )
    assert "Feedback: score helpful 0.5 by Rosa" in shell.run("explain", "colour-7").stdout
    assert "nothing is said" in shell.run("feedback", "colour-7", code=2).stderr
    shell.run("gold", "colour-7", "red")
    assert shell.json("explain", "colour-7")["has_gold"] is True


def test_models_in_use_are_listed_with_what_is_known_of_their_end(shell: Shell) -> None:
    shell.run("import", str(homes.colours_log(shell.folder / "calls.jsonl", 20, essays=0)))
    name = shell.json("tasks")["tasks"][0]["name"]
    (row,) = shell.json("models")["models"]
    assert (row["model"], row["provider"], row["calls"], row["tasks"]) == ("gpt-4.1", "openai", 20, [name])
    assert row["risk"]["shutdown"] == "2027-01-14"
    assert "2027-01-14" not in shell.run("models").stdout
    line = '{"id":"odd","started_at":"2026-11-01T10:00:00Z","latency_ms":5,"provider":"openai","request":{"model":"odd'
    line += '\\nname","messages":[]},"response":{"model":"odd","choices":[],"usage":{"prompt_tokens":9}}}\n'
    (shell.folder / "more.jsonl").write_text(line)
    shell.run("import", str(shell.folder / "more.jsonl"))
    assert "1 unknown" in shell.run("models").stdout
    assert len(shell.run("calls", "--last", "1").stdout.splitlines()) == 1
    said = shell.run("models", "--risk").stdout
    assert "2027-01-14" in said
    assert "freehold models --risk --refresh" in said
    assert shell.json("models", "--refresh")["lists"] == []


def test_an_outage_is_rehearsed_from_the_command_line(shell: Shell) -> None:
    providers = '[providers.openai]\nkind = "openai"\nfallback = "spare"\n[providers.spare]\nkind = "mistral"\n'
    (shell.folder / "freehold.toml").write_text(f'default_provider = "openai"\n{providers}')
    shell.run("import", str(homes.colours_log(shell.folder / "calls.jsonl", 60, essays=0)))
    words = ("drill", "outage", "openai", "--for", "5h", "--speed", "60000", "--fault", "503")
    drill = shell.json(*words)
    assert (drill["schema"], drill["provider"], drill["availability"]) == ("freehold.drill/1", "openai", 1.0)
    assert drill["tasks"][0]["stood_in"] == {"spare": drill["tasks"][0]["exposed"]}
    said = " ".join(shell.run(*words).stdout.split())
    assert "openai down for 300 minutes" in said
    assert f"played {drill['speed']:,.0f} times as fast" in said
    assert "is no fault" in shell.run("drill", "outage", "openai", "--fault", "418", code=2).stderr
    for odd in ("soon", "nan", "99999999999999999999d"):
        assert "no length of time" in shell.run("drill", "outage", "openai", "--for", odd, code=2).stderr
    assert "belong together" in shell.run("drill", "outage", "openai", "--to", "http://x", code=2).stderr
    assert "no provider 'opena'" in shell.run("drill", "outage", "opena", code=1).stderr


def test_an_empty_ledger_has_no_table_of_tasks_but_what_to_do(shell: Shell) -> None:
    said = shell.run("tasks")
    assert said.stdout == "There is no call to look at.\n"
    assert "freehold import LOG" in said.stderr


def test_a_drill_in_a_home_without_providers_says_how_there_are_some(shell: Shell) -> None:
    assert "[providers.NAME]" in " ".join(shell.run("drill", "outage", "openai", code=1).stderr.split())
