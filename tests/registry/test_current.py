"""Whether a start may trust what lies published: only where publishing again would change nothing."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.registry import add_certificate, add_student, opened, task

import freehold
from freehold.registry import _spool, current, demotion, keys, pausing, routes
from freehold.registry.store import Registry
from freehold.settings import Loaded, load
from freehold.vocabulary import VirtualKey

SETTINGS = (
    '[gateway]\nport = 1\n\n[tasks."name of t1"]\naudit_share = 0.5\n\n[tasks.secret]\ndata_class = "restricted"\n'
)


def loaded(home: Path, **variables: str) -> Loaded:
    return load({"FREEHOLD_HOME": str(home), **variables})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a task that is served, a key and everything published."""
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    (tmp_path / "freehold.toml").write_text(SETTINGS)
    with Registry(tmp_path, loaded(tmp_path).settings) as registry:
        registry.save_discovered([task("t1", "a")])
        add_student(registry, "s1")
        add_certificate(registry, "s1", "c1")
        registry.set_stage("t1", "full", by="ann")
        registry.add_virtual_key(VirtualKey(id="", name="team", digest="", created_at=""), by="ann")
    assert current.is_current(loaded(tmp_path))
    return tmp_path


def republished(home: Path) -> None:
    """What the housekeeper does where it is not."""
    assert not current.is_current(loaded(home))
    with Registry(home, loaded(home).settings) as registry:
        registry.publish()
    assert current.is_current(loaded(home))


def test_what_the_gateway_is_told_on_the_command_line_changes_no_route(home: Path) -> None:
    assert current.is_current(loaded(home, FREEHOLD_GATEWAY__PORT="2", FREEHOLD_GATEWAY__WORKERS="3"))


@pytest.mark.parametrize(
    "text",
    [
        SETTINGS.replace("0.5", "0.25"),
        SETTINGS.replace("secret", "other"),
        SETTINGS + '\n[tasks.more]\ndata_class = "restricted"\n',
        SETTINGS.replace("audit_share = 0.5", 'audit_share = 0.5\ndata_class = "ordinary"'),
        SETTINGS + "\n[certificate]\ncanary_share = 0.125\n",
    ],
)
def test_other_declarations_are_to_be_published(home: Path, text: str) -> None:
    (home / "freehold.toml").write_text(text)
    republished(home)


def _take_off(home: Path) -> None:
    demotion._take_off(home, _spool.Pending("t1", "c1", "its audit says so", ""))


def _edit(home: Path) -> None:
    routes.path(home).write_text(routes.path(home).read_text() + "\n")


@pytest.mark.parametrize(
    "change",
    [
        _take_off,
        _edit,
        pausing.stop,
        lambda home: _spool.put(home, _spool.Pending("t1", "c1", "its audit says so", "")),
        lambda home: keys.path(home).unlink(),
        lambda home: routes.path(home).unlink(),
        lambda home: keys.path(home).write_text("{"),
    ],
)
def test_files_that_others_left_are_to_be_published_again(home: Path, change: Callable[[Path], object]) -> None:
    change(home)
    republished(home)


def test_what_a_crash_left_unpublished_is_seen(home: Path) -> None:
    with opened(home, loaded(home).settings) as registry, registry._db.write() as connection:
        from freehold.registry import _rows

        _rows.set_number(connection, current.REVISION, 99)
    republished(home)


def test_other_code_publishes_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "_code", lambda: b"another version")
    republished(home)


def test_what_an_upgrade_put_there_meanwhile_is_not_what_published() -> None:
    code = """
from pathlib import Path
from freehold.registry import current
read = Path.read_bytes
Path.read_bytes = lambda file: read(file) + b"upgraded"
print(current._code().decode())
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == current._code().decode()


def test_every_change_leaves_all_published(home: Path) -> None:
    with Registry(home, loaded(home).settings) as registry:
        for change in (
            lambda: registry.rename("t1", "triage", by="ann"),
            lambda: registry.pause("t1", by="ann"),
            lambda: registry.demote("t1", "c1", "its audit says so"),
            lambda: registry.revoke_virtual_key("team", by="ann"),
        ):
            change()
            assert current.is_current(loaded(home))


def test_a_database_that_cannot_be_read_is_no_reason_to_trust(home: Path) -> None:
    held = sqlite3.connect(home / "control.db", isolation_level=None)
    held.execute("PRAGMA locking_mode = EXCLUSIVE")
    held.execute("PRAGMA journal_mode = DELETE")
    held.execute("BEGIN EXCLUSIVE")
    assert not current.is_current(loaded(home))
    held.close()
    (home / "control.db").write_bytes(b"no database")
    assert not current.is_current(loaded(home))


def test_a_variable_that_is_no_utf_8_is_in_nobodys_way(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_TASKS__OTHER__MODEL", os.fsdecode(b"\xff"))
    with Registry(home) as registry:
        registry.publish()
    variables = {name: value for name, value in os.environ.items() if name.startswith("FREEHOLD_")}
    assert current.is_current(loaded(home, **variables))
    assert not current.is_current(loaded(home))


def test_the_code_that_publishes_is_all_that_the_registry_is_made_with() -> None:
    files = (Path(freehold.__file__).parent / "registry").glob("*.py")
    used = {name for file in files for name in re.findall(r"from freehold\.(\w+)[. ]", file.read_text())}
    assert used - {"errors", "files"} <= set(current._CODE)


def test_a_home_that_is_not_there_is_to_be_made(tmp_path: Path) -> None:
    assert not current.is_current(loaded(tmp_path / "new"))


def test_a_home_in_which_nothing_was_decided_has_nothing_to_publish(tmp_path: Path) -> None:
    assert current.is_current(loaded(tmp_path))
    assert not list(tmp_path.iterdir())
    assert not current.is_current(loaded(tmp_path, FREEHOLD_TASKS__SECRET__DATA_CLASS='"restricted"'))
    routes.path(tmp_path).write_text("{}")
    assert not current.is_current(loaded(tmp_path))
