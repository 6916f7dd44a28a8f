"""Are installed files still those that their distribution listed? Digests in RECORD against what lies on the disk.

It finds what was changed or added after an installation. It cannot find what was wrong in the distribution itself, nor
changes of somebody who rewrote RECORD as well.
"""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Collection, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

import msgspec

from .parts import normalised
from .startup import folders

_DIGESTS: Final = frozenset({"sha256", "sha384", "sha512"})
_RUN: Final = frozenset({".py", ".so", ".pyd", ".pth", ".start"})
_VIRTUALENV: Final = frozenset({"_virtualenv.py", "_virtualenv.pth"})
"""What virtualenv and uv put into an environment that they make, in nobody's list."""
_PIECE: Final = 1024 * 1024


class Difference(msgspec.Struct, frozen=True):
    """A file that is not as it was installed: `changed`, `missing`, or `unlisted`: there, and in nobody's RECORD."""

    distribution: str
    file: str
    how: Literal["changed", "missing", "unlisted"]


class Verification(msgspec.Struct, frozen=True):
    """What was compared. `without`: distributions that list no digests, so that nothing can be said of them."""

    files: int
    distributions: int
    differences: tuple[Difference, ...]
    without: tuple[str, ...] = ()


def verify(names: Collection[str] | None = None, places: Sequence[Path] | None = None) -> Verification:
    """Compare every listed file of some distributions, or of all that are installed.

    Files that nobody lists are looked for in the folders where distributions lie, whoever's they are, unless one lies
    there that lists nothing.

    Args:
        names: normalised names; None for all.
        places: the folders that distributions lie in; None for those of this Python.
    """
    where = None if places is None else [str(place) for place in places]
    files, differences, without, whole = 0, list[Difference](), list[str](), 0
    for distribution in metadata.distributions() if where is None else metadata.distributions(path=where):
        name = normalised(distribution.metadata["Name"] or "?")
        if names is not None and name not in names:
            continue
        rows = _rows(distribution)
        if not any(digest for _, digest in rows):
            without.append(name)
            continue
        whole += 1
        for file, digest in rows:
            if digest:
                files += 1
                how = _compare(Path(str(distribution.locate_file(file))), digest)
                if how is not None:
                    differences.append(Difference(name, file, how))
    differences += [Difference("", str(file), "unlisted") for place in places or folders() for file in _unlisted(place)]
    differences.sort(key=lambda one: (one.distribution, one.file))
    return Verification(files, whole, tuple(differences), tuple(sorted(without)))


def _rows(distribution: metadata.Distribution) -> list[tuple[str, str]]:
    """Path and digest of each file; the digest is "" where none is listed, as for RECORD itself."""
    record = distribution.read_text("RECORD") or ""
    return [(row[0], row[1] if len(row) > 1 else "") for row in csv.reader(record.splitlines()) if row]


def _compare(path: Path, digest: str) -> Literal["changed", "missing"] | None:
    kind, _, expected = digest.partition("=")
    if kind not in _DIGESTS:
        return None
    seen = hashlib.new(kind)
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                seen.update(piece)
    except OSError:
        return "missing"
    return None if base64.urlsafe_b64encode(seen.digest()).decode().rstrip("=") == expected.rstrip("=") else "changed"


def _unlisted(place: Path) -> Iterator[Path]:
    """Files in a folder of distributions that could be run and that no RECORD there lists."""
    listed: set[Path] = set()
    for distribution in metadata.distributions(path=[str(place)]):
        rows = _rows(distribution)
        if not rows:
            return
        listed.update(_plain(place / file) for file, _ in rows)
    if not listed:
        return
    known = {(place, name) for name in _VIRTUALENV}
    for file in sorted(place.rglob("*")):
        if file.suffix not in _RUN or "__pycache__" in file.parts or (file.parent, file.name) in known:
            continue
        if file.is_file() and _plain(file) not in listed:
            yield file


def _plain(path: Path) -> Path:
    """A path without `..`, links left as they are."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return Path(*parts)
