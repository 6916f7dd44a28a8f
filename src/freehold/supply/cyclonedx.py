"""A bill of materials in CycloneDX 1.6, as JSON (https://cyclonedx.org/docs/1.6/json/).

Written by hand: a library would bring more parts than it lists. Owned models are components of their own, with the data
they learned from; what nobody recorded is left out rather than guessed.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from .matching import Finding
from .parts import Part

Json = dict[str, Any]


class Measured(msgspec.Struct, frozen=True):
    """A figure with its interval and what it was measured on."""

    what: str
    value: float
    low: float
    high: float
    n: int


class Model(msgspec.Struct, frozen=True):
    """An owned model as a bill lists it. `files`: digests (sha256) by name. `environment`: what it was trained with."""

    student_id: str
    task: str
    kind: str
    rung: str
    stage: str
    made_at: str
    teacher: str
    dataset: str
    n_train: int
    files: dict[str, str]
    environment: dict[str, str]
    measured: tuple[Measured, ...] = ()


def bill(
    root: str, parts: Sequence[Part], models: Iterable[Model] = (), findings: Iterable[Finding] = ()
) -> dict[str, Any]:
    """The bill of an installation.

    Args:
        root: the distribution that all of it is for.
        parts: what it is made of.
        models: what it has learned.
        findings: what is known against the parts.
    """
    own = next(part for part in parts if part.kind == "distribution" and part.name == root)
    owned = list(models)
    listed = [_component(part) for part in parts if part is not own]
    for model in owned:
        listed += [_dataset(model), _model(model)]
    document: Json = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "lifecycles": [{"phase": "operations"}],
            "tools": {"components": [{"type": "application", "name": own.name, "version": own.version}]},
            "component": _component(own) | {"type": "application"},
        },
        "components": _unique(listed),
        "dependencies": _dependencies(own, parts, owned),
    }
    vulnerabilities = [_vulnerability(one) for one in findings]
    return document | {"vulnerabilities": vulnerabilities} if vulnerabilities else document


def _component(part: Part) -> Json:
    made: Json = {"type": "library", "bom-ref": part.purl, "name": part.name, "version": part.version}
    if part.kind == "runtime" and part.name == "python":
        made["type"] = "platform"
    if part.kind == "distribution":
        made["scope"] = "required" if part.through == "base" else "optional"
    if part.licence:
        made["licenses"] = [{"expression": part.licence} if part.spdx else {"license": {"name": part.licence}}]
    return made | {"purl": part.purl}


def _model(model: Model) -> Json:
    figures = [
        {
            "type": one.what,
            "value": f"{one.value:.4f}",
            "slice": f"{one.n} held-out calls",
            "confidenceInterval": {"lowerBound": f"{one.low:.4f}", "upperBound": f"{one.high:.4f}"},
        }
        for one in model.measured
    ]
    card: Json = {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": model.kind,
            "architectureFamily": model.rung,
            "datasets": [{"ref": _data_ref(model)}],
        }
    }
    if figures:
        card["quantitativeAnalysis"] = {"performanceMetrics": figures}
    facts = {"stage": model.stage, "made": model.made_at, "teacher": model.teacher}
    facts |= {f"trained-with:{name}": version for name, version in sorted(model.environment.items())}
    return {
        "type": "machine-learning-model",
        "bom-ref": _model_ref(model),
        "name": model.task,
        "version": model.student_id,
        "modelCard": card,
        "components": [
            {
                "type": "file",
                "bom-ref": f"{_model_ref(model)}/{name}",
                "name": name,
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
            for name, digest in sorted(model.files.items())
        ],
        "properties": [{"name": f"freehold:{name}", "value": value} for name, value in facts.items() if value],
    }


def _dataset(model: Model) -> Json:
    return {
        "type": "data",
        "bom-ref": _data_ref(model),
        "name": f"training data of {model.task}",
        "version": model.dataset[:16],
        "hashes": [{"alg": "SHA-256", "content": model.dataset}],
        "data": [{"type": "dataset", "name": model.task, "description": f"{model.n_train} examples"}],
    }


def _vulnerability(one: Finding) -> Json:
    made: Json = {
        "id": one.ids[0],
        "source": {"url": one.page},
        "description": one.summary,
        "affects": [{"ref": one.purl}],
    }
    if len(one.ids) > 1:
        made["references"] = [{"id": name, "source": {"name": name.partition("-")[0]}} for name in one.ids[1:]]
    word = one.severity.lower()
    word = {"moderate": "medium"}.get(word, word)
    if word in ("critical", "high", "medium", "low", "info", "none"):
        made["ratings"] = [{"severity": word}]
    if one.mended_in:
        made["recommendation"] = f"{one.part} {one.mended_in}"
    if one.set_aside:
        made["analysis"] = {"detail": one.set_aside}
    return made


def _dependencies(own: Part, parts: Sequence[Part], models: Sequence[Model]) -> list[Json]:
    """Who needs whom: distributions each other, Freehold its Python and its models, models their data."""
    by_name = {part.name: part for part in parts if part.kind == "distribution"}
    needs = {part.purl: [by_name[name].purl for name in part.needs if name in by_name] for part in by_name.values()}
    runtime = next((part for part in parts if part.kind == "runtime" and part.name == "python"), None)
    if runtime is not None:
        needs[own.purl].append(runtime.purl)
        needs[runtime.purl] = []
    for part in parts:
        if part.kind == "distribution":
            continue
        needs.setdefault(part.purl, [])
        for name in part.within:
            holder = by_name.get(name) or runtime
            if holder is not None and holder is not part:
                needs[holder.purl].append(part.purl)
    for model in models:
        needs[own.purl].append(_model_ref(model))
        needs[_model_ref(model)] = [_data_ref(model)]
        needs[_data_ref(model)] = []
    return [{"ref": ref, "dependsOn": sorted(set(those) - {ref})} for ref, those in sorted(needs.items())]


def _unique(components: Iterable[Json]) -> list[Json]:
    """One of each reference: two students may have learned from the same data."""
    return list({one["bom-ref"]: one for one in components}.values())


def _model_ref(model: Model) -> str:
    return f"model:{model.student_id}"


def _data_ref(model: Model) -> str:
    return f"data:{model.dataset}"
