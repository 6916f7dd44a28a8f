"""Mixes that break grouping by text: short instructions, examples, passages, histories, tools alone, twins."""

from __future__ import annotations

import json
import random

import pytest
from tests.support import task_mixes as made
from tests.support.mixes import PEOPLE, call, label_of, mix, passage, record_of, sentence, system, tool, user
from tests.tasks.test_discovery import agreement

from freehold.tasks.discovery import discover
from freehold.tasks.stability import adjusted_rand_index, stability
from freehold.vocabulary import Call

SHORT = ("Sort it.", "Extract JSON.", "Summarise briefly.")


@pytest.mark.parametrize(
    ("shots", "curated", "seed", "least"),
    [
        ((0, 0), False, 1, 0.99),
        ((2, 2), False, 1, 0.99),
        ((0, 4), False, 1, 0.99),
        ((0, 4), False, 2, 0.99),
        ((0, 4), True, 1, 0.80),
        ((0, 4), True, 2, 0.93),
    ],
)
def test_two_words_of_instruction_with_none_to_four_examples(
    shots: tuple[int, int], seed: int, least: float, *, curated: bool
) -> None:
    rng = random.Random(seed)
    pool = [sentence(rng) for _ in range(12)] if curated else []
    calls = mix(
        made.one_message(rng, 400, "sort", SHORT[0], label_of, shots, pool),
        made.one_message(rng, 400, "extract", SHORT[1], record_of, shots, pool),
        made.one_message(rng, 400, "summarise", SHORT[2], lambda text: f"A customer says: {text[:30]}", shots, pool),
        made.junk(rng, 60),
    )
    assert agreement(discover(calls), calls) >= least


@pytest.mark.parametrize("before", [True, False])
def test_twins_with_the_same_answers_stay_apart(*, before: bool) -> None:
    rng = random.Random(2)

    def asked(truth: str, question: str) -> list[Call]:
        found: list[Call] = []
        for _ in range(150):
            text = sentence(rng)
            said = f"{question} yes or no?\n\nText: {text}" if before else f"Text: {text}\n\n{question} yes or no?"
            found.append(call(truth, [user(said)], rng.choice(["yes", "no"])))
        return found

    calls = mix(
        asked("spam", "Is this mail sent to many people,"),
        asked("urgent", "Does the writer need help today,"),
        made.junk(rng, 30),
    )
    found = discover(calls)
    assert agreement(found, calls) >= 0.99
    assert len(found.tasks) == 2


def test_passages_with_examples_inside() -> None:
    rng = random.Random(3)

    def one(truth: str, prompt: str, answer: str) -> Call:
        shown = "\n\n".join(
            f"Passage: {passage(rng, 3)}\nQuestion: where is {rng.choice(PEOPLE)}?\n{answer}: in {passage(rng, 1)[:20]}"
            for _ in range(rng.randint(1, 3))
        )
        held = passage(rng, rng.randint(3, 9))
        asked = f"{shown}\n\nPassage: {held}\nQuestion: what did {rng.choice(PEOPLE)} do?\n{answer}:"
        return call(truth, [system(prompt), user(asked)], held[: rng.randint(10, 70)])

    calls = mix(
        [one("quote", "Answer from the passage with its own words, as short as you can.", "Quote") for _ in range(150)],
        [
            one("cite", "Say in which sentence of the retrieved document the answer stands.", "Cited")
            for _ in range(150)
        ],
        made.asked_of_passages(rng, 150),
        made.junk(rng, 30),
    )
    assert agreement(discover(calls), calls) >= 0.95


def test_agents_with_growing_histories_and_results_of_tools() -> None:
    rng = random.Random(4)

    def steps(truth: str, prompt: str, name: str) -> list[Call]:
        found: list[Call] = []
        for _ in range(60):
            messages = [system(prompt), user(sentence(rng))]
            for step in range(rng.randint(1, 6)):
                made_call = {"id": f"c{step}", "type": "function", "function": {"name": name, "arguments": "{}"}}
                answer = {"role": "assistant", "content": None, "tool_calls": [made_call]}
                found.append(call(truth, list(messages), answer, tools=[tool(name, q="string"), tool("done")]))
                messages += [answer, {"role": "tool", "tool_call_id": f"c{step}", "content": passage(rng, 2)}]
        return found

    calls = mix(
        steps("buyer", "You buy what the office needs. Never spend more than was agreed.", "find_item"),
        steps("finder", "You look up what the engineer asks for in the wiki.", "search_wiki"),
        made.concierge(rng, 150),
        made.junk(rng, 30),
    )
    found = discover(calls)
    assert agreement(found, calls) >= 0.97
    assert len(found.tasks) == 3


def test_tasks_that_differ_in_one_tools_arguments_alone() -> None:
    rng = random.Random(5)

    def asked(truth: str, **properties: str) -> list[Call]:
        answers = [{"id": "x", "type": "function", "function": {"name": "book", "arguments": json.dumps({"q": "a"})}}]
        message = {"role": "assistant", "content": None, "tool_calls": answers}
        prompt = system("Help the guest. Use the tools.")
        return [
            call(truth, [prompt, user(sentence(rng))], message, tools=[tool("book", **properties)]) for _ in range(80)
        ]

    calls = mix(asked("table", q="string"), asked("room", q="string", nights="integer"))
    found = discover(calls)
    assert agreement(found, calls) == 1.0


def test_reruns_on_halves_agree_and_say_how_far() -> None:
    rng = random.Random(6)
    calls = mix(
        made.sorted_in_german(rng, 200), made.replies_of_two_models(rng, 200), made.extracted_in_japanese(rng, 200)
    )
    found = discover(calls)
    stable = stability(calls, found.tasks)
    assert (stable.reruns, stable.calls) == (2, 600)
    assert stable.ari is not None
    assert stable.ari >= 0.95
    assert set(stable.by_task) == {task.id for task in found.tasks}
    assert stability(calls, found.tasks) == stable
    assert stability(calls[:20], found.tasks).ari is None
    wrong = stability(calls, found.tasks[:1])
    assert wrong.ari is not None
    assert wrong.ari < 0.9


def test_the_rand_index_is_what_others_say_it_is() -> None:
    from sklearn.metrics import adjusted_rand_score

    rng = random.Random(7)
    for _ in range(20):
        a, b = ([rng.choice("abcd"[: rng.randint(1, 4)]) for _ in range(30)] for _ in range(2))
        assert adjusted_rand_index(a, b) == pytest.approx(adjusted_rand_score(a, b))


def test_the_order_of_the_calls_decides_nothing() -> None:
    calls = mix(made.sorted_in_german(random.Random(8), 80), made.changed_midway(random.Random(8), 120))
    assert discover(calls[::-1]) == discover(calls)
