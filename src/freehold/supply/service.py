"""Advisories from a service that speaks OSV's protocol, asked only where somebody said so.

`POST /v1/querybatch` says which advisories hold for which package and version, `GET /v1/vulns/ID` what each says
(https://google.github.io/osv.dev/api/). What leaves is names and versions of installed packages, and nothing else.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from freehold.errors import BadAdvisories, UpstreamFailed, UpstreamTimeout

from .advisories import Advisories, Gathering
from .parts import Part

_AT_ONCE: Final = 500
_MOST_PAGES: Final = 50
_MOST_BYTES: Final = 64 * 1024 * 1024
_TIMEOUT_S: Final = 30.0


class _Named(msgspec.Struct):
    id: str


class _Result(msgspec.Struct):
    vulns: tuple[_Named, ...] | None = None
    next_page_token: str | None = None


class _Batch(msgspec.Struct):
    results: tuple[_Result, ...]


def ask(url: str, parts: Sequence[Part]) -> tuple[Advisories, set[tuple[str, str]]]:
    """Everything that the service knows about parts of ecosystems it can be asked about.

    Returns the advisories, and which of them it says hold for which part: pairs of package URL and advisory.

    Raises:
        UpstreamFailed: it cannot be reached, or refuses.
        UpstreamTimeout: it stops answering.
        BadAdvisories: it answers with something else.
    """
    asked = [part for part in parts if part.ecosystem]
    gathering = Gathering(asked, every=True)
    holds = set(_holding(url, asked))
    for name in sorted({name for _, name in holds}):
        gathering.add(name, _fetch(f"{url}/v1/vulns/{quote(name, safe='')}"))
    found = gathering.done(url)
    if found.unreadable:
        raise BadAdvisories(f"{url} answered with something that is no advisory for {found.unreadable[0]}")
    return msgspec.structs.replace(found, ecosystems=tuple(sorted({part.ecosystem for part in asked}))), holds


def _holding(url: str, parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
    """Pairs of a part's package URL and an advisory's id."""
    for start in range(0, len(parts), _AT_ONCE):
        waiting = [(part, "") for part in parts[start : start + _AT_ONCE]]
        for _ in range(_MOST_PAGES):
            if not waiting:
                break
            queries = [_query(part, token) for part, token in waiting]
            results = _batch(url, msgspec.json.encode({"queries": queries}), len(waiting))
            again: list[tuple[Part, str]] = []
            for (part, _), result in zip(waiting, results, strict=True):
                yield from ((part.purl, one.id) for one in result.vulns or ())
                if result.next_page_token:
                    again.append((part, result.next_page_token))
            waiting = again
        if waiting:
            raise BadAdvisories(f"{url} has no end of pages")


def _query(part: Part, token: str) -> dict[str, object]:
    query: dict[str, object] = {
        "package": {"ecosystem": part.ecosystem, "name": part.name},
        "version": part.version,
    }
    return query | {"page_token": token} if token else query


def _batch(url: str, body: bytes, count: int) -> tuple[_Result, ...]:
    answer = _fetch(f"{url}/v1/querybatch", body)
    try:
        results = msgspec.json.decode(answer, type=_Batch).results
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BadAdvisories(f"{url} answered with something that is no list of advisories") from None
    if len(results) != count:
        raise BadAdvisories(f"{url} answered {len(results)} of {count} questions")
    return results


def _fetch(url: str, body: bytes | None = None) -> bytes:
    """The body of an answer; proxies and certificates are those of the environment."""
    headers = {"content-type": "application/json", "accept": "application/json", "user-agent": "freehold"}
    request = urllib.request.Request(url, body, headers)  # noqa: S310 -- the setting takes http and https alone
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            content = answer.read(_MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise UpstreamFailed(f"{url} answered with status {error.code}") from None
    except TimeoutError:
        raise UpstreamTimeout(f"{url} did not answer within {_TIMEOUT_S:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "reason", None) or error
        hint = "set components.osv_url, or give a file with --advisories"
        raise UpstreamFailed(f"{url} cannot be reached: {why}", hint=hint) from None
    if len(content) > _MOST_BYTES:
        raise BadAdvisories(f"{url} answered with more than {_MOST_BYTES:,} bytes")
    return content
