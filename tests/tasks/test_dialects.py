"""Tasks are found, recognised, measured and taught alike, whatever dialect the product speaks."""

from __future__ import annotations

import json
import random

import pytest
from tests.support import task_mixes as made
from tests.support.dialects import DIALECTS, as_chat, as_messages, as_responses
from tests.support.mixes import call, label_of, mix, record_of, sentence, system, user

from freehold.analytics.statistics import Collector
from freehold.services.contracting import Answers
from freehold.services.examples import gather
from freehold.tasks.discovery import Discovery, discover
from freehold.tasks.matching import TaskMatcher
from freehold.vocabulary import Call
from freehold.wire.known import dialect

OTHERS = pytest.mark.parametrize("remade", [as_messages, as_responses])


def traffic() -> list[Call]:
    rng = random.Random(11)
    sort = [system("Sort the message into billing, access, device or other. One word only.")]
    extract = [system("Extract person, place and item from the text as JSON. Leave out what is missing.")]
    texts = [sentence(rng) for _ in range(240)]
    return mix(
        [call("sort", [*sort, user(text)], label_of(text), temperature=0, max_tokens=5) for text in texts[:140]],
        [call("extract", [*extract, user(text)], record_of(text)) for text in texts[140:]],
        made.agent(rng, 100, "agent", ["find_order", "refund"]),
    )


@pytest.fixture(scope="module")
def chat() -> list[Call]:
    return [as_chat(one) for one in traffic()]


@pytest.fixture(scope="module")
def found(chat: list[Call]) -> Discovery:
    return discover(chat)


@OTHERS
def test_the_same_traffic_is_the_same_tasks_with_the_same_inputs(remade, chat, found) -> None:
    calls = [remade(one) for one in chat]
    again = discover(calls)
    assert len(found.tasks) == 3
    assert [(task.kind, task.n_calls) for task in again.tasks] == [(task.kind, task.n_calls) for task in found.tasks]
    inputs = {ident: match.inputs for ident, match in found.assignments.items()}
    assert {ident: match.inputs for ident, match in again.assignments.items()} == inputs
    groups = {ident: match.template_id for ident, match in found.assignments.items()}
    assert {ident: match.template_id for ident, match in again.assignments.items()} == groups


@OTHERS
def test_tasks_found_in_one_dialect_recognise_teach_and_bind_calls_of_another(remade, chat, found) -> None:
    matcher = TaskMatcher(found.tasks)
    pairs = [(one, matcher.match_call(one)) for one in chat]
    others = [(remade(one), matcher.match_call(remade(one))) for one in chat]
    assert [match for _, match in others] == [match for _, match in pairs]
    assert gather(others) == gather(pairs)
    for task in found.tasks:
        learned = []
        for some in (pairs, others):
            answers = Answers(task)
            for one, match in some:
                if match is not None and match.task_id == task.id:
                    answers.add(one, match)
            learned.append(answers.learn())
        assert learned[0] == learned[1]


@OTHERS
def test_a_workload_is_measured_alike(remade, chat) -> None:
    usages = [dialect(name).read(make(chat[0]).response).usage for name, make in DIALECTS.items()]
    assert usages[0] == usages[1] == usages[2]
    doubled = [*chat, *chat]
    matcher = TaskMatcher(discover(chat).tasks)
    measured = []
    for calls in (doubled, [remade(one) for one in doubled]):
        collector = Collector("task")
        for one in calls:
            collector.add(one, matcher.match_call(one))
        measured.append(collector.statistics())
    assert measured[0] == measured[1]
    repeats = next(one for one in measured[0].statistics if one.name == "exact_repeat_share")
    assert repeats.value >= 0.5


def test_a_mixture_of_dialects_is_one_task_each(chat, found) -> None:
    makes = list(DIALECTS.values())
    mixed = discover([makes[n % 3](one) for n, one in enumerate(chat)])
    assert len(mixed.tasks) == len(found.tasks)
    inputs = {ident: match.inputs for ident, match in found.assignments.items()}
    assert {ident: match.inputs for ident, match in mixed.assignments.items()} == inputs


def test_a_call_for_embeddings_belongs_to_a_task_only_by_name(chat, found) -> None:
    text = json.loads(chat[0].request)["messages"][-1]["content"]
    embedding = Call("e", 1, 1.0, "p", "m", json.dumps({"model": "m", "input": text}).encode(), b"{}",
                     dialect="openai.embeddings")  # fmt: skip
    matcher = TaskMatcher(found.tasks)
    assert matcher.match_call(embedding) is None
    embedding.task = found.tasks[0].name
    assert matcher.match_call(embedding).task_id == found.tasks[0].id
    assert discover([*chat, embedding]).assignments.keys() == found.assignments.keys()
    unreadable = Call("u", 1, 1.0, "p", "m", b"{", b"{}", dialect="anthropic.messages")
    assert matcher.match_call(unreadable) is None
