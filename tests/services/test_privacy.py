"""Erasure and retention from end to end: the audit log, the bundles, the tasks, the commands."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from tests.support.bundles import draft, files
from tests.support.homes import START, colours_log, home
from tests.support.homes import line as log_line
from tests.support.shell import Shell

from freehold.errors import UsageError
from freehold.ledger import Ledger
from freehold.ledger.importing import import_file
from freehold.services import deciding, discovering, doctoring, erasing, housekeeping, listing, retaining
from freehold.services.home import Home
from freehold.settings import KeptSettings, RetentionSettings, Settings, TaskSettings
from freehold.students import bundle
from freehold.vocabulary import CONTENT_TAG, Example

USER = "anna-4711"
DAY_US = 86_400_000_000
START_US = int(START.timestamp() * 1e6)


def with_users(folder: Path, settings: Settings | None = None, *, calls: int = 60) -> Home:
    """A home of two tasks whose calls belong to users in turn; every sixth is hers."""
    opened = home(folder, settings)
    lines = [json.loads(text) for text in colours_log(folder / "log", calls, essays=20).read_text().splitlines()]
    for n, one in enumerate(lines):
        one["tags"] = {"end_user": USER if n % 6 == 0 else f"user-{n}"}
    (folder / "log").write_text("".join(json.dumps(one) + "\n" for one in lines))
    import_file(opened.ledger, folder / "log")
    (folder / "log").unlink()
    return opened


def test_an_erasure_is_in_the_audit_log_without_the_name(tmp_path: Path) -> None:
    with with_users(tmp_path) as opened:
        planned = erasing.erase(opened, user=USER, dry_run=True)
        assert (planned.calls, planned.dry_run, planned.finished) == (14, True, False)
        assert planned.mentions == ()
        done = erasing.erase(opened, user=USER, by="ann", reason="asked for it")
        assert (done.calls, done.finished, done.bundles, done.mentions) == (14, True, (), ())
        (entry,) = [one for one in opened.registry.audit_log() if one.what == "content.erased"]
        assert (entry.who, entry.why, entry.subject) == ("ann", "asked for it", done.erasure)
        detail = json.loads(entry.detail)
        assert (detail["calls"], detail["segments"]) == (14, list(done.segments))
        text = json.dumps(["end_user", sorted([USER]), []], ensure_ascii=False).encode()
        digest = hashlib.scrypt(text, salt=bytes.fromhex(detail["salt"]), n=2**14, r=8, p=1, dklen=32).hex()
        assert detail["digest"] == digest
        assert opened.registry.verify_audit_log().ok
        opened.registry.note_erasure(
            done.erasure, by="x", reason="", digest="", salt="", calls=0, segments=(), bundles=()
        )
        assert sum(one.what == "content.erased" for one in opened.registry.audit_log()) == 1
    assert not any(USER.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_hashed_user_is_found_by_name(tmp_path: Path) -> None:
    from freehold.gateway._attribution import Attribution
    from freehold.registry import keys

    with with_users(tmp_path) as opened:
        attribution = Attribution("hash", keys.made_pepper(tmp_path))
        hashed = attribution.tags({b"x-freehold-end-user": b"berta-12"}, _Bare())["end_user"]  # type: ignore[arg-type]
        (call,) = [one for one in opened.ledger.calls() if one.id == "colour-7"]
        call.id, call.tags = "hashed", {"end_user": hashed}
        opened.ledger.append([call])
        assert erasing.erase(opened, user="berta-12").calls == 1


class _Bare:
    """What the gateway reads a call's tags from, with nothing in it."""

    safety_identifier = user = conversation = metadata = None


def test_models_that_learned_from_the_calls_are_named(tmp_path: Path) -> None:
    with with_users(tmp_path) as opened:
        task = discovering.list_tasks(opened).tasks[0]
        ids = [call.id for call in opened.calls() if call.tags["end_user"] == USER][:2]
        examples = [Example(name, ("x",), "amber", None, 1) for name in (*ids, "another")]
        folder = tmp_path / "bundles" / "s1"
        made = bundle.write(
            folder,
            draft(task_id=task.id),
            {**files(), "data/train.jsonl.gz": bundle.encode_examples(examples)},
            bundle.signing_key(tmp_path),
        )
        opened.registry.add_student(made, folder)
        done = erasing.erase(opened, user=USER)
        assert [(one.student, one.calls) for one in done.bundles] == [(made.student_id, 2)]


@pytest.mark.parametrize("wrong", [{}, {"user": "x", "tag": ""}, {"user": "x", "tag": 'a"b'}])
def test_an_order_that_names_nobody_is_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    with home(tmp_path) as opened, pytest.raises(UsageError):
        erasing.erase(opened, **wrong)  # type: ignore[arg-type]


def test_calls_keep_their_task_when_their_content_is_gone(tmp_path: Path) -> None:
    """The task's own rule holds before that of its outcome, and that before the general one."""
    with with_users(tmp_path / "found") as opened:
        name = max(discovering.list_tasks(opened).tasks, key=lambda one: one.calls).name
    settings = Settings(
        retention=RetentionSettings(bodies_days=30, outcomes={"error": KeptSettings(calls_days=2)}),
        tasks={name: TaskSettings(retention=KeptSettings(bodies_days=1))},
    )
    with with_users(tmp_path / "home", settings) as opened:
        before = {one.name: one.calls for one in discovering.list_tasks(opened).tasks}
        (failed,) = [one for one in opened.calls() if one.id == "essay-3"]
        failed.id, failed.outcome = "failed", "error"
        opened.ledger.append([failed])
        opened.ledger.seal()
        assert retaining.expire(opened, now_us=START_US + DAY_US).contents == 0
        done = retaining.expire(opened, now_us=START_US + 5 * DAY_US)
        assert (done.contents, done.calls) == (60, 1)
        gone = [one for one in opened.calls() if CONTENT_TAG in one.tags]
        assert len(gone) == 60
        assert {one.template for one in gone} == {one.template for one in gone} - {""}
        assert all(one.usage is not None for one in gone)
        assert sum(1 for _ in listing.calls(opened, task_name="", limit=0)) == 80
        assert set(before) == {one.name for one in discovering.list_tasks(opened).tasks}


@pytest.mark.parametrize("gone", ["erased", "expired"])
def test_what_is_counted_of_a_task_does_not_change_when_content_goes(tmp_path: Path, gone: str) -> None:
    settings = Settings(retention=RetentionSettings(bodies_days=30))
    with with_users(tmp_path / "home", settings) as opened:
        discovering.list_tasks(opened)
        opened.ledger.seal()

        def counted() -> dict[str, tuple[int, int, int]]:
            by_name = {task.name: task for task in opened.registry.tasks()}
            asked = {name: deciding.question(opened, name).workload for name in by_name}
            listed = {name: sum(1 for _ in listing.calls(opened, task_name=name)) for name in by_name}
            return {name: (one.calls, one.usage.prompt_tokens, listed[name]) for name, one in asked.items()}

        before = counted()
        assert sum(calls for calls, _, _ in before.values()) == 80
        if gone == "erased":
            assert erasing.erase(opened, user=USER).calls == 14
        else:
            assert retaining.expire(opened, now_us=START_US + 60 * DAY_US).contents == 80
        assert any(CONTENT_TAG in one.tags for one in opened.calls())
        assert counted() == before


def test_restricted_calls_have_a_rule_of_their_own(tmp_path: Path) -> None:
    settings = Settings(retention=RetentionSettings(data_classes={"restricted": KeptSettings(bodies_days=7)}))
    with home(tmp_path, settings) as opened:
        for n in range(4):
            one = log_line(f"c{n}", "say", "hello", "hi", START)
            one["tags"] = {"data_class": "restricted"} if n % 2 else {}
            (tmp_path / "log").write_text(json.dumps(one) + "\n")
            import_file(opened.ledger, tmp_path / "log")
        opened.ledger.seal()
        assert retaining.expire(opened, now_us=START_US + 8 * DAY_US).contents == 2
        assert [bool(one.request) for one in opened.calls()] == [True, False, True, False]


def test_the_doctor_says_what_is_due_and_the_housekeeper_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with with_users(tmp_path) as opened:
        opened.ledger.seal()
    (tmp_path / "freehold.toml").write_text("[retention]\nbodies_days = 1\n")
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    codes = [one.code for one in doctoring.examine()]
    assert "retention_due" in codes
    assert housekeeping._lets_go(tmp_path)
    assert housekeeping.once(tmp_path, "expire")
    assert "retention_due" not in [one.code for one in doctoring.examine()]
    assert not any(one.request for one in Ledger(tmp_path).calls())


def test_the_commands(tmp_path: Path) -> None:
    with with_users(tmp_path):
        pass
    shell = Shell(tmp_path, home=tmp_path)
    assert "14 calls hold content that would be erased" in shell.run("erase", "--user", USER, "--dry-run").stdout
    done = shell.json("erase", "--user", "-", said=f"{USER}\n")
    assert (done["schema"], done["calls"], done["finished"]) == ("freehold.erase/1", 14, True)
    (tmp_path / "freehold.toml").write_text("[retention]\nbodies_days = 1\n")
    assert shell.json("expire")["schema"] == "freehold.expire/1"
    assert "0 files" in shell.run("log", "rekey").stdout
