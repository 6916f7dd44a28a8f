"""Archives: a bundle on the move, whole and signed, or refused by name."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.support import registry
from tests.support.bundles import write_bundle

from freehold.errors import BundleRefused, UsageError
from freehold.students import bundle

AT = "2026-11-27T08:00:00+00:00"


def packed(home: Path, name: str = "model.tar", **changes: object) -> Path:
    """An archive of a home's student; `changes` go to what is said of it."""
    folder = home / "bundles" / "one"
    if not folder.exists():
        write_bundle(home, folder)
    manifest = bundle.read_manifest(folder)
    task = registry.task("t1", "a", name="triage")
    how = bundle.served(manifest.student_id, task, "full", "cert-1", "restricted", AT)
    how = msgspec.structs.replace(how, **changes)  # type: ignore[arg-type]
    file = home / name
    bundle.pack(folder, how, file, bundle.signing_key(home))
    return file


def members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]


def rewritten(file: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The archive with other members."""
    found = members(file)
    change(found)
    target = file.with_name("changed.tar")
    with tarfile.open(target, "w") as tar:
        for name, content in found.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return target


@pytest.mark.parametrize("name", ["model.tar", "model.tar.gz", "model.tgz"])
def test_what_went_in_comes_out_verified(tmp_path: Path, name: str) -> None:
    file = packed(tmp_path / "home", name)
    target = tmp_path / "out"
    target.mkdir()
    found = bundle.unpack(file, target)
    assert (found.served.task.name, found.served.stage, found.served.data_class) == ("triage", "full", "restricted")
    assert found.verified.signer == bundle.public_hex(bundle.signing_key(tmp_path / "home"))
    assert bundle.verify(target).manifest == found.verified.manifest
    assert bundle.is_archive(file)
    assert not bundle.is_archive(target)


def test_the_same_student_gives_the_same_bytes_and_nothing_is_overwritten(tmp_path: Path) -> None:
    first, second = packed(tmp_path, "one.tar.gz"), packed(tmp_path, "two.tar.gz")
    assert first.read_bytes() == second.read_bytes()
    with pytest.raises(UsageError, match="never overwritten"):
        packed(tmp_path, "one.tar.gz")
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_whoever_packs_vouches_for_a_bundle_whose_signer_they_trust(tmp_path: Path) -> None:
    packed(tmp_path / "home")
    folder = tmp_path / "home" / "bundles" / "one"
    verified = bundle.verify(folder)
    task = registry.task("t1", "a")
    how = bundle.served(verified.manifest.student_id, task, "full", "c", "ordinary", AT)
    other, file = bundle.signing_key(tmp_path / "other"), tmp_path / "x.tar"
    with pytest.raises(BundleRefused, match="does not trust"):
        bundle.pack(folder, how, file, other)
    with pytest.raises(BundleRefused, match="another student's"):
        bundle.pack(folder, msgspec.structs.replace(how, student_id="s9"), file, other)
    assert not file.exists()
    assert bundle.pack(folder, how, file, other, trusted=[verified.signer]) == bundle.public_hex(other)
    target = tmp_path / "out"
    target.mkdir()
    found = bundle.unpack(file, target).verified
    assert (found.signer, found.manifest) == (bundle.public_hex(other), verified.manifest)


def test_every_file_that_is_changed_or_missing_is_noticed(tmp_path: Path) -> None:
    file = packed(tmp_path)
    for number, name in enumerate(members(file)):
        for how in ("changed", "gone"):

            def change(found: dict[str, bytes], name: str = name, how: str = how) -> None:
                content = found.pop(name)
                if how == "changed":
                    found[name] = content[:-2] + b"!" + content[-1:]

            target = tmp_path / f"out-{number}-{how}"
            target.mkdir()
            with pytest.raises(BundleRefused):
                bundle.unpack(rewritten(file, change), target)


def test_what_is_said_cannot_be_taken_from_another_archive(tmp_path: Path) -> None:
    """Both signed by the same home, for students of different tasks."""
    one = packed(tmp_path)
    two = packed(tmp_path, "two.tar", task=registry.task("t2", "b"))

    def swap(found: dict[str, bytes]) -> None:
        found |= {name: content for name, content in members(two).items() if name.startswith("served")}

    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(BundleRefused, match="not said by the bundle's signer of that student"):
        bundle.unpack(rewritten(one, swap), target)


@pytest.mark.parametrize(
    "name",
    [
        "../out.json",
        "bundle/../../out.json",
        "/etc/out",
        "bundle/x.pkl",
        "other.txt",
        "bundle/a/b/c/d.json",
        "bundle/",
        "bundle/card.md/x.json",
    ],
)
def test_names_that_lead_elsewhere_are_refused_and_nothing_is_written_there(tmp_path: Path, name: str) -> None:
    file = rewritten(packed(tmp_path / "home"), lambda found: found.update({name: b"{}"}))
    target = tmp_path / "deep" / "out"
    target.mkdir(parents=True)
    with pytest.raises(BundleRefused):
        bundle.unpack(file, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "home"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE]
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    file = tmp_path / "odd.tar"
    with tarfile.open(file, "w") as tar:
        entry = tarfile.TarInfo("bundle/manifest.json")
        entry.type, entry.linkname = kind, "/etc/passwd"
        tar.addfile(entry)
    with pytest.raises(BundleRefused, match="no place"):
        bundle.unpack(file, tmp_path / "out")


def test_a_file_twice_is_refused(tmp_path: Path) -> None:
    file = packed(tmp_path)
    with tarfile.open(file, "a") as tar:
        tar.addfile(tarfile.TarInfo("bundle/manifest.json"), io.BytesIO(b""))
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(BundleRefused, match="no place"):
        bundle.unpack(file, target)


@pytest.mark.parametrize("name", ["model.tar", "model.tar.gz"])
def test_an_archive_that_was_cut_off_is_refused_or_lacks_nothing(tmp_path: Path, name: str) -> None:
    """What ends a tar is padding: an archive may lose that, and nothing else."""
    file = packed(tmp_path, name)
    whole, cut = file.read_bytes(), tmp_path / f"cut-{name}"
    (tmp_path / "whole").mkdir()
    expected = bundle.unpack(file, tmp_path / "whole")
    refused = 0
    for number in range(40):
        cut.write_bytes(whole[: len(whole) * number // 40])
        target = tmp_path / str(number)
        target.mkdir()
        try:
            assert bundle.unpack(cut, target) == expected
        except BundleRefused:
            refused += 1
    assert refused > 20


def test_what_cannot_be_unpacked_is_refused_in_the_middle_of_a_file_too(tmp_path: Path) -> None:
    file, entry = tmp_path / "broken.tar.gz", tarfile.TarInfo("bundle/manifest.json")
    entry.size = 2_000_000
    packer = zlib.compressobj(wbits=31)
    begun = packer.compress(entry.tobuf() + random.Random(1).randbytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    file.write_bytes(begun + b"\x07no block of deflate begins like that")
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(BundleRefused, match="no whole archive"):
        bundle.unpack(file, target)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_what_unpacks_without_end_fills_neither_memory_nor_disk(tmp_path: Path, kind: bytes) -> None:
    """As a file and as a header, which is read before anybody sees a name."""
    file, size = tmp_path / "bomb.tar.gz", 400 * 1024**2
    entry = tarfile.TarInfo("bundle/weights.safetensors")
    entry.size, entry.type = size, kind
    with gzip.open(file, "wb", compresslevel=1) as stream:
        stream.write(entry.tobuf(tarfile.GNU_FORMAT))
        for _ in range(size // 2**22):
            stream.write(bytes(2**22))
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(BundleRefused, match="far more than its size"):
        bundle.unpack(file, target)
    assert list(target.iterdir()) == []


def test_an_archive_is_for_its_owner_alone_and_lies_in_a_folder_that_is_there(tmp_path: Path) -> None:
    assert packed(tmp_path).stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="is no folder"):
        packed(tmp_path, "nowhere/model.tar")


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"text", gzip.compress(b"text"), b"\x1f\x8b\x08\x00garbage")):
        file = tmp_path / f"{number}.tar.gz"
        file.write_bytes(content)
        target = tmp_path / str(number)
        target.mkdir()
        with pytest.raises(BundleRefused):
            bundle.unpack(file, target)


def test_a_version_that_is_not_known_is_refused(tmp_path: Path) -> None:
    file = packed(tmp_path, schema="freehold.served/9")
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(BundleRefused, match="freehold\\.served/9"):
        bundle.unpack(file, target)
