"""Arrivals with their tokens: from a log, from a rate curve, more or fewer of them.

A trace keeps what decides a fleet: when requests come, and how long each is. It does not know which of them share a
prefix, so that no cache hit can be claimed from it.
"""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from freehold.economics.arrays import FloatArray
from freehold.errors import UsageError

MOST_REQUESTS = 20_000_000
"""The longest trace that `Trace.times` makes: simulating it takes about 4 GB, ten times as many would not fit."""

_DAY_S = 86_400.0
_NAMES = {
    "arrival_s": ("arrival_s", "timestamp", "time_s", "t_s"),
    "prompt_tokens": ("prompt_tokens", "input_tokens", "contexttokens"),
    "output_tokens": ("output_tokens", "completion_tokens", "generatedtokens"),
}


class Trace(msgspec.Struct, frozen=True):
    """Requests in order of arrival, in seconds from the first."""

    name: str
    arrival_s: FloatArray
    prompt_tokens: FloatArray
    output_tokens: FloatArray

    @property
    def requests(self) -> int:
        """How many."""
        return len(self.arrival_s)

    @property
    def span_s(self) -> float:
        """From the first arrival to the last, and a mean gap."""
        count = self.requests
        return float(self.arrival_s[-1] - self.arrival_s[0]) * count / max(1, count - 1) if count > 1 else 0.0

    @property
    def mean_per_s(self) -> float:
        """Requests a second over all of it."""
        return self.requests / self.span_s if self.span_s else 0.0

    def peak_ratio(self, window_s: float) -> float:
        """Busiest window over the mean window."""
        counts = np.bincount((self.arrival_s / window_s).astype(np.int64))
        whole = counts[:-1] if len(counts) > 1 else counts
        return float(whole.max() / whole.mean())

    def notes(self) -> tuple[str, ...]:
        """What this trace cannot show."""
        if self.span_s < 0.9 * _DAY_S:
            return (
                f"the arrivals cover {self.span_s / 3600:.1f} hours: no daily cycle, so a day's peak may be higher",
            )
        if self.span_s < 6.5 * _DAY_S:
            return (f"the arrivals cover {self.span_s / _DAY_S:.1f} days: no weekly cycle",)
        return ()

    def times(self, factor: float, seed: int = 0) -> Trace:
        """So many times the requests under the same curve: copies, each shifted by up to half a minute.

        A shift keeps a copy's own bursts and does not stack them on the original's. Below one, requests are left out
        at random.

        Raises:
            UsageError: nothing is left, or it is more than `MOST_REQUESTS`, which would fill the memory.
        """
        if factor * self.requests > MOST_REQUESTS:
            raise UsageError(
                f"{factor:g} times these {self.requests:,} requests is more than the {MOST_REQUESTS:,} that can be "
                "simulated one by one",
                hint="fewer times, or fewer days of arrivals; freehold verdict --volume sizes fleets of any volume",
            )
        rng = np.random.default_rng([seed, 1])
        parts = [np.arange(self.requests)] * int(factor)
        rest = factor - int(factor)
        if rest > 1e-9:
            parts.append(np.flatnonzero(rng.random(self.requests) < rest))
        if not parts or not sum(len(part) for part in parts):
            raise UsageError(f"{factor:g} times these {self.requests} requests is none", hint="--volume x1")
        shifts = [0.0, *rng.uniform(-30, 30, max(0, len(parts) - 1))]
        arrival = np.concatenate([self.arrival_s[at] + shift for at, shift in zip(parts, shifts, strict=True)])
        rows = np.concatenate(parts)
        return _ordered(f"{self.name}, x{factor:g}", arrival, self.prompt_tokens[rows], self.output_tokens[rows])


def from_rates(
    rates_per_s: FloatArray,
    window_s: float,
    lengths: Trace,
    *,
    gap_cv: float = 1.0,
    seed: int = 0,
    name: str = "rate curve",
) -> Trace:
    """Requests drawn under a curve of rates, each with the tokens of a random request of `lengths`.

    `gap_cv`: coefficient of variation of the gaps (1: Poisson; more: bursts), as a gamma renewal process in the curve's
    own time.
    """
    expected = np.concatenate(([0.0], np.cumsum(rates_per_s * window_s)))
    edges = np.arange(len(expected)) * window_s
    rng = np.random.default_rng([seed, 2])
    shape = 1 / gap_cv**2
    count = int(expected[-1] + 6 * gap_cv * np.sqrt(expected[-1]) + 10)
    inner = np.cumsum(rng.gamma(shape, 1 / shape, count))
    arrival = np.interp(inner[inner < expected[-1]], expected, edges)
    if not len(arrival):
        raise UsageError("the rate curve brings no request at all", hint="rates are in requests a second")
    rows = rng.integers(0, lengths.requests, len(arrival))
    return _ordered(name, arrival, lengths.prompt_tokens[rows], lengths.output_tokens[rows])


def of_requests(name: str, requests: Iterable[tuple[float, float, float]]) -> Trace:
    """From (arrival in seconds, prompt tokens, output tokens), in any order.

    Raises:
        UsageError: there is none.
    """
    rows = np.array(list(requests), dtype=np.float64).reshape(-1, 3)
    if not len(rows):
        raise UsageError(f"{name} holds no request with token counts", hint="import calls that state them")
    return _ordered(name, rows[:, 0], rows[:, 1], rows[:, 2])


def load(path: Path) -> Trace:
    """A trace from CSV, gzipped or not: arrival in seconds, prompt tokens, output tokens, by any of their usual names.

    Raises:
        UsageError: it is no CSV, a column is missing, or a row holds no number.
    """
    try:
        return of_requests(path.name, _requests(path))
    except (UnicodeDecodeError, csv.Error, EOFError, zlib.error, gzip.BadGzipFile):
        raise UsageError(f"{path} is no CSV that can be read", hint="save it as CSV in UTF-8") from None


def _requests(path: Path) -> list[tuple[float, float, float]]:
    with (
        gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else path.open(encoding="utf-8-sig")
    ) as lines:
        reader = csv.DictReader(lines)
        names = {name.strip().lower(): name for name in reader.fieldnames or ()}
        columns = [_column(path, names, role) for role in _NAMES]
        rows: list[tuple[float, float, float]] = []
        for number, row in enumerate(reader, start=2):
            try:
                at, prompt, output = (_finite(row[column]) for column in columns)
            except (TypeError, ValueError):
                raise UsageError(
                    f"{path}, line {number}: no number", hint="arrival_s,prompt_tokens,output_tokens"
                ) from None
            rows.append((at, prompt, output))
    return rows


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _column(path: Path, names: dict[str, str], role: str) -> str:
    for name in _NAMES[role]:
        if name in names:
            return names[name]
    raise UsageError(f"{path} has no column {role}", hint="arrival_s,prompt_tokens,output_tokens")


def _ordered(name: str, arrival: FloatArray, prompt: FloatArray, output: FloatArray) -> Trace:
    order = np.argsort(arrival, kind="stable")
    at = arrival[order]
    return Trace(name, at - at[0], np.maximum(prompt[order], 0), np.maximum(output[order], 1))
