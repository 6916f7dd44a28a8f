"""Advisories from a file, a folder and a zip: what is kept, counted, withdrawn, and no advisory at all."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.advisories import advisory, ranged, write

from freehold.errors import BadAdvisories, NotFound
from freehold.supply.advisories import Advisories, read
from freehold.supply.parts import Part

LIB = Part("distribution", "my-lib", "1.0", "PyPI")
OURS = advisory("GHSA-1", "My_Lib", ranged({"introduced": "0"}), modified="2026-11-02T10:00:00.123456Z")
GONE = advisory("GHSA-2", "my-lib", ranged({"introduced": "0"}), withdrawn="2026-01-01T00:00:00Z")
OTHER = advisory("GHSA-3", "somebody", ranged({"introduced": "0"}), modified="2026-11-05T00:00:00Z")
CRATE = advisory("RUSTSEC-1", "ahash", ranged({"introduced": "0"}), ecosystem="crates.io", summary=None, severity=None)


def seen(found: Advisories) -> tuple[list[str], int, int, int, str]:
    return [one.id for one in found.kept], found.count, found.withdrawn, found.about, found.newest


EXPECTED = (["GHSA-1"], 4, 1, 3, "2026-11-05")


def test_a_folder_a_list_and_a_zip_say_the_same(tmp_path: Path) -> None:
    every = (OURS, GONE, OTHER, CRATE)
    folder = write(tmp_path / "all" / "deep", *every).parent
    (folder / "readme.txt").write_text("no advisory")
    listed = tmp_path / "all.json"
    listed.write_text(json.dumps(every))
    packed = tmp_path / "all.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for one in every:
            file.writestr(f"{one['id']}.json", json.dumps(one))
    both = write(tmp_path / "both", OTHER, CRATE)
    with zipfile.ZipFile(both / "more.zip", "w") as file:
        file.writestr("list.json", json.dumps([OURS, GONE]))
    for path in (folder, listed, packed, both):
        assert seen(read(path, [LIB])) == EXPECTED
    single = tmp_path / "one.json"
    single.write_text(json.dumps(OURS))
    assert seen(read(single, [LIB])) == (["GHSA-1"], 1, 0, 1, "2026-11-02")


def test_what_is_no_advisory_is_counted_and_nothing_else_is_an_error(tmp_path: Path) -> None:
    folder = write(tmp_path / "some", OURS)
    (folder / "broken.json").write_text('{"id": "GHSA-9", "aff')
    (folder / "other.json").write_text('{"name": "no advisory"}')
    (folder / "noise.json").write_bytes(b"\xff\xfe\x00")
    (folder / "deep.json").write_text("[" * 100_000)
    found = read(folder, [LIB])
    assert found.unreadable == ("broken.json", "deep.json", "noise.json", "other.json")
    assert [one.id for one in found.kept] == ["GHSA-1"]
    with pytest.raises(BadAdvisories, match="holds no advisory"):
        read(folder / "other.json", [LIB])
    with pytest.raises(NotFound):
        read(tmp_path / "nothing", [LIB])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BadAdvisories):
        read(empty, [LIB])


def test_a_damaged_zip_says_which_file_it_is(tmp_path: Path) -> None:
    packed = tmp_path / "all.zip"
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("good.json", json.dumps(OURS))
        file.writestr("bad.json", json.dumps(OTHER))
    content = packed.read_bytes()
    packed.write_bytes(content.replace(b"somebody", b"nobodyyy", 1))
    found = read(packed, [LIB])
    assert (found.unreadable, [one.id for one in found.kept]) == (("bad.json",), ["GHSA-1"])


@pytest.mark.parametrize("where", ["content", "directory"])
def test_a_zip_whose_bytes_were_changed_is_told_and_the_others_are_read(tmp_path: Path, where: str) -> None:
    folder = write(tmp_path / "some", OURS)
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bad.json", json.dumps(OTHER))
    content = bytearray((folder / "all.zip").read_bytes())
    at = content.find(b"bad.json") + 8 if where == "content" else content.find(b"PK\x01\x02")
    content[at] ^= 0xFF
    (folder / "all.zip").write_bytes(content)
    found = read(folder, [LIB])
    assert len(found.unreadable) == 1
    assert [one.id for one in found.kept] == ["GHSA-1"]


def test_of_two_states_of_an_advisory_the_later_counts(tmp_path: Path) -> None:
    later = OURS | {"modified": "2026-11-20T00:00:00Z"}
    for first, second, kept in (
        (later | {"summary": "new"}, OURS | {"summary": "old"}, ["new"]),
        (OURS | {"summary": "old"}, later | {"summary": "new"}, ["new"]),
        (OURS, later | {"withdrawn": "2026-11-20T00:00:00Z"}, []),
        (later | {"withdrawn": "2026-11-20T00:00:00Z"}, OURS, []),
    ):
        file = tmp_path / "all.json"
        file.write_text(json.dumps([first, second]))
        assert [one.title for one in read(file, [LIB]).kept] == kept


def test_age_is_that_of_the_newest_and_unknown_where_nobody_says(tmp_path: Path) -> None:
    found = read(write(tmp_path / "a", OURS, OTHER), [LIB])
    assert found.age_days(datetime(2026, 11, 25, tzinfo=UTC)) == 20
    undated = read(write(tmp_path / "b", advisory("X-1", "my-lib", modified="once")), [LIB])
    assert (undated.newest, undated.age_days()) == ("", None)


def test_sources_are_known_by_their_repository(tmp_path: Path) -> None:
    commits = ranged({"introduced": "0"}, kind="GIT", repo="https://github.com/openssl/openssl.git/")
    openssl = Part("runtime", "openssl", "3.0.1", "Bitnami")
    found = read(write(tmp_path / "a", advisory("CVE-1", "", commits)), [openssl])
    assert [one.id for one in found.kept] == ["CVE-1"]
    assert found.kept[0].page == "https://osv.dev/vulnerability/CVE-1"
