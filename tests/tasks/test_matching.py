"""Matching: anchored literals, greedy slots, declared names, nearest tasks, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.tasks import matching
from freehold.tasks.matching import TaskMatcher, slot_texts
from freehold.vocabulary import MessagePattern, Slot, Task, Template

TAIL = ("Sort: ", Slot("examples", is_input=False, greedy=True), "\n\nInput: ", Slot("input"), "\nOutput:")


def template(*patterns: MessagePattern, version: str = "v1", open_ended: bool = False, tools: str = "") -> Template:
    return Template(version, patterns, open_ended, tools)


def task(*templates: Template, task_id: str = "t1", name: str = "sort") -> Task:
    return Task(task_id, name, "classification", templates, 10, 1.0, "")


def body(*messages: tuple[str, object], **extra: object) -> bytes:
    return json.dumps({"messages": [{"role": r, "content": c} for r, c in messages], **extra}).encode()


PROMPT = "You sort the letters of the customers of a large mill into drawers. Letter: "
LETTERS = task(template(MessagePattern("user", (PROMPT, Slot("letter")))), task_id="t2", name="letters")


def test_a_greedy_slot_takes_any_number_of_examples() -> None:
    matcher = TaskMatcher([task(template(MessagePattern("user", TAIL)))])
    for shots in ("", "Input: a\nOutput: x", "Input: a\nOutput: x\n\nInput: b\nOutput: y"):
        match = matcher.match(body(("user", f"Sort: {shots}\n\nInput: the text\nOutput:")))
        assert match is not None
        assert match.inputs == ("the text",)
        assert (match.template_id, match.how) == ("v1", "template")


@pytest.mark.parametrize(
    "text", ["Sort: \n\nInput: a\nOutput: ", "sort: \n\nInput: a\nOutput:", "Sort: a\nOutput:", ""]
)
def test_text_that_does_not_fit_is_no_match(text: str) -> None:
    assert slot_texts(MessagePattern("user", TAIL), text) is None


def test_slots_that_are_no_input_are_left_out() -> None:
    pattern = MessagePattern("system", ("On ", Slot("date", is_input=False), " for ", Slot("who"), "."))
    assert slot_texts(pattern, "On Monday for Ana.") == ["Monday", "Ana"]
    match = TaskMatcher([task(template(pattern))]).match(body(("system", "On Monday for Ana.")))
    assert match is not None
    assert match.inputs == ("Ana",)


def test_the_template_with_more_constant_text_wins() -> None:
    bare = task(template(MessagePattern("user", (Slot("text"),)), version="v0"), task_id="t0", name="bare")
    for tasks in ([bare, LETTERS], [LETTERS, bare]):
        match = TaskMatcher(tasks).match(body(("user", PROMPT + "hello")))
        assert match is not None
        assert (match.task_id, match.inputs) == ("t2", ("hello",))


def test_a_changed_prompt_is_near_but_has_no_template() -> None:
    match = TaskMatcher([LETTERS]).match(body(("user", "Please: " + PROMPT.replace("large", "small") + "hello")))
    assert match is not None
    assert (match.task_id, match.template_id, match.how) == ("t2", "", "nearest")


WORDS = st.sampled_from(
    ["sort", "the", "mail", "Mail", "grüße", "日本", "x_y", "7", "22", ",", "it's", "_", "\n", "a.b"]
)
PROSE = st.lists(WORDS, min_size=2, max_size=12).map(" ".join)


@given(prompts=st.lists(PROSE, min_size=1, max_size=4), texts=st.lists(PROSE, min_size=1, max_size=3), data=st.data())
def test_looking_at_the_words_first_misses_no_task(prompts: list[str], texts: list[str], data: st.DataObject) -> None:
    tasks = [
        task(template(MessagePattern("user", (prompt, Slot("letter")))), task_id=f"t{i}", name=f"n{i}")
        for i, prompt in enumerate(prompts)
    ]
    near = data.draw(st.sampled_from([*texts, *prompts]))
    cut = data.draw(st.integers(0, len(near)))
    request = body(("user", f"Please {near[cut:]}"), *(("user", text) for text in texts))
    looked = TaskMatcher(tasks).match(request)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching._Nearest, "_possible", lambda *_: True)
        assert TaskMatcher(tasks).match(request) == looked


def test_something_else_is_no_task() -> None:
    matcher = TaskMatcher([LETTERS])
    assert matcher.match(body(("user", "What is the capital of France?"))) is None
    assert matcher.match(b"no json") is None
    assert TaskMatcher([]).match(body(("user", "hello"))) is None


def test_an_image_is_never_matched_by_template() -> None:
    parts = [{"type": "text", "text": PROMPT + "hello"}, {"type": "image_url", "image_url": {"url": "x"}}]
    match = TaskMatcher([LETTERS]).match(body(("user", parts)))
    assert match is not None
    assert match.template_id == ""


def test_a_declared_name_wins_over_looks() -> None:
    matcher = TaskMatcher([LETTERS, task(template(MessagePattern("user", TAIL)))])
    request = body(("user", PROMPT + "hello"))
    by_name = matcher.match(request, declared="sort")
    assert by_name is not None
    assert (by_name.task_id, by_name.template_id, by_name.how) == ("t1", "", "declared")
    assert matcher.match(request, declared="t2").inputs == ("hello",)  # type: ignore[union-attr]
    assert matcher.match(request, declared="unknown").how == "template"  # type: ignore[union-attr]


def test_a_history_is_one_input() -> None:
    matcher = TaskMatcher([task(template(MessagePattern("system", ("Be brief.",)), open_ended=True))])
    match = matcher.match(body(("developer", "Be brief."), ("user", "hi"), ("assistant", "yes?"), ("user", "bye")))
    assert match is not None
    assert match.inputs == ("user: hi\nassistant: yes?\nuser: bye",)


def test_matching_loads_nothing_heavy() -> None:
    code = (
        "import sys, freehold.tasks.matching; "
        "print([m for m in ('numpy', 'scipy', 'sklearn', 'duckdb', 'jsonschema') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
