"""Installed files against the digests that their distributions listed."""

from __future__ import annotations

from pathlib import Path

from tests.support.advisories import distribution

from freehold.supply import records
from freehold.supply.records import Difference


def test_changed_missing_and_added_files_are_named(tmp_path: Path) -> None:
    files = {"lib/__init__.py": b"a = 1\n", "lib/core.py": b"b = 2\n", "lib/data.txt": b"text", "../bin/tool": b"#!x"}
    distribution(tmp_path / "site", "lib", "1.0", files)
    distribution(tmp_path / "site", "other", "1.0", {"other.py": b"x"})
    place = tmp_path / "site"
    clean = records.verify(places=[place])
    assert (clean.files, clean.distributions, clean.differences, clean.without) == (7, 2, (), ())
    (place / "lib/core.py").write_bytes(b"b = 3\n")
    (place / "lib/data.txt").unlink()
    (place / "lib/extra.py").write_bytes(b"import os\n")
    (place / "new.pth").write_bytes(b"import os\n")
    (place / "_virtualenv.py").write_bytes(b"import sys\n")
    (place / "_virtualenv.pth").write_bytes(b"import _virtualenv")
    (place / "lib/__pycache__").mkdir()
    (place / "lib/__pycache__/core.py").write_bytes(b"")
    seen = records.verify(["lib"], [place])
    assert seen.differences == (
        Difference("", str(place / "lib/extra.py"), "unlisted"),
        Difference("", str(place / "new.pth"), "unlisted"),
        Difference("lib", "lib/core.py", "changed"),
        Difference("lib", "lib/data.txt", "missing"),
    )
    assert (seen.files, seen.distributions) == (5, 1)


def test_a_distribution_without_digests_is_said_and_proves_nothing(tmp_path: Path) -> None:
    info = distribution(tmp_path, "lib", "1.0", {"lib.py": b"x"})
    (info / "RECORD").unlink()
    (tmp_path / "stray.py").write_bytes(b"y")
    seen = records.verify(places=[tmp_path])
    assert (seen.files, seen.distributions, seen.differences, seen.without) == (0, 0, (), ("lib",))


def test_a_digest_of_an_unknown_kind_is_not_compared(tmp_path: Path) -> None:
    info = distribution(tmp_path, "lib", "1.0", {"lib.py": b"x"})
    record = info / "RECORD"
    record.write_text(record.read_text().replace("lib.py,sha256=", "lib.py,md5="))
    (tmp_path / "lib.py").write_bytes(b"changed")
    assert records.verify(places=[tmp_path]).differences == ()
