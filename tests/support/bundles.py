"""A tiny valid bundle for tests: one safetensors file, a vocabulary, a contract and three examples."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import msgspec

from freehold.students.bundle import encode_examples, public_hex, signing_key, write
from freehold.vocabulary import Certificate as _Certificate
from freehold.vocabulary import Contract, Example, Interval, LearningPoint, Manifest, Tried

EXAMPLES = (
    Example("1", ("where is my card",), "card", started_at_us=1_700_000_000_000_000),
    Example("2", ("refund please",), "refund", gold="refund", started_at_us=1_700_000_100_000_000),
    Example("3", ("l'addition s'il vous plaît",), "card", started_at_us=1_700_000_200_000_000),
)


def safetensors(values: tuple[float, ...] = (1.0, 2.0)) -> bytes:
    """One float32 tensor `w`, in safetensors form."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [len(values)], "data_offsets": [0, 4 * len(values)]}}).encode()
    return struct.pack("<Q", len(header)) + header + struct.pack(f"<{len(values)}f", *values)


def contract(**changes: Any) -> Contract:
    base = Contract("c1", "label", 3, labels=("card", "refund"), max_chars=10, finish_reasons=("stop",))
    return msgspec.structs.replace(base, **changes)


def draft(**changes: Any) -> Manifest:
    base = Manifest(
        schema="",
        student_id="",
        task_id="t1",
        task_name="triage",
        kind="classification",
        rung="linear",
        created_at="2026-01-02T03:04:05Z",
        template_ids=("tpl1",),
        contract_version="c1",
        dataset_digest="",
        n_train=3,
        scope_threshold=0.25,
        parameters={"C": 1.0},
        seed=7,
        teacher="some-model",
        code_version="0.1.0",
        environment={"python": "3.11"},
        files={},
        learning_curve=(LearningPoint(2, 1, 1.0, 0.025, 1.0),),
        tried=(Tried("linear", 1.0, 1, 0.1, "kept"),),
    )
    return msgspec.structs.replace(base, **changes)


def files(**changes: bytes) -> dict[str, bytes]:
    return {
        "weights.safetensors": safetensors(),
        "vocabulary.json": b'{"card":0}',
        "contract.json": msgspec.json.encode(contract()),
        "data/train.jsonl.gz": encode_examples(EXAMPLES),
        **changes,
    }


def write_bundle(home: Path, folder: Path, **changes: Any) -> Manifest:
    """Write a bundle signed by `home`'s key; `changes` go to the manifest's draft."""
    return write(folder, draft(**changes), files(), signing_key(home))


def signer_of(home: Path) -> str:
    return public_hex(signing_key(home))


def certificate(student_id: str, task_id: str = "t1", **changes: Any) -> _Certificate:
    base = _Certificate(
        id="cert-1",
        task_id=task_id,
        student_id=student_id,
        certified=True,
        alpha=0.05,
        delta=0.05,
        against="teacher",
        n=1000,
        threshold=0.8,
        scope_threshold=0.25,
        coverage=0.9,
        coverage_interval=Interval(0.88, 0.92),
        n_kept=900,
        n_errors=20,
        risk=0.0222,
        risk_upper=0.034,
        best_risk_upper=0.034,
        labels_needed=0,
        reason="",
        template_ids=("tpl1",),
        contract_version="c1",
        label_source="some-model",
        calls_from_us=0,
        calls_to_us=1,
        issued_at="2026-01-03T00:00:00Z",
    )
    return msgspec.structs.replace(base, **changes)
