"""Advisories in the OSV format (https://ossf.github.io/osv-schema/, version 1.7), read from files.

A file, a folder of files, or a zip such as OSV's export of an ecosystem. Only those that speak of parts which are there
are kept: an export holds tens of thousands. Nothing here fetches anything.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from freehold.errors import BadAdvisories, NotFound

from .parts import Part, normalised

_MOST_BYTES = 32 * 1024 * 1024
"""Of one advisory. The longest that there are have some hundred kilobytes."""


class Event(msgspec.Struct, frozen=True):
    """Where in the order of versions something changes."""

    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None
    limit: str | None = None


class Range(msgspec.Struct, frozen=True):
    """Versions, by type: `SEMVER`, `ECOSYSTEM`, or `GIT`, which are commits of `repo`."""

    type: str = ""
    events: tuple[Event, ...] | None = None
    repo: str | None = None


class Package(msgspec.Struct, frozen=True):
    """What is affected; an ecosystem may carry a release after a colon."""

    ecosystem: str | None = None
    name: str | None = None


class Severity(msgspec.Struct, frozen=True):
    """A score, such as a CVSS vector."""

    type: str = ""
    score: str = ""


class Affected(msgspec.Struct, frozen=True):
    """One package and the versions of it that are affected."""

    package: Package | None = None
    ranges: tuple[Range, ...] | None = None
    versions: tuple[str, ...] | None = None
    severity: tuple[Severity, ...] | None = None


class Reference(msgspec.Struct, frozen=True):
    """A page about it."""

    type: str = ""
    url: str = ""


class Advisory(msgspec.Struct, frozen=True):
    """One advisory; what OSV has and is not needed here is left out."""

    id: str
    modified: str = ""
    withdrawn: str | None = None
    aliases: tuple[str, ...] | None = None
    summary: str | None = None
    details: str | None = None
    severity: tuple[Severity, ...] | None = None
    affected: tuple[Affected, ...] | None = None
    references: tuple[Reference, ...] | None = None
    database_specific: dict[str, Any] | None = None

    @property
    def title(self) -> str:
        """What it is about, in a line."""
        text = (self.summary or self.details or "").strip()
        return text.splitlines()[0].strip("# ") if text else ""

    @property
    def rating(self) -> str:
        """How bad it is, in its database's word (`HIGH`), else its score as it is given; "" where nobody says."""
        word = (self.database_specific or {}).get("severity")
        if isinstance(word, str) and word:
            return word.upper()
        scores = [*(self.severity or ()), *(one for a in self.affected or () for one in a.severity or ())]
        return scores[-1].score if scores else ""

    @property
    def page(self) -> str:
        """Where to read it."""
        pages = {one.type: one.url for one in reversed(self.references or ())}
        return pages.get("ADVISORY") or pages.get("WEB") or f"https://osv.dev/vulnerability/{self.id}"


class Advisories(msgspec.Struct, frozen=True):
    """What was read of a source.

    `kept`: those that name one of the parts. `count`: all that were read, `withdrawn` of them no longer meant, `about`
    of them speak of Python packages. `newest`: the day of the latest change among them (ISO 8601), "" where none says.
    `unreadable`: files that are no advisories. `ecosystems`: those of which at least one speaks.
    """

    source: str
    kept: tuple[Advisory, ...] = ()
    count: int = 0
    withdrawn: int = 0
    about: int = 0
    newest: str = ""
    unreadable: tuple[str, ...] = ()
    ecosystems: tuple[str, ...] = ()

    def age_days(self, today: datetime | None = None) -> int | None:
        """How many days ago the newest was changed; None where nobody knows."""
        if not self.newest:
            return None
        return ((today or datetime.now(UTC)).date() - datetime.fromisoformat(self.newest).date()).days


class _Head(msgspec.Struct, frozen=True):
    """What tells whether an advisory matters here."""

    id: str
    modified: str = ""
    withdrawn: str | None = None
    affected: tuple[Affected, ...] | None = None


_head = msgspec.json.Decoder(_Head).decode
_whole = msgspec.json.Decoder(Advisory).decode
_several = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read(path: Path, parts: Collection[Part]) -> Advisories:
    """Read the advisories at `path`: a file (one, or a list of them), a zip, or a folder with all of these below it.

    Raises:
        NotFound: there is nothing.
        BadAdvisories: nothing there is an advisory.
        OSError: it cannot be read.
    """
    if not path.exists():
        raise NotFound(f"there are no advisories at {path}", hint="give a file, a folder or a zip in the OSV format")
    gathering = Gathering(parts)
    for name, content in _files(path):
        gathering.add(name, content)
    found = gathering.done(str(path))
    if not found.count:
        raise BadAdvisories(
            f"{path} holds no advisory in the OSV format",
            hint="docs/components.md says where OSV's export of Python packages is",
        )
    return found


class Gathering:
    """Advisories as they come in, of which those about some parts are kept; with `every`, all.

    Of one that comes twice, as from exports of two days, the later state counts.
    """

    def __init__(self, parts: Collection[Part], *, every: bool = False) -> None:
        self._every = every
        self._names = {(part.ecosystem, part.name) for part in parts if part.ecosystem}
        self._repositories = {part.repository for part in parts if part.repository}
        self._kept: dict[str, Advisory] = {}
        self._as_of: dict[str, str] = {}
        self._ecosystems: set[str] = set()
        self._unreadable: list[str] = []
        self._count = self._withdrawn = self._about = 0
        self._newest = ""

    def add(self, name: str, content: bytes) -> None:
        """Take in a file: an advisory, or a list of them."""
        try:
            for one in _several(content) if content.lstrip()[:1] == b"[" else (content,):
                self._add(bytes(one))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._unreadable.append(name)

    def done(self, source: str) -> Advisories:
        """What was kept, and what was seen of all the others."""
        kept = tuple(self._kept[key] for key in sorted(self._kept))
        counts = (self._count, self._withdrawn, self._about)
        return Advisories(source, kept, *counts, self._newest, tuple(self._unreadable), tuple(sorted(self._ecosystems)))

    def _add(self, content: bytes) -> None:
        head = _head(content)
        self._count += 1
        self._newest = max(self._newest, _day(head.modified))
        self._withdrawn += head.withdrawn is not None
        ecosystems = {self._spoken_of(one) for one in head.affected or ()}
        self._about += "PyPI" in ecosystems
        self._ecosystems |= ecosystems - {""}
        if not (self._every or any(self._concerns(one) for one in head.affected or ())):
            return
        if head.modified < self._as_of.get(head.id, ""):
            return
        self._as_of[head.id] = head.modified
        self._kept.pop(head.id, None)
        if head.withdrawn is None:
            self._kept[head.id] = _whole(content)

    def _spoken_of(self, affected: Affected) -> str:
        """The ecosystem; of sources alone that one which parts made of them are looked for in."""
        if affected.package is None and not self._repositories.isdisjoint(repositories_of(affected)):
            return "Bitnami"
        return ecosystem_of(affected)

    def _concerns(self, affected: Affected) -> bool:
        if (ecosystem_of(affected), name_of(affected)) in self._names:
            return True
        return not self._repositories.isdisjoint(repositories_of(affected))


def ecosystem_of(affected: Affected) -> str:
    """The ecosystem, without a release of it."""
    package = affected.package
    return (package.ecosystem or "").partition(":")[0] if package is not None else ""


def name_of(affected: Affected) -> str:
    """The package's name as parts are called."""
    name = (affected.package.name or "") if affected.package is not None else ""
    return normalised(name) if ecosystem_of(affected) == "PyPI" else name


def repositories_of(affected: Affected) -> set[str]:
    """The source repositories whose commits are spoken of, without scheme and ending."""
    urls = [one.repo for one in affected.ranges or () if one.repo]
    return {url.partition("://")[2].removesuffix("/").removesuffix(".git").lower() for url in urls}


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix == ".json" and file.is_file():
                yield str(file.relative_to(path)), file.read_bytes()
            elif file.suffix == ".zip" and file.is_file():
                yield from _files(file)
        return
    if not zipfile.is_zipfile(path):
        yield path.name, path.read_bytes()
        return
    try:
        packed = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        yield path.name, b""
        return
    with packed:
        for entry in packed.infolist():
            if entry.filename.endswith(".json") and not entry.is_dir():
                small = entry.file_size <= _MOST_BYTES
                yield entry.filename, _unpacked(packed, entry) if small else b""


def _unpacked(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """A file of a zip; nothing where it is damaged, which then is no advisory."""
    try:
        return packed.read(entry)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        return b""


def _day(moment: str) -> str:
    try:
        return datetime.fromisoformat(moment).date().isoformat()
    except ValueError:
        return ""
