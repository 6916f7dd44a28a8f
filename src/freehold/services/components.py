"""What this home runs on, and what is known against it: installed parts, owned models, start-up files, advisories.

A gate: it says no where something is installed that is known to be vulnerable. It can say no more than the advisories
it was given: none of them is no evidence, and neither is an old one.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from freehold.errors import UsageError
from freehold.supply import advisories, cyclonedx, inventory, matching, records, service, startup, support
from freehold.supply.advisories import Advisories
from freehold.supply.cyclonedx import Measured, Model
from freehold.supply.inventory import Inventory
from freehold.supply.matching import Finding, Undecided
from freehold.supply.parts import Part, normalised
from freehold.supply.records import Verification
from freehold.supply.startup import StartupFile
from freehold.supply.support import Ending

from .home import Home, Progress, silent

OLD_DAYS = 30
"""Advisories whose newest is older than that have missed a month of news."""
_NAMED = 3


class Order(msgspec.Struct, frozen=True):
    """What is asked for. `advisories`: a path, "" for the settings' own. `everything`: also what Freehold needs not."""

    advisories: str = ""
    online: bool = False
    everything: bool = False
    verify: bool = False


class Source(msgspec.Struct, frozen=True):
    """Where advisories came from, how many they are, and of when the newest is; `age_days` None where nobody knows.

    `ecosystems`: those that at least one of them speaks of, or that a service was asked about.
    """

    name: str
    count: int
    withdrawn: int
    about_python: int
    newest: str
    age_days: int | None
    unreadable: tuple[str, ...]
    ecosystems: tuple[str, ...]


class Components(msgspec.Struct, frozen=True):
    """What is installed and what is known of it.

    `source` None: no advisories were given. `trained_with`: what is known against what owned models were trained with;
    it is not installed, and no reason to say no. `verification` None: not asked for.
    """

    python: str
    inventory: Inventory
    models: tuple[Model, ...]
    source: Source | None
    findings: tuple[Finding, ...]
    undecided: tuple[Undecided, ...]
    trained_with: tuple[Finding, ...]
    endings: tuple[Ending, ...]
    startup_files: tuple[StartupFile, ...]
    verification: Verification | None

    @property
    def counted(self) -> list[Finding]:
        """What is known against installed parts and nobody set aside."""
        return [one for one in self.findings if not one.set_aside]

    @property
    def passes(self) -> bool:
        """Whether the gate says yes: nothing known is installed, and what was compared is as it was installed."""
        return not self.counted and not (self.verification is not None and self.verification.differences)

    def bill(self) -> dict[str, Any]:
        """The bill of materials, in CycloneDX 1.6."""
        return cyclonedx.bill(inventory.ROOT, self.inventory.parts, self.models, self.findings)


def examine(home: Home, order: Order, *, today: date | None = None, progress: Progress = silent) -> Components:
    """Look at everything that is asked for. Asks nobody unless `order.online`, and changes nothing.

    Raises:
        UsageError: advisories were asked for from a file and from a service, or from a service that is none.
        MissingPrerequisite: Freehold is not installed as a distribution.
        NotFound, BadAdvisories: there are no advisories where they should be.
        UpstreamFailed: the service cannot be reached, or refuses.
    """
    if order.online and order.advisories:
        raise UsageError("--online and --advisories are two sources", hint="give one of them")
    progress("looking at what is installed")
    found = inventory.look(everything=order.everything)
    models = tuple(owned(home))
    installed = {part.purl for part in found.parts}
    parts = [*found.parts, *(part for part in _trained(models) if part.purl not in installed)]
    progress("reading advisories")
    known, holds = _known(home, order, parts)
    set_aside = home.settings.components.set_aside
    findings, undecided = _match(parts, known, holds, set_aside)
    verification = None
    if order.verify:
        progress("comparing files")
        names = None if order.everything else [part.name for part in found.parts if part.kind == "distribution"]
        verification = records.verify(names)
    return Components(
        python=platform.python_version(),
        inventory=found,
        models=models,
        source=None if known is None else _source(known),
        findings=tuple(sorted((one for one in findings if one.purl in installed), key=_worst_first)),
        undecided=tuple(undecided),
        trained_with=tuple(sorted((one for one in findings if one.purl not in installed), key=_worst_first)),
        endings=tuple(support.endings(found.parts, today or datetime.now(UTC).date())),
        startup_files=tuple(startup.startup_files()),
        verification=verification,
    )


def owned(home: Home) -> Iterable[Model]:
    """Every student of a home, as its bundle describes it; none where nothing was ever trained."""
    if not (home.path / "control.db").exists():
        return
    from freehold.students.bundle import Layout

    stages = {record.student_id: record.stage for record in map(home.registry.stage, _task_ids(home))}
    for student in home.registry.students():
        manifest = student.manifest
        best = manifest.learning_curve[-1] if manifest.learning_curve else None
        figures = () if best is None else (Measured("agreement with the teacher", *_figures(best)),)
        yield Model(
            student_id=student.id,
            task=manifest.task_name or manifest.task_id,
            kind=manifest.kind,
            rung=manifest.rung,
            stage=stages.get(student.id, "none"),
            made_at=manifest.created_at,
            teacher=manifest.teacher,
            dataset=manifest.dataset_digest,
            n_train=manifest.n_train,
            files={name: digest for name, digest in manifest.files.items() if Layout.is_model_file(name)},
            environment=manifest.environment,
            measured=figures,
        )


def in_words(seen: Components) -> list[str]:
    """What was looked at, how far it can be relied on, and what is coming; findings are a table of their own."""
    parts = seen.inventory.parts
    count = {kind: sum(part.kind == kind for part in parts) for kind in ("distribution", "embedded")}
    under = ", ".join(f"{_NAMES.get(part.name, part.name)} {part.version}" for part in parts if part.kind == "runtime")
    inside = f"{count['embedded']:,} libraries that they say are inside them"
    models = _counted(len(seen.models), "owned model")
    lines = [f"{_counted(count['distribution'], 'distribution')}, {inside}, {under}, {models}."]
    if seen.inventory.opaque:
        lines.append(f"Compiled, and silent about what is inside: {_some(seen.inventory.opaque)}.")
    if seen.inventory.missing:
        lines.append(f"Needed and not installed: {_some(seen.inventory.missing)}.")
    lines += _about_source(seen)
    return lines


def coming(seen: Components) -> list[str]:
    """What will need attention: ends of support, and what owned models were trained with."""
    lines = [one.in_words() for one in seen.endings]
    for one in seen.trained_with:
        what = f"trained with {one.part} {one.version}, of which {one.ids[0]} is known; not installed now"
        lines.append(f"{', '.join(one.within)}: {what}")
    return lines


def suspicious(seen: Components) -> list[str]:
    """Files that nobody answers for, or that are not as they were installed."""
    lines = [one.in_words() for one in startup.odd(seen.startup_files)]
    if seen.verification is not None:
        for one in seen.verification.differences:
            whose = f" of {one.distribution}" if one.distribution else ""
            lines.append(f"{one.file}{whose} {_HOW[one.how]}")
    return lines


def verified(seen: Verification) -> str:
    """What was compared, and what that shows."""
    without = f"; {_some(seen.without)} list no digests" if seen.without else ""
    differ = len(seen.differences)
    said = "all as they were installed" if not differ else f"{differ:,} not as installed"
    return f"{seen.files:,} files of {seen.distributions:,} distributions compared with their RECORD: {said}{without}."


_PLACES = {"Bitnami": "Python itself, SQLite or OpenSSL (Bitnami)", "crates.io": "a crate (crates.io)"}
_NAMES = {"python": "Python", "sqlite": "SQLite", "openssl": "OpenSSL"}
_HOW = {
    "changed": "was changed after it was installed",
    "missing": "is missing",
    "unlisted": "is in no distribution's list",
}


def _about_source(seen: Components) -> list[str]:
    source = seen.source
    if source is None:
        return ["No advisories were given: nothing is known against any of it, and that is no evidence."]
    age = "of unknown age"
    if source.age_days is not None:
        age = f"the newest of {source.newest} ({_counted(source.age_days, 'day')} ago)"
    withdrawn = f"{source.withdrawn:,} withdrawn ones do not count"
    lines = [f"Advisories: {source.count:,} from {source.name}, {age}; {withdrawn}."]
    if source.age_days is not None and source.age_days > OLD_DAYS:
        lines.append("They are old: what was found since is not among them.")
    lines += _silences(source, seen.inventory.parts)
    if source.unreadable:
        lines.append(f"Not readable as advisories: {_some(source.unreadable)}.")
    if seen.undecided:
        ids = sorted({one.id for one in seen.undecided})
        parts = sorted({one.part for one in seen.undecided})
        why = "they name commits, or versions that cannot be ordered here"
        lines.append(f"Undecided, because {why}: {_some(ids)} ({_some(parts)}).")
    aside = [one for one in seen.findings if one.set_aside]
    if aside:
        lines.append(f"Set aside by a person: {len(aside)}.")
    return lines


def _silences(source: Source, parts: Sequence[Part]) -> Iterator[str]:
    """What the advisories say nothing about, so that finding nothing there is no evidence."""
    if "PyPI" not in source.ecosystems:
        yield "None of them is about a Python package, so that they say nothing of the distributions."
    silent = Counter(part.ecosystem for part in parts if part.ecosystem not in ("", "PyPI", *source.ecosystems))
    for ecosystem, count in sorted(silent.items()):
        what = _PLACES.get(ecosystem, ecosystem)
        yield f"None of them is about {what}, so that {_counted(count, 'part')} could not be held against any."
    placeless = sorted({part.name for part in parts if not part.ecosystem})
    if placeless:
        yield f"Not held against any, because no ecosystem is known for them: {_some(placeless)}."


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _task_ids(home: Home) -> list[str]:
    return [task.id for task in home.registry.tasks()]


def _figures(point: Any) -> tuple[float, float, float, int]:
    return point.accuracy, point.low, point.high, point.n_test


def _trained(models: Iterable[Model]) -> list[Part]:
    """What owned models were trained with, as parts that their bundles name."""
    named = {
        (normalised(name), version): model for model in models for name, version in model.environment.items() if version
    }
    found: list[Part] = []
    for name, version in sorted(named):
        if name == "machine":
            continue
        ecosystem = "Bitnami" if name == "python" else "PyPI"
        users = tuple(sorted({one.task for one in models if one.environment.get(name) == version}))
        found.append(Part("embedded", name, version, ecosystem, "trained with", within=users))
    return found


def _known(home: Home, order: Order, parts: Sequence[Part]) -> tuple[Advisories | None, set[tuple[str, str]] | None]:
    settings = home.settings.components
    if order.online:
        if not settings.osv_url:
            raise UsageError("components.osv_url is empty, so that nobody can be asked", hint="give --advisories PATH")
        return service.ask(settings.osv_url.rstrip("/"), parts)
    path = order.advisories or settings.advisories
    return (advisories.read(Path(path), parts), None) if path else (None, None)


def _match(
    parts: Sequence[Part],
    known: Advisories | None,
    holds: set[tuple[str, str]] | None,
    set_aside: dict[str, str],
) -> tuple[list[Finding], list[Undecided]]:
    if known is None:
        return [], []
    return matching.match(parts, known.kept, set_aside, holds)


def _source(known: Advisories) -> Source:
    return Source(
        known.source,
        known.count,
        known.withdrawn,
        known.about,
        known.newest,
        known.age_days(),
        known.unreadable,
        known.ecosystems,
    )


def _worst_first(one: Finding) -> tuple[bool, bool, int, str, str]:
    order = {"CRITICAL": 0, "HIGH": 1, "MODERATE": 2, "MEDIUM": 2, "LOW": 3}
    return bool(one.set_aside), not one.malicious, order.get(one.severity, 4), one.part, one.ids[0]
