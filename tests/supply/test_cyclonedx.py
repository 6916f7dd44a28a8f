"""Bills of materials, judged by CycloneDX's own schema as its library carries it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from tests.support.advisories import advisory, ranged

from freehold.supply import cyclonedx, inventory
from freehold.supply.advisories import Advisory
from freehold.supply.cyclonedx import Measured, Model
from freehold.supply.matching import match
from freehold.supply.parts import Part

MODEL = Model(
    student_id="student-1",
    task="sort_messages",
    kind="classification",
    rung="linear",
    stage="full",
    made_at="2026-03-02T00:00:00Z",
    teacher="gpt-4.1",
    dataset="ab" * 32,
    n_train=480,
    files={"weights.safetensors": "cd" * 32, "vocabulary.json": "ef" * 32},
    environment={"python": "3.11.7", "numpy": "2.3.1"},
    measured=(Measured("agreement with the teacher", 0.97, 0.94, 0.99, 120),),
)
BARE = Model("student-2", "x", "extraction", "crf", "none", "", "", "ab" * 32, 3, {}, {})


def check(document: dict[str, Any]) -> dict[str, Any]:
    """The document as others read it; fails where the schema does not hold."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = msgspec.json.encode(document).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    return json.loads(text)


def test_the_bill_of_this_installation_keeps_the_schema() -> None:
    parts = inventory.look().parts
    read = check(cyclonedx.bill("freehold", parts))
    assert (read["specVersion"], read["metadata"]["component"]["name"]) == ("1.6", "freehold")
    assert len(read["components"]) == len({part.purl for part in parts}) - 1
    listed = {read["metadata"]["component"]["bom-ref"], *(one["bom-ref"] for one in read["components"])}
    needs = {one["ref"]: set(one["dependsOn"]) for one in read["dependencies"]}
    assert set(needs) == listed
    assert set().union(*needs.values()) <= listed
    reached, todo = set[str](), [read["metadata"]["component"]["bom-ref"]]
    while todo:
        ref = todo.pop()
        if ref not in reached:
            reached.add(ref)
            todo += needs[ref]
    assert reached == listed


def test_owned_models_are_components_with_their_data_and_figures() -> None:
    parts = [Part("distribution", "freehold", "0.1.0", "PyPI", "base", licence="Apache-2.0", spdx=True)]
    read = check(cyclonedx.bill("freehold", parts, [MODEL, BARE]))
    models = {one["version"]: one for one in read["components"] if one["type"] == "machine-learning-model"}
    card = models["student-1"]["modelCard"]
    assert card["modelParameters"]["datasets"] == [{"ref": f"data:{'ab' * 32}"}]
    assert card["quantitativeAnalysis"]["performanceMetrics"][0]["confidenceInterval"]["lowerBound"] == "0.9400"
    assert {one["name"] for one in models["student-1"]["components"]} == set(MODEL.files)
    assert "quantitativeAnalysis" not in models["student-2"]["modelCard"]
    assert [one["bom-ref"] for one in read["components"] if one["type"] == "data"] == [f"data:{'ab' * 32}"]
    properties = {one["name"]: one["value"] for one in models["student-1"]["properties"]}
    assert (properties["freehold:stage"], properties["freehold:trained-with:numpy"]) == ("full", "2.3.1")


@pytest.mark.parametrize(("word", "severity"), [("MODERATE", "medium"), ("high", "high"), ("odd", "")])
def test_what_is_known_is_part_of_the_bill(word: str, severity: str) -> None:
    more = {"aliases": ["CVE-1"], "database_specific": {"severity": word}, "summary": "It can be read."}
    made = advisory("GHSA-1", "lib", ranged({"introduced": "0"}, {"fixed": "2"}), **more)
    parts = [
        Part("distribution", "freehold", "0.1.0", "PyPI", "base"),
        Part("distribution", "lib", "1.0", "PyPI", "base", licence="own words"),
    ]
    findings, _ = match(parts, [msgspec.convert(made, Advisory)], {"CVE-1": "never called"})
    (known,) = check(cyclonedx.bill("freehold", parts, (), findings))["vulnerabilities"]
    assert (known["id"], known["affects"]) == ("CVE-1", [{"ref": "pkg:pypi/lib@1.0"}])
    assert known["analysis"] == {"detail": "never called"}
    assert known.get("ratings", []) == ([{"severity": severity}] if severity else [])
    assert known["recommendation"] == "lib 2"
