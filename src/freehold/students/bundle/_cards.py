"""The cards: what a person reads of a bundle, rendered from recorded facts alone.

A fact that nobody recorded stays a visible blank: an empty line in a card is a question, not an omission.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from freehold.vocabulary import Certificate, Contract, Example, Manifest

BLANK: Final = "_not recorded_"
_MOST_ANSWERS: Final = 100

LICENSES_TEXT: Final = f"""Licences of this bundle

Weights and vocabulary: {BLANK}
Training data (inputs): {BLANK}
Training labels (the teacher's answers): {BLANK}
The teacher's terms on training from its answers, and who acknowledged them: {BLANK}
"""


def model_card(manifest: Manifest, contract: Contract, certificates: Sequence[Certificate]) -> str:
    """The text of `card.md`: what the student is, what it was measured at, what is promised of it."""
    lines = [
        f"# {manifest.task_name or manifest.student_id}",
        "",
        *_table(
            ("Student", manifest.student_id),
            ("Task", f"{manifest.task_name or BLANK} ({manifest.task_id})"),
            ("Kind", manifest.kind),
            ("Rung", manifest.rung),
            ("Made", manifest.created_at),
            ("Teacher", manifest.teacher),
            ("Learned from", f"{manifest.n_train:,} examples, data set {manifest.dataset_digest[:16]}"),
            ("Prompt versions", ", ".join(manifest.template_ids)),
            ("Contract", f"{contract.form}, version {manifest.contract_version or BLANK}"),
            ("Contract signed by", contract.signed_by),
            ("Out of scope below", str(manifest.scope_threshold)),
            ("Code version", manifest.code_version),
            ("Environment", ", ".join(f"{k} {v}" for k, v in sorted(manifest.environment.items()))),
            ("Parameters", ", ".join(f"{k}={v}" for k, v in sorted(manifest.parameters.items()))),
            ("Seed", str(manifest.seed)),
            ("Intended use", ""),
            ("Known limits", ""),
        ),
        "",
        "## What was tried",
        "",
        *_rows(
            ("Rung", "Agreement with the teacher", "Held-out calls", "Note"),
            [(t.rung, f"{t.accuracy:.4f}" if t.n_test else "", f"{t.n_test:,}", t.note) for t in manifest.tried],
        ),
        "",
        "## Learning curve",
        "",
        *_rows(
            ("Examples", "Agreement with the teacher", "95 % interval", "Held-out calls"),
            [
                (f"{p.n_train:,}", f"{p.accuracy:.4f}", f"{p.low:.4f} to {p.high:.4f}", f"{p.n_test:,}")
                for p in manifest.learning_curve
            ],
        ),
        "",
        "## Certificates",
        "",
        *[line for certificate in certificates for line in (_promise(certificate), "")],
    ]
    if not certificates:
        lines += ["None. Nothing is promised of this student.", ""]
    return "\n".join(lines)


def data_card(manifest: Manifest, examples: Sequence[Example]) -> str:
    """The text of `data_card.md`: how many examples, from when, how long, which answers; and what nobody recorded."""
    times = [example.started_at_us for example in examples if example.started_at_us]
    lengths = sorted(sum(map(len, example.inputs)) for example in examples)
    answers = Counter(example.answer for example in examples)
    median = f"{lengths[len(lengths) // 2]:,} characters, longest {lengths[-1]:,}" if lengths else ""
    lines = [
        f"# Data of {manifest.task_name or manifest.student_id}",
        "",
        *_table(
            ("Data set", manifest.dataset_digest),
            ("Examples", f"{len(examples):,}"),
            ("With a person's answer", f"{sum(example.gold is not None for example in examples):,}"),
            ("Calls from", _date(min(times)) if times else ""),
            ("Calls to", _date(max(times)) if times else ""),
            ("Labelled by", manifest.teacher),
            ("Different answers", f"{len(answers):,}"),
            ("Median input", median),
            ("Personal data", ""),
            ("Consent and legal basis", ""),
            ("Known gaps", ""),
        ),
        "",
    ]
    if manifest.kind == "classification" and len(answers) <= _MOST_ANSWERS:
        shares = [(answer, f"{count:,}", f"{count / len(examples):.2%}") for answer, count in answers.most_common()]
        lines += ["## Answers", "", *_rows(("Answer", "Examples", "Share"), shares), ""]
    return "\n".join(lines)


def _promise(certificate: Certificate) -> str:
    rival = "disagree with the rented model" if certificate.against == "teacher" else "are wrong by people's answers"
    if not certificate.certified:
        return f"- {certificate.issued_at}: not certified ({certificate.reason or BLANK})"
    return (
        f"- {certificate.issued_at}: with confidence {1 - certificate.delta:g}, at most {certificate.alpha:g} of the "
        f"answers kept at confidence {certificate.threshold:g} or more {rival}; {certificate.n_errors:,} of "
        f"{certificate.n_kept:,} kept of {certificate.n:,} calibration calls did. Labels: "
        f"{certificate.label_source or BLANK}. Method: {certificate.method}. Certificate {certificate.id}."
    )


def _table(*facts: tuple[str, str]) -> list[str]:
    return _rows(("Fact", "Value"), list(facts))


def _rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return [BLANK]
    table = [tuple(header), tuple("---" for _ in header), *rows]
    return ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in table]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split()) or BLANK


def _date(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, tz=UTC).date().isoformat()
