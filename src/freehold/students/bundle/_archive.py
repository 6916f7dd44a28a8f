"""A bundle on the move: one file with the bundle and with what must be known to put it into service elsewhere.

A bundle says what a student is; whose calls it may answer, and from which stage, is its home's knowledge. The archive
adds that, signed by the same key. It is a tar of `bundle/...`, `served.json` and `served.signature.json`.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tempfile
import zlib
from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from freehold.errors import BundleRefused, UsageError
from freehold.vocabulary import DataClass, Stage, Task

from ._formats import MAX_FILES, Layout, check_name
from ._signing import check_signature, public_hex, sign
from ._verify import Verified, read_regular, verify
from ._write import write_file

SUFFIXES: Final = (".tar", ".tar.gz", ".tgz")
_SCHEMA: Final = "freehold.served/1"
_FOLDER: Final = "bundle/"
_SERVED: Final = "served.json"
_SIGNATURE: Final = "served.signature.json"
_MOST_SERVED: Final = 64 * 1024**2
_MOST_BYTES: Final = 256 * 1024**2
_MOST_TIMES: Final = 100
"""So much may come out of any archive, and out of a large one so many times its size: no weights pack better."""


class Served(msgspec.Struct, frozen=True):
    """How a student is served: for which task, on which stage, under which certificate, and with which data."""

    schema: str
    student_id: str
    task: Task
    stage: Stage
    certificate_id: str
    data_class: DataClass
    made_at: str


class Unpacked(NamedTuple):
    """What an archive held, all of it by one signer."""

    served: Served
    verified: Verified


def is_archive(path: Path) -> bool:
    """Whether a path is called as an archive is."""
    return path.name.lower().endswith(SUFFIXES)


def served(student_id: str, task: Task, stage: Stage, certificate_id: str, data_class: DataClass, at: str) -> Served:
    """The words that an archive says of its student. `at`: ISO 8601."""
    return Served(_SCHEMA, student_id, task, stage, certificate_id, data_class, at)


def pack(bundle: Path, how: Served, file: Path, key: Ed25519PrivateKey, *, trusted: Collection[str] = ()) -> str:
    """Write an archive of a verified bundle and return its signer; it appears whole or not at all.

    Whoever packs vouches: a bundle that came from a `trusted` signer leaves under the signature of `key`, byte for byte
    the same otherwise, so that one that was deployed can be deployed on when its first home is gone.

    Raises:
        BundleRefused: the bundle does not verify, is another student's, or its signer is not trusted.
        UsageError: `file` exists, or the folder does not in which it would lie.
    """
    verified, own = verify(bundle), public_hex(key)
    if verified.manifest.student_id != how.student_id:
        raise BundleRefused("the bundle is another student's", code="bundle_changed")
    if verified.signer != own and verified.signer not in trusted:
        raise BundleRefused(
            f"the bundle is signed by {verified.signer[:16]}…, whom this home does not trust", code="bundle_signer"
        )
    if file.exists():
        raise UsageError(f"{file} exists; an archive is never overwritten", hint="name a new file")
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent} is no folder", hint="make it first, or name another")
    said = msgspec.json.format(msgspec.json.encode(how)) + b"\n"
    manifest = read_regular(bundle, Layout.MANIFEST)
    with _replacing(file) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        _add(tar, _SERVED, said)
        _add(tar, _SIGNATURE, sign(said, key))
        _add(tar, f"{_FOLDER}{Layout.MANIFEST}", manifest)
        _add(tar, f"{_FOLDER}{Layout.SIGNATURE}", sign(manifest, key))
        for name in sorted(verified.manifest.files):
            _add(tar, f"{_FOLDER}{name}", read_regular(bundle, name))
    return own


def unpack(file: Path, folder: Path) -> Unpacked:
    """Unpack an archive's bundle into `folder`, which must be empty, and verify everything.

    Raises:
        BundleRefused: it is no archive of ours, or anything in it is not what was signed.
        OSError: it cannot be read.
    """
    found: dict[str, bytes] = {}
    try:
        with file.open("rb") as raw, tarfile.open(fileobj=_opened(raw), mode="r|") as tar:
            for name, content in _members(tar):
                if name.startswith(_FOLDER):
                    _write(folder, name.removeprefix(_FOLDER), content)
                elif name in (_SERVED, _SIGNATURE) and len(content) <= _MOST_SERVED:
                    found[name] = content
                else:
                    raise BundleRefused(f"{name[:100]!r} has no place in an archive", code="bundle_path")
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BundleRefused(f"{file} is no whole archive ({type(error).__name__})", code="bundle_format") from None
    if len(found) != 2:
        raise BundleRefused(f"{file} does not say how its student is served", code="bundle_incomplete")
    verified = verify(folder)
    return Unpacked(_read(found, verified), verified)


def _read(found: dict[str, bytes], verified: Verified) -> Served:
    try:
        signer = check_signature(found[_SERVED], found[_SIGNATURE])
        how = msgspec.json.decode(found[_SERVED], type=Served)
    except BundleRefused:
        raise BundleRefused(f"{_SIGNATURE} does not sign {_SERVED}", code="bundle_changed") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BundleRefused(f"{_SERVED} cannot be read", code="bundle_format") from None
    if how.schema != _SCHEMA:
        raise BundleRefused(f"{_SERVED} has schema {how.schema[:40]!r}, this version reads {_SCHEMA!r}",
                            code="bundle_format")  # fmt: skip
    if (signer, how.student_id, how.task.id) != (
        verified.signer,
        verified.manifest.student_id,
        verified.manifest.task_id,
    ):
        raise BundleRefused("what the archive says of its student is not said by the bundle's signer of that student",
                            code="bundle_changed")  # fmt: skip
    return how


class _Bounded:
    """What comes out of an archive, up to a limit: a small file that unpacks without end must not fill the disk."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._left = stream, most

    def read(self, size: int) -> bytes:
        """The next bytes.

        Raises:
            BundleRefused: there were too many.
        """
        content = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise BundleRefused("the archive unpacks to far more than its size", code="bundle_format")
        return content


def _opened(raw: IO[bytes]) -> IO[bytes]:
    """The tar in an open file, packed or not."""
    packed = raw.read(2) == b"\x1f\x8b"
    size = raw.seek(0, os.SEEK_END)
    raw.seek(0)
    stream = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if packed else raw
    return cast("IO[bytes]", _Bounded(stream, max(_MOST_BYTES, _MOST_TIMES * size)))


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the plain files in a tar; anything else in it is refused."""
    seen = set[str]()
    for member in tar:
        if not member.isreg() or member.issparse() or member.name in seen or len(seen) > MAX_FILES:
            raise BundleRefused(f"{member.name[:100]!r} has no place in an archive", code="bundle_path")
        seen.add(member.name)
        yield member.name, cast("IO[bytes]", tar.extractfile(member)).read()


def _write(folder: Path, name: str, content: bytes) -> None:
    if name not in (Layout.MANIFEST, Layout.SIGNATURE):
        check_name(name)
    try:
        write_file(folder / name, content)
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        raise BundleRefused(f"{name!r} is a file and a folder", code="bundle_path") from None


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    tar.addfile(entry, io.BytesIO(content))


@contextmanager
def _replacing(file: Path) -> Generator[IO[bytes]]:
    """A stream whose content becomes `file` once it is whole, packed where its name says so.

    Its owner alone may read it: there are texts of calls in it.
    """
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(descriptor, "wb") as raw:
            if file.name.lower().endswith("gz"):
                with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed:
                    yield cast("IO[bytes]", packed)
            else:
                yield raw
            raw.flush()
            os.fsync(raw.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
