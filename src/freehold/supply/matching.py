"""Which parts an advisory is about: OSV's own rule of evaluation, and "unknown" where it cannot be followed.

https://ossf.github.io/osv-schema/#evaluation. A version is affected where it is listed or lies in a range. Ranges of
commits are not followed, since that takes a copy of the repository; there the tags that are listed decide, and without
any the answer is unknown. Nothing is said of whether the code at fault is ever run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from . import versions
from .advisories import Advisory, Affected, Event, Range, ecosystem_of, name_of, repositories_of
from .parts import Part

State = Literal["affected", "clear", "unknown"]
_PREFIXES = ("MAL-", "CVE-", "GHSA-", "PYSEC-", "RUSTSEC-", "PSF-")
_SAY = 200


class Judged(NamedTuple):
    """What an advisory says of a part's version; `mended_in` where it is affected and a version is named."""

    state: State
    mended_in: str = ""


class Finding(msgspec.Struct, frozen=True):
    """Something that is known against a part.

    `ids`: every name that it has, the best known first; `severity` in its database's word or score, "" where nobody
    says. `mended_in`: the next version without it, "" where none is named. `set_aside`: why a person does not count it.
    """

    part: str
    version: str
    kind: str
    within: tuple[str, ...]
    ids: tuple[str, ...]
    summary: str
    severity: str
    mended_in: str
    malicious: bool
    page: str
    modified: str
    purl: str
    set_aside: str = ""


class Undecided(msgspec.Struct, frozen=True):
    """An advisory about a part of which nobody can tell from here whether it holds for this version."""

    part: str
    version: str
    id: str


def judge(advisory: Advisory, part: Part) -> Judged:
    """What an advisory says of a part."""
    unknown = False
    for affected in advisory.affected or ():
        if not _is_about(affected, part):
            continue
        judged = _judge(affected, part)
        if judged.state == "affected":
            return judged
        unknown |= judged.state == "unknown"
    return Judged("unknown" if unknown else "clear")


def match(
    parts: Iterable[Part],
    advisories: Sequence[Advisory],
    set_aside: Mapping[str, str] | None = None,
    holds: Collection[tuple[str, str]] | None = None,
) -> tuple[list[Finding], list[Undecided]]:
    """Everything that advisories say against parts, one finding for each thing whatever names it has.

    Args:
        parts: what is there.
        advisories: what is known.
        set_aside: the reason of each id that a person decided not to count.
        holds: pairs of a part's package URL and an advisory that a service says hold. Its word counts, where it was
            asked: what mends it is read here all the same.
    """
    findings: list[Finding] = []
    undecided: list[Undecided] = []
    by_id = {advisory.id: advisory for advisory in advisories}
    named: dict[tuple[str, str], list[Advisory]] = {}
    for advisory in advisories:
        for key in {key for affected in advisory.affected or () for key in _keys(affected)}:
            named.setdefault(key, []).append(advisory)
    for part in parts:
        about = [*named.get((part.ecosystem, part.name), ()), *named.get(("", part.repository), ())]
        if holds is not None:
            about = [by_id[id_] for purl, id_ in holds if purl == part.purl and id_ in by_id]
        found: list[tuple[Advisory, Judged]] = []
        for advisory in {one.id: one for one in about}.values() if part.ecosystem else ():
            judged = judge(advisory, part)
            if holds is not None:
                judged = Judged("affected", judged.mended_in)
            if judged.state == "affected":
                found.append((advisory, judged))
            elif judged.state == "unknown":
                undecided.append(Undecided(part.name, part.version, advisory.id))
        findings += [finding(part, group, set_aside or {}) for group in _grouped(found)]
        known = {name for one in findings for name in one.ids if one.purl == part.purl}
        undecided = [one for one in undecided if one.part != part.name or one.id not in known]
    return findings, undecided


def finding(part: Part, group: Sequence[tuple[Advisory, Judged]], set_aside: Mapping[str, str]) -> Finding:
    """One finding from the advisories that are about the same thing."""
    names = {name for advisory, _ in group for name in (advisory.id, *(advisory.aliases or ()))}
    ids = tuple(sorted(names, key=_renown))
    advisories = sorted((advisory for advisory, _ in group), key=lambda one: _renown(one.id))
    words = [one.rating for one in advisories if one.rating]
    titles = [one.title for one in advisories if one.title]
    mended = [judged.mended_in for _, judged in group if judged.mended_in]
    return Finding(
        part=part.name,
        version=part.version,
        kind=part.kind,
        within=part.within,
        ids=ids,
        summary=titles[0][:_SAY] if titles else "",
        severity=next((word for word in words if word.isalpha()), words[0] if words else ""),
        mended_in=_latest(mended, part.ecosystem),
        malicious=any(name.startswith("MAL-") for name in ids),
        page=advisories[0].page,
        modified=max(one.modified for one in advisories)[:10],
        purl=part.purl,
        set_aside=next((set_aside[name] for name in ids if name in set_aside), ""),
    )


def _keys(affected: Affected) -> set[tuple[str, str]]:
    keys = {("", url) for url in repositories_of(affected)}
    return keys | {(ecosystem_of(affected), name_of(affected))} if affected.package is not None else keys


def _is_about(affected: Affected, part: Part) -> bool:
    if affected.package is not None:
        return (ecosystem_of(affected), name_of(affected)) == (part.ecosystem, part.name)
    return bool(part.repository) and part.repository in repositories_of(affected)


def _judge(affected: Affected, part: Part) -> Judged:
    listed, ranges = affected.versions or (), affected.ranges or ()
    by_tag = affected.package is None
    if by_tag:
        listed = tuple(versions.of_tag(tag) for tag in listed)
    followed = [one for one in ranges if one.type != "GIT"] or ranges
    judged = [_in_range(one, part) for one in followed]
    hit = next((one for one in judged if one.state == "affected"), None)
    if hit is not None:
        return hit
    here = versions.public(part.ecosystem, part.version, listed)
    if any(versions.same(part.ecosystem, one, here) for one in listed):
        return Judged("affected", _mended(ranges, part))
    if not ranges and not listed:
        return Judged("unknown")
    tags_decide = listed and all(one.type == "GIT" for one in followed)
    unknown = any(one.state == "unknown" for one in judged) and not tags_decide
    return Judged("unknown" if unknown else "clear")


def _in_range(one: Range, part: Part) -> Judged:
    order = versions.order_of(part.ecosystem, one.type) if one.type in ("SEMVER", "ECOSYSTEM") else None
    if order is None or not any(event.introduced is not None for event in one.events or ()):
        return Judged("unknown")
    bounds = [text for event in one.events or () for text in _versions(event) if text]
    try:
        version = order(versions.public(part.ecosystem, part.version, bounds))
        limits = [order(event.limit) for event in one.events or () if event.limit and event.limit != "*"]
        steps = sorted((_step(event, order) for event in one.events or ()), key=_place)
    except ValueError:
        return Judged("unknown")
    if limits and not any(version < limit for limit in limits):
        return Judged("clear")
    affected = False
    for known, key, event in steps:
        if event.introduced is not None:
            affected = affected or not known or version >= key
        elif event.fixed is not None:
            affected = affected and version < key
        elif event.last_affected is not None:
            affected = affected and version <= key
    if not affected:
        return Judged("clear")
    later = [event.fixed for known, key, event in steps if known and event.fixed is not None and key > version]
    return Judged("affected", later[0] if later else "")


def _versions(event: Event) -> tuple[str | None, ...]:
    return event.introduced, event.fixed, event.last_affected, event.limit


def _place(step: tuple[bool, Any, Event]) -> tuple[bool, Any, bool]:
    """Where a step is on the line; of one version, what begins with it comes before what ends with it."""
    return step[0], step[1], step[2].last_affected is not None


def _step(event: Event, order: versions.Order) -> tuple[bool, Any, Event]:
    """An event as it is sorted: first whether its version is a real one ("0" comes before any), then that version."""
    text = event.introduced or event.fixed or event.last_affected
    if text is None or (event.introduced == "0"):
        return False, 0, event
    return True, order(text), event


def _mended(ranges: Iterable[Range], part: Part) -> str:
    """The first version after this one that a range calls fixed."""
    found: list[tuple[Any, str]] = []
    for one in ranges:
        order = versions.order_of(part.ecosystem, one.type) if one.type in ("SEMVER", "ECOSYSTEM") else None
        if order is None:
            continue
        try:
            here = order(part.version)
            found += [(order(event.fixed), event.fixed) for event in one.events or () if event.fixed]
            found = [(key, text) for key, text in found if key > here]
        except ValueError:
            return ""
    return min(found, key=lambda pair: pair[0])[1] if found else ""


def _latest(mended: Sequence[str], ecosystem: str) -> str:
    """Of several that are named as mended, the last: what satisfies all of them."""
    order = versions.order_of(ecosystem, "ECOSYSTEM")
    if not mended or order is None:
        return mended[0] if mended else ""
    try:
        return max(mended, key=order)
    except ValueError:
        return mended[0]


def _grouped(found: Sequence[tuple[Advisory, Judged]]) -> list[list[tuple[Advisory, Judged]]]:
    """Advisories that share a name, together."""
    groups: list[tuple[set[str], list[tuple[Advisory, Judged]]]] = []
    for advisory, judged in found:
        names, members = {advisory.id, *(advisory.aliases or ())}, [(advisory, judged)]
        for group in [one for one in groups if not one[0].isdisjoint(names)]:
            groups.remove(group)
            names |= group[0]
            members = [*group[1], *members]
        groups.append((names, members))
    return [members for _, members in groups]


def _renown(name: str) -> tuple[int, str]:
    place = next((number for number, prefix in enumerate(_PREFIXES) if name.startswith(prefix)), len(_PREFIXES))
    return place, name
