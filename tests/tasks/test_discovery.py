"""Discovery on synthetic traffic whose right tasks are known, and its promises: determinism, stable ids, versions."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from sklearn.metrics import adjusted_rand_score
from tests.support import task_mixes as made
from tests.support.mixes import call, label_of, mix, record_of, sentence, system, user

from freehold.tasks.discovery import Discovery, discover
from freehold.vocabulary import Call, Slot

SORT = "Sort the message into billing, access, device or other. One word only."
EXTRACT = "Extract person, place and item from the text as JSON. Leave out what is missing."
SUMMARISE = "Summarise the customer's message in one sentence."


def agreement(found: Discovery, calls: list[Call]) -> float:
    truth = [one.tags["truth"] for one in calls]
    said = [found.assignments[one.id].task_id if one.id in found.assignments else "none" for one in calls]
    return adjusted_rand_score(truth, said)


def recovered(found: Discovery, calls: list[Call]) -> dict[str, float]:
    """Share of calls, per truth, whose only input is exactly the text that the application put in."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for one in calls:
        if "input" in one.tags:
            match = found.assignments.get(one.id)
            total[one.tags["truth"]] += 1
            right[one.tags["truth"]] += match is not None and match.inputs == (one.tags["input"],)
    return {key: right[key] / count for key, count in total.items()}


def templates_of(found: Discovery, calls: list[Call], truth: str) -> set[str]:
    return {found.assignments[one.id].template_id for one in calls if one.tags["truth"] == truth}


def test_languages_are_told_apart_and_a_company_name_is_no_input() -> None:
    rng = random.Random(3)
    calls = mix(
        made.sorted_in_german(rng, 200), made.sorted_in_japanese(rng, 150), made.extracted_in_japanese(rng, 150)
    )
    found = discover(calls)
    assert agreement(found, calls) == 1.0
    assert {task.kind for task in found.tasks} == {"classification", "extraction"}
    german = next(task for task in found.tasks if "ordnest" in task.name)
    slots = [p for m in german.templates[0].messages for p in m.pieces if isinstance(p, Slot)]
    assert [slot.is_input for slot in slots] == [False, True]


def test_two_models_are_one_task_and_a_changed_prompt_is_two_versions() -> None:
    rng = random.Random(4)
    calls = mix(
        made.replies_of_two_models(rng, 300),
        made.changed_midway(rng, 300),
        made.asked_of_passages(rng, 150),
        made.junk(rng, 40),
    )
    found = discover(calls)
    assert agreement(found, calls) >= 0.99
    assert len(templates_of(found, calls, "replies")) == 1
    assert len(templates_of(found, calls, "changed")) == 2
    assert found.assigned_share == pytest.approx(750 / 790, abs=0.01)


def test_a_tool_more_or_another_schema_is_another_task() -> None:
    rng = random.Random(5)
    schema = {"type": "json_schema", "json_schema": {"name": "who", "schema": {"type": "object"}}}
    texts = [sentence(rng) for _ in range(200)]
    prompt = [system("Say who did what in the customer's message, as JSON.")]
    calls = mix(
        made.agent(rng, 120, "two_tools", ["find_order", "refund"]),
        made.agent(rng, 120, "three_tools", ["find_order", "refund", "escalate"]),
        [call("free_json", [*prompt, user(text)], record_of(text)) for text in texts[:100]],
        [call("schema_json", [*prompt, user(text)], record_of(text), response_format=schema) for text in texts[100:]],
    )
    found = discover(calls)
    assert agreement(found, calls) == 1.0
    assert len(found.tasks) == 4


@pytest.mark.parametrize(("shots", "curated"), [((2, 2), False), ((1, 5), True)])
def test_instructions_in_one_message_with_changing_examples(shots: tuple[int, int], *, curated: bool) -> None:
    rng = random.Random(6)
    pool = [sentence(rng) for _ in range(12)] if curated else []
    calls = mix(
        made.one_message(rng, 400, "sort", SORT, label_of, shots, pool),
        made.one_message(rng, 400, "extract", EXTRACT, record_of, shots, pool),
        made.one_message(rng, 400, "summarise", SUMMARISE, lambda text: f"A customer says: {text[:30]}", shots, pool),
        made.junk(rng, 60),
    )
    found = discover(calls)
    assert agreement(found, calls) >= 0.95
    assert min(recovered(found, calls).values()) >= 0.95


def test_examples_as_chat_turns_and_histories() -> None:
    rng = random.Random(7)
    calls = mix(made.shown_in_chat(rng, 300), made.concierge(rng, 300), made.junk(rng, 30))
    found = discover(calls)
    assert agreement(found, calls) >= 0.99
    assert recovered(found, calls)["shown"] == 1.0
    assert any(template.open_ended for task in found.tasks for template in task.templates)


def test_the_same_calls_give_the_same_tasks() -> None:
    calls = mix(made.sorted_in_german(random.Random(8), 80), made.changed_midway(random.Random(8), 120))
    assert discover(calls) == discover(calls)


def test_new_traffic_keeps_ids_and_names_and_adds_versions() -> None:
    rng = random.Random(9)
    calls = mix(made.changed_midway(rng, 400), made.sorted_in_german(rng, 150))
    earlier = [one for one in calls if one.started_at_us < sorted(c.started_at_us for c in calls)[len(calls) // 2]]
    later = [one for one in calls if one not in earlier]
    first = discover(earlier)
    second = discover(later, previous=first.tasks)
    names = {task.id: task.name for task in first.tasks}
    assert names.items() <= {task.id: task.name for task in second.tasks}.items()
    truths = {one.id: one.tags["truth"] for one in calls}
    ids = {truths[c]: m.task_id for c, m in first.assignments.items()}
    assert all(m.task_id == ids[truths[c]] for c, m in second.assignments.items())


def test_a_prompt_that_moves_into_the_users_message_is_a_version_of_its_task() -> None:
    rng = random.Random(13)
    prompt = "Sort the message into billing, access, device or other. Answer with one lower-case word and nothing else."
    texts = [sentence(rng) for _ in range(300)]
    calls = mix(
        [call("moved", [system(prompt), user(t)], label_of(t), at_s=1 + i) for i, t in enumerate(texts[:150])],
        [call("moved", [user(f"{prompt}\n\n{t}")], label_of(t), at_s=500 + i) for i, t in enumerate(texts[150:])],
        made.sorted_in_german(rng, 150),
    )
    found = discover(calls)
    assert agreement(found, calls) == 1.0
    assert len(templates_of(found, calls, "moved")) == 2


def test_a_log_without_prompts_is_known_by_its_answers() -> None:
    rng = random.Random(10)
    calls = mix(made.without_prompt(rng, 400), made.sorted_in_german(rng, 200))
    found = discover(calls)
    assert agreement(found, calls) >= 0.95


def test_nothing_is_found_in_nothing_and_in_chatter() -> None:
    assert discover([]).tasks == ()
    chatter = discover(mix(made.junk(random.Random(11), 60)))
    assert chatter.assigned_share <= 0.1


def test_failed_and_foreign_calls_do_no_harm() -> None:
    rng = random.Random(12)
    calls = mix(made.sorted_in_german(rng, 60))
    calls[0].response = b"<html>"
    calls[1].outcome = "error"
    calls[2].request = b"not json"
    calls[3].dialect = "openai.embeddings"
    found = discover(calls)
    assert found.n_calls == 58
    assert len(found.assignments) == 58
