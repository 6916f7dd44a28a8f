"""Files are there whole or not at all, and nothing is left beside them."""

import stat
from pathlib import Path

import pytest

from freehold import files


def test_a_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it(tmp_path):
    file = tmp_path / "a.json"
    files.replace(file, b"one", mode=0o644)
    files.replace(file, b"two", mode=0o640)
    assert file.read_bytes() == b"two"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("step", ["chmod", "replace"])
def test_what_was_there_stays_where_the_disk_refuses(tmp_path, monkeypatch, step):
    file = tmp_path / "a.json"
    files.replace(file, b"one")

    def refuse(*_):
        raise OSError("no room")

    monkeypatch.setattr(Path, step, refuse)
    with pytest.raises(OSError, match="no room"):
        files.replace(file, b"two")
    assert file.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_is_made_once_and_for_its_owner_alone(tmp_path):
    file = tmp_path / "key"
    files.make_once(file, b"one")
    files.make_once(file, b"two")
    assert file.read_bytes() == b"one"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def refuse(_):
        raise OSError("no room")

    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(OSError, match="no room"):
        files.make_once(tmp_path / "key", b"one")
    assert list(tmp_path.iterdir()) == []
