"""Climbing the ladder: the cheapest student that suffices, and an honest no."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.support.intents import contract, examples

from freehold.errors import BundleRefused, UsageError
from freehold.students import Trained, build, fit, load, train
from freehold.students._measure import keepable_share, labels_needed, learning_point
from freehold.students.rungs import trainer_of
from freehold.vocabulary import Example, LearningPoint, Manifest


def _tried(trained: Trained) -> dict[str, str]:
    return {tried.rung: tried.note for tried in trained.tried}


def test_a_narrow_task_ends_on_the_kernel_rung_with_a_learning_curve():
    # The clock cuts the curve short where time runs out; on a busy machine it must not.
    trained = train("desk", "classification", examples(500), contract(), time_limit_s=3_600)
    assert trained.rung == "kernel"
    assert trained.suffices
    assert trained.labels_needed == 0
    assert trained.n_train == 500
    assert trained.n_parity == 100
    sizes = [point.n_train for point in trained.learning_curve]
    assert sizes == sorted(sizes)
    assert len(sizes) == 4
    assert all(point.low <= point.accuracy <= point.high for point in trained.learning_curve)
    assert fit("kernel", examples(500), contract()).files == trained.files


def test_an_answer_that_never_varies_needs_no_more_than_a_constant():
    rows = [Example(f"{i}", (f"anything {i}",), "ok") for i in range(200)]
    trained = train("ack", "classification", rows, contract())
    assert trained.rung == "constant"
    assert trained.suffices
    assert _tried(trained)["kernel"].startswith("not tried")


def test_inputs_that_come_again_are_remembered_before_anything_is_learned():
    rows = [Example(f"{i}", (f"menu item {i % 12}",), f"answer {i % 12}") for i in range(600)]
    trained = train("faq", "free_text", rows, contract(form="text"))
    assert trained.rung == "memory"
    assert trained.suffices


def test_free_text_gets_a_plain_no_with_what_was_tried():
    rows = [Example(f"{i}", (f"tell me a story about {i}",), f"once upon a time there were {i}") for i in range(300)]
    trained = train("stories", "free_text", rows, contract(form="text"))
    assert not trained.suffices
    assert trained.keepable == 0.0
    assert trained.labels_needed is None
    assert "no student suffices" in trained.reason
    assert len(trained.tried) >= 3
    assert build(trained.rung, trained.files).answer(("tell me a story",)).confidence == 0.0


def test_too_few_examples_are_said_to_be_too_few_and_still_give_a_student():
    trained = train("desk", "classification", examples(30), contract())
    assert not trained.suffices
    assert build(trained.rung, trained.files).answer(("refund",)).text


def test_out_of_time_the_best_so_far_is_returned():
    trained = train("desk", "classification", examples(300), contract(), time_limit_s=0.0)
    assert trained.files
    assert any("out of time" in tried.note for tried in trained.tried)


def test_nothing_to_learn_from_is_an_error_with_a_code():
    with pytest.raises(UsageError) as caught:
        train("desk", "classification", [], contract())
    assert caught.value.error_code == "no_examples"


def _bundle(folder: Path, trained: Trained, **changes: object) -> Path:
    for name, content in trained.files.items():
        (folder / name).write_bytes(content)
    manifest = Manifest(
        schema="freehold.bundle/1", student_id="s", task_id="t", task_name="desk", kind="classification",
        rung=trained.rung, created_at="", template_ids=(), contract_version="1", dataset_digest="", n_train=1,
        scope_threshold=trained.scope_threshold, parameters={}, seed=0, teacher="", code_version="", environment={},
        files=dict.fromkeys(trained.files, ""),
    )  # fmt: skip
    (folder / "manifest.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, **changes)))
    return folder


def test_a_student_loads_from_a_folder_and_answers_alike(tmp_path: Path):
    trained = train("desk", "classification", examples(120), contract())
    asked = [row.inputs for row in examples(40, seed=5)]
    from_folder = load(_bundle(tmp_path, trained)).answer_many(asked)
    from_memory = build(trained.rung, trained.files).answer_many(asked)
    assert [(a.text, a.confidence, a.scope) for a in from_folder] == [
        (a.text, a.confidence, a.scope) for a in from_memory
    ]


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path):
    with pytest.raises(BundleRefused, match="no manifest"):
        load(tmp_path)
    trained = train("ack", "classification", [Example("1", ("a",), "ok")], contract())
    _bundle(tmp_path, trained, rung="oracle")
    with pytest.raises(BundleRefused, match="unknown kind"):
        load(tmp_path)
    _bundle(tmp_path, trained)
    (tmp_path / "memory.json").unlink()
    with pytest.raises(BundleRefused, match="lacks"):
        load(tmp_path)


def test_answering_loads_no_trainer(tmp_path: Path):
    trained = train("desk", "classification", examples(120), contract())
    _bundle(tmp_path, trained)
    code = (
        "import sys; from pathlib import Path; from freehold.students.runtime import load; "
        f"student = load(Path({str(tmp_path)!r})); student.answer(('refund please',)); "
        "heavy = sorted({'sklearn', 'scipy', 'rensa', 'pycrfsuite', 'duckdb'} & set(sys.modules)); "
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_keepable_share_stops_where_the_bound_passes_the_risk():
    confidence = np.linspace(1, 0, 200)
    right = np.ones(200, np.bool_)
    everywhere = np.ones(200, np.bool_)
    assert keepable_share(confidence, right, everywhere, 0.05) == 1.0
    assert keepable_share(confidence[:58], right[:58], everywhere[:58], 0.05) == 0.0
    right[100:] = False
    assert 0.49 < keepable_share(confidence, right, everywhere, 0.05) < 0.53
    assert keepable_share(np.ones(200), right, everywhere, 0.05) == 0.0
    assert keepable_share(confidence, right, ~everywhere, 0.05) == 0.0


def _curve(errors: Sequence[tuple[int, float]]) -> list[LearningPoint]:
    return [learning_point(n, np.arange(1_000) >= round(1_000 * error)) for n, error in errors]


def test_labels_needed_follows_a_power_law_and_gives_up_on_a_flat_curve():
    falling = _curve([(n, 4.0 * n**-0.4) for n in (200, 500, 1_000)])
    needed = labels_needed(falling, 0.05)
    assert needed is not None
    assert needed == pytest.approx((4.0 / 0.2) ** 2.5, rel=0.1)
    assert labels_needed(_curve([(200, 0.4), (500, 0.4), (1_000, 0.4)]), 0.05) is None
    assert labels_needed(falling[:1], 0.05) is None


def test_answers_put_together_from_the_input_are_not_taken_for_classes():
    rows = [Example(f"{i}", (f"a table for {i}",), f'{{"people": "{i}"}}') for i in range(600)] * 2
    rows = [Example(f"{i}", row.inputs, row.answer) for i, row in enumerate(rows)]
    assert "put together" in trainer_of("kernel").can_learn("extraction", rows, contract(form="json"))
    assert trainer_of("kernel").can_learn("free_text", rows, contract(form="json")) == ""


def test_mostly_distinct_objects_are_not_worth_a_kernel_student_whatever_the_task_is_called():
    rows = [Example(f"{i}", (f"a table for {i}",), f'{{"people": "{i * 2 // 3}"}}') for i in range(900)]
    assert "distinct objects" in trainer_of("kernel").can_learn("free_text", rows, contract(form="json"))
    few = [Example(f"{i}", (f"a table for {i}",), f'{{"people": "{i % 9}"}}') for i in range(900)]
    assert trainer_of("kernel").can_learn("free_text", few, contract(form="json")) == ""


def test_answers_too_many_to_be_classes_must_leave_something_to_those_that_are():
    rows = [Example(f"{i}", (f"tell me about {i}",), f"essay {i // 2 if i < 12_000 else i}") for i in range(14_000)]
    assert "distinct answers" in trainer_of("kernel").can_learn("free_text", rows, contract(form="text"))
    greeted = [Example(f"t{i}", ("thanks",), "You are welcome.") for i in range(2_000)]
    assert trainer_of("kernel").can_learn("free_text", rows + greeted, contract(form="text")) == ""
