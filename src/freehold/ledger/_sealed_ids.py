"""Which of many ids the sealed segments hold, without reading every id that was ever sealed.

Beside the segments lie runs: sorted 64-bit digests of the ids of some segments, a binary search each. A digest that is
in no run is no id of theirs. One that is in a run may be another id's, or that of a call that is gone, so the segments
of that run are asked. Runs are made of whatever segments have none yet, and merged so that there are few of them
(log-structured merging: O'Neil et al., "The log-structured merge-tree", 1996). They are derived: a run that is missing,
cut or of another kind of digest is made again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ._layout import ORPHAN_AFTER_S
from ._manifest import SegmentEntry

if TYPE_CHECKING:
    import duckdb

Digests = NDArray[np.uint64]

_MOST_ROWS = 8_000_000
"""Rows of a run, at most: merging holds twice its 64 MB."""

_AT_ONCE_ROWS = 2_000_000
"""Rows whose digests are made at once."""

_GROWTH = 2
"""A run is merged with those that are at most so many times as large: as many merges for each digest as doublings."""


class _Covered(msgspec.Struct, frozen=True):
    """What a run is about: how its digests were made, and the rows of each segment that it covers."""

    digest: str
    segments: dict[str, int]


class _Run:
    """A run that lies there. Its description is written last: a run without one is not there."""

    def __init__(self, path: Path, covered: _Covered, digests: Digests) -> None:
        self.path = path
        self.segments = covered.segments
        self.digests = digests

    def holds(self, wanted: Digests) -> NDArray[np.bool_]:
        """Which of some sorted digests it holds."""
        if not len(self.digests):
            return np.zeros(len(wanted), bool)
        at = np.searchsorted(self.digests, wanted)
        return self.digests[np.minimum(at, len(self.digests) - 1)] == wanted

    def remove(self) -> None:
        for suffix in (".json", ".npy"):
            self.path.with_suffix(suffix).unlink(missing_ok=True)


class SealedIds:
    """Searches for ids.

    Args:
        folder: where the runs lie.
        cursor: of the query engine, whose hash function makes the digests.
        paths: gives the paths of segments, checked against the manifest.
    """

    def __init__(
        self,
        folder: Path,
        cursor: duckdb.DuckDBPyConnection,
        paths: Callable[[Sequence[SegmentEntry]], list[str]],
    ) -> None:
        import duckdb

        self._folder = folder
        self._cursor = cursor
        self._paths = paths
        self._digest = f"duckdb {duckdb.__version__}"  # its hash is the same for the same release alone

    def among(self, ids: Sequence[str], segments: Sequence[SegmentEntry]) -> set[str]:
        """Those of the ids that the segments hold.

        Raises:
            Vanished, LedgerUnavailable, duckdb.Error: a segment cannot be read.
        """
        wanted, named = self._wanted(ids)
        suspects: set[str] = set()
        asked: set[str] = set()
        for run in self._runs(segments):
            held = run.holds(wanted)
            if held.any():
                suspects.update(named[held].tolist())
                asked.update(run.segments)
        if not suspects:
            return set()
        sql = "SELECT DISTINCT id FROM read_parquet(?) SEMI JOIN (SELECT unnest(?::VARCHAR[]) AS id) USING (id)"
        paths = self._paths([segment for segment in segments if segment.name in asked])
        return {row[0] for row in self._cursor.execute(sql, [paths, list(suspects)]).fetchall()}

    def _wanted(self, ids: Sequence[str]) -> tuple[Digests, NDArray[Any]]:
        """The digests of ids, ascending, and the ids in that order."""
        sql = "SELECT id, hash(id) AS digest FROM (SELECT unnest(?::VARCHAR[]) AS id)"
        found = self._cursor.execute(sql, [list(ids)]).fetchnumpy()
        order = np.argsort(found["digest"])
        return found["digest"][order], found["id"][order]

    def _runs(self, segments: Sequence[SegmentEntry]) -> list[_Run]:
        """Runs that cover all of the segments between them; those that were missing are made."""
        listed = {segment.name: segment for segment in segments}
        runs: list[_Run] = []
        covered: set[str] = set()
        for run in sorted(self._read(), key=lambda one: -len(one.digests)):
            there = [rows for name, rows in run.segments.items() if name in listed]
            if covered.issuperset(run.segments) or 2 * sum(there) < len(run.digests):
                run.remove()  # made twice, or about segments of which most were replaced
            else:
                runs.append(run)
                covered.update(run.segments)
        made = [self._made(some) for some in _together(one for name, one in listed.items() if name not in covered)]
        return self._merged(runs + made) if made else runs

    def _read(self) -> Iterator[_Run]:
        for path in self._folder.glob("*.npy"):
            try:
                covered = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=_Covered)
                digests: Digests = np.load(path, mmap_mode="r")
                whole = covered.digest == self._digest and len(digests) == sum(covered.segments.values())
            except (OSError, ValueError, EOFError, msgspec.MsgspecError):
                # About to be described, merged by somebody else just now, or of no use to anybody.
                whole, covered, digests = False, _Covered("", {}), np.empty(0, np.uint64)
            if whole:
                yield _Run(path, covered, digests)
            else:
                with contextlib.suppress(OSError):
                    if path.stat().st_mtime < time.time() - ORPHAN_AFTER_S:
                        _Run(path, covered, digests).remove()

    def _made(self, segments: Sequence[SegmentEntry]) -> _Run:
        sql = "SELECT hash(id) AS digest FROM read_parquet(?)"
        digests: Digests = self._cursor.execute(sql, [self._paths(segments)]).fetchnumpy()["digest"]
        digests.sort()
        return self._written({one.name: one.rows for one in segments}, digests)

    def _written(self, segments: dict[str, int], digests: Digests) -> _Run:
        """Write a run; one that cannot be written serves this once."""
        covered = _Covered(self._digest, segments)
        path = self._folder / f"{secrets.token_hex(8)}.npy"
        description = path.with_suffix(".json.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                np.save(file, digests)
                file.flush()
                os.fsync(file.fileno())  # a power cut must leave no description of what is not there
            description.write_bytes(msgspec.json.encode(covered))
            description.replace(path.with_suffix(".json"))
            digests = np.load(path, mmap_mode="r")
        except OSError:
            for left in (description, path):
                with contextlib.suppress(OSError):
                    left.unlink(missing_ok=True)
        return _Run(path, covered, digests)

    def _merged(self, runs: list[_Run]) -> list[_Run]:
        """The same with runs of like size made one."""
        runs = sorted(runs, key=lambda one: len(one.digests))
        alike = _alike([len(one.digests) for one in runs])
        some = runs[alike]
        if not some:
            return runs
        segments = {name: rows for run in some for name, rows in run.segments.items()}
        # Stable sorting takes sorted parts as they are, and merges them.
        digests = np.concatenate([run.digests for run in some])
        digests.sort(kind="stable")
        whole = self._written(segments, digests)
        if whole.path.exists():
            for run in some:
                run.remove()
        del runs[alike]
        return self._merged([*runs, whole])


def _alike(rows: Sequence[int]) -> slice:
    """The first of some ascending sizes that are to become one; an empty slice where none are."""
    for start in range(len(rows)):
        end, whole = start + 1, rows[start]
        while end < len(rows) and rows[end] <= _GROWTH * whole and whole + rows[end] <= _MOST_ROWS:
            whole += rows[end]
            end += 1
        if end > start + 1:
            return slice(start, end)
    return slice(0, 0)


def _together(segments: Iterable[SegmentEntry]) -> Iterator[list[SegmentEntry]]:
    """Segments whose digests are made at once."""
    some: list[SegmentEntry] = []
    rows = 0
    for segment in segments:
        if some and rows + segment.rows > _AT_ONCE_ROWS:
            yield some
            some, rows = [], 0
        some.append(segment)
        rows += segment.rows
    if some:
        yield some
