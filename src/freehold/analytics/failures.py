"""How calls fail: by how they ended and the class of the error, and how many requests behind them failed alike.

A call is what the product asked; a request is one attempt at a model to answer it. A request that failed and was made
up for by another is no failed call, and shows here all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from freehold.evidence.intervals import two_sided
from freehold.vocabulary import Interval

LEVEL = 0.95


class Ended(NamedTuple):
    """Calls, or requests, of a group that ended alike. `first` and `last`: the hours in which such ones began."""

    group: tuple[str, ...]
    outcome: str
    error: str
    status: int
    n: int
    first: str
    last: str


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One way to fail of one group.

    `calls` of the group's `of_calls` ended so; `share` with its exact 95 % interval (Clopper and Pearson), which takes
    calls to be independent: an outage makes many fail at once, so it holds for times like those looked at. `requests`
    of the group's `of_requests` to models ended so, those of calls that another request saved among them. `status` is
    the HTTP status that the client got, 0 where there was none or where only requests ended so. `first` and `last` are
    hours (ISO 8601, UTC).
    """

    by: Mapping[str, str]
    outcome: str
    error: str
    status: int
    calls: int
    of_calls: int
    share: float
    interval: Interval
    requests: int
    of_requests: int
    first: str
    last: str


class Failed(NamedTuple):
    """What failing is told of: everything that ended, and what of it ended well or badly."""

    calls: Mapping[tuple[str, ...], int]
    requests: Mapping[tuple[str, ...], int]
    failed_calls: Iterable[Ended]
    failed_requests: Iterable[Ended]


def failures(failed: Failed, names: tuple[str, ...]) -> list[Failure]:
    """Every way to fail, that of most calls first.

    Requests stand beside the calls of the same group, outcome and error; where these have several statuses, beside the
    most frequent one.
    """
    behind: dict[tuple[tuple[str, ...], str, str], list[Ended]] = defaultdict(list)
    for one in failed.failed_requests:
        behind[one.group, one.outcome, one.error].append(one)
    found = [
        _failure(failed, names, one, behind.pop((one.group, one.outcome, one.error), []))
        for one in sorted(failed.failed_calls, key=lambda one: -one.n)
    ]
    found += [
        _failure(failed, names, Ended(*ended, status=0, n=0, first="", last=""), rest) for ended, rest in behind.items()
    ]
    return sorted(found, key=lambda one: (-one.calls, -one.requests, one.outcome, one.error, *one.by.values()))


def _failure(failed: Failed, names: tuple[str, ...], calls: Ended, requests: list[Ended]) -> Failure:
    of_calls = failed.calls.get(calls.group, 0)
    times = [one for one in (calls, *requests) if one.first]
    return Failure(
        by=dict(zip(names, calls.group, strict=True)),
        outcome=calls.outcome,
        error=calls.error,
        status=calls.status,
        calls=calls.n,
        of_calls=of_calls,
        share=calls.n / of_calls if of_calls else 0.0,
        interval=two_sided(calls.n, of_calls, LEVEL),
        requests=sum(one.n for one in requests),
        of_requests=failed.requests.get(calls.group, 0),
        first=min(one.first for one in times),
        last=max(one.last for one in times),
    )
