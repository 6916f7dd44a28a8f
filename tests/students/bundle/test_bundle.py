"""Bundles: what is written verifies, and nothing that was changed, added, removed or smuggled in does."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import random
import stat
import struct
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pycrfsuite
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save
from tests.support.bundles import EXAMPLES, certificate, contract, draft, files, safetensors, signer_of, write_bundle

from freehold.errors import BundleRefused, ConfigurationError, MissingPrerequisite, UsageError
from freehold.students import bundle
from freehold.vocabulary import Example


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def folder(home: Path) -> Path:
    write_bundle(home, home / "one")
    return home / "one"


def refused(folder: Path) -> str:
    with pytest.raises(BundleRefused) as error:
        bundle.verify(folder)
    return f"{error.value.error_code}: {error.value.message}"


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def resigned(home: Path, folder: Path, **changes: object) -> None:
    """What somebody who holds a key could do: change the manifest and sign it again."""
    from freehold.students.bundle._signing import sign

    manifest = msgspec.structs.replace(bundle.read_manifest(folder), **changes)
    raw = msgspec.json.encode(manifest)
    (folder / "manifest.json").write_bytes(raw)
    (folder / "signature.json").write_bytes(sign(raw, bundle.signing_key(home)))


def test_a_bundle_holds_what_the_design_names_and_verifies(home: Path, folder: Path) -> None:
    assert set(contents(folder)) == {
        "LICENSES",
        "card.md",
        "contract.json",
        "data/train.jsonl.gz",
        "data_card.md",
        "manifest.json",
        "signature.json",
        "vocabulary.json",
        "weights.safetensors",
    }
    verified = bundle.verify(folder, trusted=bundle.trusted_signers(home))
    assert verified.manifest == bundle.read_manifest(folder)
    assert verified.manifest.student_id.startswith("st-")
    assert verified.signer == signer_of(home)
    assert verified.known_signer
    assert not bundle.verify(folder).known_signer
    assert bundle.read_examples(folder) == list(EXAMPLES)
    assert bundle.read_contract(folder) == contract()
    assert not list(home.glob(".bundle-*"))


def test_a_changed_byte_anywhere_is_refused(folder: Path) -> None:
    original = contents(folder)
    rng = random.Random(3)
    for name, content in original.items():
        path = folder / name
        positions = range(len(content)) if len(content) <= 150 else sorted(rng.sample(range(len(content)), 120))
        for position in positions:
            for flip in (1 << rng.randrange(8), 0x20):
                changed = bytearray(content)
                changed[position] ^= flip
                path.write_bytes(changed)
                with pytest.raises(BundleRefused):
                    bundle.verify(folder)
        path.write_bytes(content)
    bundle.verify(folder)


@pytest.mark.parametrize("change", [lambda c: c + b"\n", lambda c: c + b"\0", lambda c: c[:-1], lambda c: c[:0]])
def test_more_or_fewer_bytes_in_any_file_are_refused(folder: Path, change: Callable[[bytes], bytes]) -> None:
    for name, content in contents(folder).items():
        (folder / name).write_bytes(change(content))
        with pytest.raises(BundleRefused):
            bundle.verify(folder)
        (folder / name).write_bytes(content)


def test_a_missing_file_is_refused_by_name(folder: Path) -> None:
    for name, content in contents(folder).items():
        (folder / name).unlink()
        assert name in refused(folder)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("name", ["notes.md", "evidence/more.json", "data/more.jsonl.gz", ".hidden", "a/b/c/d.json"])
def test_an_unlisted_file_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"{}")
    assert name in refused(folder)


class Bomb:
    """Pickled, it writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    return buffer.getvalue()


NAMES = [
    "model.pkl", "model.pickle", "model.pt", "model.pth", "model.bin", "model.joblib", "model.npy", "model.npz", "m.h5",
    "model.ckpt", "model.py", "model.so", "weights.safetensors.pkl", "weights.pkl.json", "WEIGHTS.PKL", "model",
    "model.dat", "model.onnx", "__init__.py", "conftest.txt.py",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_formats_off_the_list_are_refused_by_name(home: Path, name: str) -> None:
    with pytest.raises(BundleRefused):
        bundle.write(home / "one", draft(), files(**{name: b"{}"}), bundle.signing_key(home))
    assert not (home / "one").exists()


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "model.crfsuite", "vocabulary.json", "contract.json", "LICENSES"]
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_under_an_allowed_name_is_refused_and_never_run(home: Path, name: str, protocol: int) -> None:
    trap = home / "trap"
    for content in (pickle.dumps(Bomb(trap), protocol), zipped(pickle.dumps(Bomb(trap), protocol))):
        if name == "LICENSES" and protocol == 0 and not content.startswith(b"PK"):
            continue  # Protocol 0 is plain text, and text that nothing ever loads is harmless.
        with pytest.raises(BundleRefused, match=name):
            bundle.write(home / "one", draft(), files(**{name: content}), bundle.signing_key(home))
    assert not trap.exists()


@pytest.mark.parametrize(
    "name",
    ["../evil.json", "/etc/evil.json", "a/../../evil.json", "a\\b.json", "./a.json", "a//b.json", "..json", "a./b.json",
     "a\0.json", "manifest.json", "signature.json", "-rf.json", "ä.json", "a/b/c/d.json", "x" * 300 + ".json", ""],
)  # fmt: skip
def test_paths_that_leave_or_confuse_are_refused(home: Path, name: str) -> None:
    with pytest.raises(BundleRefused):
        bundle.write(home / "one", draft(), files(**{name: b"{}"}), bundle.signing_key(home))


@pytest.mark.parametrize("name", ["../secret.json", "/etc/passwd", "data/../../secret.json"])
def test_a_signed_manifest_that_lists_a_path_outside_is_refused(home: Path, folder: Path, name: str) -> None:
    (home / "secret.json").write_bytes(b"{}")
    listed = bundle.read_manifest(folder).files
    resigned(home, folder, files={**listed, name: "0" * 64})
    assert refused(folder).startswith("bundle_path")


def test_links_and_devices_are_refused(home: Path, folder: Path) -> None:
    weights = folder / "weights.safetensors"
    aside = weights.rename(home / "aside.safetensors")
    weights.symlink_to(aside)
    assert "weights.safetensors is a link" in refused(folder)
    weights.unlink()
    os.mkfifo(weights)
    assert "weights.safetensors is a link or a device" in refused(folder)
    weights.unlink()
    aside.rename(weights)
    data = folder / "data"
    data.rename(home / "data")
    data.symlink_to(home / "data")
    assert "data is a link" in refused(folder)


def test_names_that_differ_only_in_case_are_refused(home: Path) -> None:
    with pytest.raises(BundleRefused, match="case"):
        bundle.write(home / "one", draft(), files(**{"Vocabulary.json": b"{}"}), bundle.signing_key(home))


def test_an_unsigned_bundle_and_one_signed_by_a_stranger(home: Path, folder: Path) -> None:
    resigned(home / "stranger", folder)
    verified = bundle.verify(folder, trusted=bundle.trusted_signers(home))
    assert not verified.known_signer
    assert verified.signer == signer_of(home / "stranger")
    (folder / "signature.json").unlink()
    assert refused(folder).startswith("bundle_unsigned")


def test_a_signer_cannot_give_a_student_another_students_name(home: Path, folder: Path) -> None:
    resigned(home, folder, student_id="st-0000000000000000")
    assert "does not follow" in refused(folder)


def test_a_signer_cannot_name_another_data_set(home: Path, folder: Path) -> None:
    resigned(home, folder, dataset_digest="0" * 64)
    assert "data/train.jsonl.gz" in refused(folder)


def test_another_schema_is_refused(home: Path, folder: Path) -> None:
    resigned(home, folder, schema="freehold.bundle/99")
    assert "freehold.bundle/1" in refused(folder)


def test_what_is_no_bundle_at_all(tmp_path: Path) -> None:
    assert refused(tmp_path / "nothing").startswith("bundle_missing")
    assert refused(tmp_path).startswith("bundle_incomplete")
    (tmp_path / "manifest.json").write_bytes(b"[" * 100_000)
    (tmp_path / "signature.json").write_bytes(b"[" * 100_000)
    assert refused(tmp_path).startswith("bundle_changed")


def test_evidence_is_added_later_and_the_name_stays(home: Path, folder: Path) -> None:
    before = contents(folder)
    first = bundle.read_manifest(folder)
    for number in (1, 2):
        promise = certificate(first.student_id, id=f"cert-{number}")
        manifest = bundle.add_evidence(folder, promise, bundle.signing_key(home))
        assert bundle.verify(folder).manifest == manifest
    after = contents(folder)
    assert manifest.student_id == first.student_id
    assert len([name for name in after if name.startswith("evidence/")]) == 2
    unchanged = {"weights.safetensors", "vocabulary.json", "data/train.jsonl.gz", "contract.json", "data_card.md"}
    assert {name for name in before if before[name] == after[name]} == unchanged | {"LICENSES"}
    assert b"Certificate cert-2" in after["card.md"]
    assert sorted(p.name for p in home.iterdir()) == ["keys", "one"]


def test_evidence_of_another_student_is_refused(home: Path, folder: Path) -> None:
    with pytest.raises(BundleRefused, match="another student"):
        bundle.add_evidence(folder, certificate("st-other"), bundle.signing_key(home))
    bundle.verify(folder)


def test_evidence_is_not_added_to_a_changed_bundle(home: Path, folder: Path) -> None:
    manifest = bundle.read_manifest(folder)
    (folder / "vocabulary.json").write_bytes(b"{}")
    with pytest.raises(BundleRefused):
        bundle.add_evidence(folder, certificate(manifest.student_id), bundle.signing_key(home))


def test_a_crash_between_the_renames_loses_nothing(home: Path, folder: Path) -> None:
    manifest = bundle.read_manifest(folder)
    folder.rename(home / ".one.earlier")
    bundle.add_evidence(folder, certificate(manifest.student_id), bundle.signing_key(home))
    assert bundle.verify(folder).manifest.student_id == manifest.student_id


def test_the_name_follows_from_what_answers_and_what_was_learned(home: Path) -> None:
    base = write_bundle(home, home / "base").student_id
    same = {"created_at": "2030-01-01", "environment": {"python": "3.13"}, "code_version": "9", "teacher": "x"}
    assert write_bundle(home, home / "same", **same).student_id == base
    assert write_bundle(home, home / "seed", seed=8).student_id != base
    key = bundle.signing_key(home)
    others = [
        files(**{"weights.safetensors": safetensors((1.0, 3.0))}),
        files(**{"vocabulary.json": b'{"card":1}'}),
        files(**{"data/train.jsonl.gz": bundle.encode_examples(EXAMPLES[:2])}),
    ]
    assert len({bundle.write(home / f"{n}", draft(), f, key).student_id for n, f in enumerate(others)} | {base}) == 4
    manifest, content = bundle.compose(draft(), files())
    assert manifest.student_id == base
    assert "signature.json" not in content


def test_a_bundle_is_never_overwritten_and_an_export_goes_to_an_empty_folder(home: Path, folder: Path) -> None:
    with pytest.raises(UsageError, match="exists"):
        write_bundle(home, folder)
    exported = bundle.export(folder, home / "out" / "there")
    assert contents(home / "out/there") == contents(folder)
    assert exported.manifest == bundle.read_manifest(folder)
    with pytest.raises(UsageError, match="not empty"):
        bundle.export(folder, home / "out/there")
    (folder / "card.md").write_bytes(b"better")
    with pytest.raises(BundleRefused):
        bundle.export(folder, home / "elsewhere")


def test_a_writer_must_bring_what_a_bundle_cannot_do_without(home: Path) -> None:
    for missing in ("contract.json", "data/train.jsonl.gz"):
        given_files = files()
        del given_files[missing]
        with pytest.raises(BundleRefused, match=missing):
            bundle.write(home / "one", draft(), given_files, bundle.signing_key(home))
    bare = {name: files()[name] for name in ("contract.json", "data/train.jsonl.gz")}
    with pytest.raises(BundleRefused, match="no files"):
        bundle.write(home / "one", draft(), bare, bundle.signing_key(home))


def test_cards_show_recorded_facts_and_visible_blanks(folder: Path) -> None:
    card, data_card = (folder / "card.md").read_text(), (folder / "data_card.md").read_text()
    assert "| Teacher | some-model |" in card
    assert "| Intended use | _not recorded_ |" in card
    assert "Nothing is promised" in card
    assert "| With a person's answer | 1 |" in data_card
    assert "| card | 2 | 66.67% |" in data_card
    assert "_not recorded_" in (folder / "LICENSES").read_text()


# Data


@given(
    st.lists(
        st.builds(
            Example,
            st.text(),
            st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=2).map(tuple),
            st.text(),
            st.none() | st.text(),
            st.integers(0, 2**60),
        ),
        max_size=5,
    )
)
@settings(max_examples=50, deadline=None)
def test_examples_survive_packing_and_pack_the_same_each_time(examples: list[Example]) -> None:
    from freehold.students.bundle._data import decode_examples

    packed = bundle.encode_examples(examples)
    assert decode_examples(packed) == examples
    assert bundle.encode_examples(examples) == packed
    assert packed[4:8] == b"\0\0\0\0"


def test_data_with_a_second_member_or_a_bad_line_is_refused(home: Path) -> None:
    packed = bundle.encode_examples(EXAMPLES)
    for content in (packed + packed, packed[:-5], b"\x1f\x8b\x08nonsense", gzip.compress(b"{}\n", mtime=0)):
        with pytest.raises(BundleRefused, match=r"data/train\.jsonl\.gz"):
            bundle.write(home / "one", draft(), files(**{"data/train.jsonl.gz": content}), bundle.signing_key(home))


def test_a_decompression_bomb_is_stopped() -> None:
    from freehold.students.bundle._formats import gunzip

    with pytest.raises(BundleRefused, match="more than"):
        gunzip(gzip.compress(b"\0" * 10_000_000), limit_bytes=1_000_000)


# Formats


def test_real_safetensors_and_crfsuite_files_are_accepted(home: Path) -> None:
    import numpy as np

    trainer = pycrfsuite.Trainer(verbose=False)
    trainer.append([["a"], ["b"]], ["X", "Y"])
    trainer.train(str(home / "m.crfsuite"))
    tensors = {"w": np.ones((3, 4), np.float32), "i": np.arange(5), "empty": np.zeros((0, 2)), "b": np.array([True])}
    content = {"w.safetensors": save(tensors, {"k": "v"}), "m.crfsuite": (home / "m.crfsuite").read_bytes()}
    bundle.write(home / "one", draft(), files(**content), bundle.signing_key(home))
    cut = {"m.crfsuite": content["m.crfsuite"][:-1]}
    with pytest.raises(BundleRefused, match=r"m\.crfsuite"):
        bundle.write(home / "two", draft(), files(**cut), bundle.signing_key(home))


def _header(text: str, n_data: int) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode() + b"\0" * n_data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04" + b"x" * 50,
        struct.pack("<Q", 2**63) + b"{}",
        _header("{", 0),
        _header("{}", 3),
        _header('{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4),
        _header('{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', 8),
        _header('{"w":{"dtype":"PY","shape":[1],"data_offsets":[0,4]}}', 4),
        _header('{"w":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}', 0),
        _header('{"w":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}', 4),
        _header('{"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},'
                '"v":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}', 2),
    ],
)  # fmt: skip
def test_safetensors_whose_header_lies_are_refused(home: Path, content: bytes) -> None:
    with pytest.raises(BundleRefused, match=r"weights\.safetensors"):
        bundle.write(home / "one", draft(), files(**{"weights.safetensors": content}), bundle.signing_key(home))


# Keys


def test_the_key_is_made_once_and_only_its_owner_can_read_it(home: Path) -> None:
    keys: list[str] = []
    threads = [threading.Thread(target=lambda: keys.append(signer_of(home))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1
    path = home / "keys/signing.ed25519"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["signing.ed25519"]
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="others"):
        bundle.signing_key(home)


def test_a_missing_or_broken_key_says_so(home: Path) -> None:
    with pytest.raises(MissingPrerequisite):
        bundle.load_signing_key(home)
    assert bundle.trusted_signers(home) == frozenset()
    bundle.signing_key(home)
    (home / "keys/signing.ed25519").write_bytes(b"nonsense")
    with pytest.raises(ConfigurationError):
        bundle.signing_key(home)
