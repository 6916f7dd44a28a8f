"""Two public tasks, in small: enough to notice a student that got worse. The full figures come from the benchmarks."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from tests.students.structured.tasks import JSON_CONTRACT

from freehold.evidence.losses import json_differs
from freehold.students.structured.runtime import StructuredStudent
from freehold.students.structured.trainer import StructuredTrainer
from freehold.vocabulary import Example

TASKS = Path(__file__).resolve().parents[4] / "shared" / "data" / "tasks"

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.slow,
    pytest.mark.skipif(not TASKS.is_dir(), reason="needs ../shared/data/tasks"),
]


def rows(task: str, n: int) -> list[Example]:
    with gzip.open(TASKS / task / "train.jsonl.gz", "rt", encoding="utf-8") as file:
        found = [json.loads(line) for line, _ in zip(file, range(n), strict=False)]
    return [
        Example(
            row["id"],
            (", ".join(row["requested"]), row["text"]) if "requested" in row else (row["text"],),
            json.dumps(row["gold"], ensure_ascii=False),
        )
        for row in found
    ]


@pytest.mark.parametrize(
    ("task", "n_train", "right_at_least", "kept_at_least"),
    [("extract_restaurant8k", 1_500, 0.87, 0.70), ("json_snips", 1_500, 0.70, 0.40)],
)
def test_a_few_thousand_rows_go_a_long_way(
    task: str, n_train: int, right_at_least: float, kept_at_least: float
) -> None:
    found = rows(task, n_train + 500)
    made = StructuredTrainer().fit(found[:n_train], JSON_CONTRACT, seed=0)
    student = StructuredStudent.from_files(made.files)
    answers = [(student.answer(example.inputs), example) for example in found[n_train:]]
    wrong = [json_differs(a.text, e.answer) for a, e in sorted(answers, key=lambda pair: -pair[0].confidence)]
    assert 1 - sum(wrong) / len(wrong) >= right_at_least
    kept = max(k for k in range(len(wrong) + 1) if sum(wrong[:k]) <= 0.05 * k)
    assert kept / len(wrong) >= kept_at_least
    assert sum(a.scope >= made.scope_threshold for a, _ in answers) >= 0.94 * len(answers)
