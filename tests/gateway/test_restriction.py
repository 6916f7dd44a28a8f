"""Enough of a restricted prompt anywhere in a call keeps the call in, and ordinary calls go on."""

import itertools
import json
import time

import pytest

from freehold.gateway._restriction import Restriction
from freehold.gateway._router import Router
from freehold.registry import routes
from freehold.tasks.matching import TaskMatcher
from freehold.vocabulary import MessagePattern, Route, RouteTable, Slot, Task, Template
from freehold.wire.openai import decode_request

PREAMBLE = "You work for the town of Lindenau. Be friendly and brief, and never promise anything to anybody."
SECRET = (
    f"{PREAMBLE}\nA resident describes a complaint about their health. Say which clinic of the town is in charge, and "
    "answer with the name of one clinic alone: heart, lungs, skin, eyes or bones."
)
REVIEW = f"{PREAMBLE}\nRead the review of our swimming pool below and say if the guest liked it: yes or no."
LETTER = f"{PREAMBLE}\nWrite a reply to this letter about dog licences."
TEXT = "my heart beats fast since yesterday and the stairs are hard"
TOOLS = [{"type": "function", "function": {"name": "lookup", "parameters": {"type": "object", "properties": {}}}}]


def task(number, name, prompt, user="", **template):
    pieces = (user, Slot("text")) if user else (Slot("text"),)
    messages = (MessagePattern("system", (prompt,)), MessagePattern("user", pieces))
    return Task(f"t{number}", name, "classification", (Template(f"v{number}", messages, **template),), 9, 1.0, "x")


TASKS = (task(1, "health", SECRET), task(2, "reviews", REVIEW), task(3, "letters", LETTER))
TABLE = RouteTable(1, TASKS, (Route("t1", "health", "restricted"), Route("t2", "reviews"), Route("t3", "letters")))


def router(folder, table=TABLE, **kwargs):
    routes.write(routes.path(folder), table)
    made = Router(routes.path(folder), {}, TaskMatcher, **kwargs)
    assert made.refresh()
    return made


def request(*messages, **extra):
    listed = [{"role": role, "content": content} for role, content in messages]
    return decode_request(json.dumps({"model": "m", "messages": listed} | extra).encode())


LONG = "lorem ipsum dolor sit amet " * 400
MARKED = [{"type": "text", "text": SECRET}, {"type": "image_url", "image_url": {"url": "data:x"}}]
HELD = {
    "as it is": request(("system", SECRET), ("user", TEXT)),
    "tools": request(("system", SECRET), ("user", TEXT), tools=TOOLS),
    "schema": request(("system", SECRET), ("user", TEXT), response_format={"type": "json_object"}),
    "both": request(("system", SECRET), ("user", TEXT), tools=TOOLS, response_format={"type": "json_object"}),
    "upper case": request(("system", SECRET.upper()), ("user", TEXT)),
    "one user message": request(("user", f"{SECRET}\n\n{TEXT}"), tools=TOOLS),
    "spaced otherwise": request(("user", "  \n".join(SECRET.split())), ("user", TEXT), tools=TOOLS),
    "half of it": request(("system", SECRET[: len(PREAMBLE) + 80]), ("user", TEXT), tools=TOOLS),
    "its second half": request(("system", SECRET[len(PREAMBLE) + 80 :]), ("user", TEXT), tools=TOOLS),
    "an earlier turn": request(("user", "hi"), ("user", SECRET), ("assistant", "heart"), ("user", "sure?")),
    "a later system message": request(("user", "hi"), ("assistant", "hello"), ("system", SECRET), ("user", TEXT)),
    "the answer's role": request(("assistant", SECRET), ("user", TEXT)),
    "after another prompt": request(("system", REVIEW), ("user", f"{SECRET} {TEXT}")),
    "deep in a long text": request(("system", f"{LONG}{SECRET}{LONG}"), ("user", TEXT)),
    "parts": request(("system", MARKED), ("user", TEXT), tools=TOOLS),
}


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize("header", ["", "reviews", "letters", "nothing known"])
def test_the_text_of_a_restricted_task_keeps_a_call_in(tmp_path, name, header):
    assert router(tmp_path).resolve(HELD[name], header).data_class == "restricted"


@pytest.mark.parametrize("header", ["", "reviews"])
def test_calls_that_only_share_the_preamble_or_the_subject_go_on(tmp_path, header):
    ordinary = [
        request(("system", REVIEW), ("user", "the water was cold")),
        request(("system", REVIEW), ("user", "the water was cold"), tools=TOOLS),
        request(("system", PREAMBLE), ("user", TEXT)),
        request(("system", f"{PREAMBLE}\nTell me the way to the town hall."), ("user", "from the station")),
        request(("user", "which clinic of the town treats skin?")),
        request(("user", LONG)),
    ]
    one = router(tmp_path)
    assert [one.resolve(r, header).data_class for r in ordinary] == ["ordinary"] * len(ordinary)


def test_a_new_version_that_discovery_takes_for_another_task_is_restricted_until_a_person_says_otherwise(tmp_path):
    twin = task(4, "health with tools", f"{SECRET} Use the tool.", tools="lookup#1")
    table = RouteTable(2, (*TASKS, twin), TABLE.routes)
    asked = request(("system", f"{SECRET} Use the tool."), ("user", TEXT), tools=TOOLS)
    assert router(tmp_path, table).resolve(asked, "").data_class == "restricted"
    assert router(tmp_path, table).resolve(asked, "health with tools").data_class == "restricted"
    matched = request(("system", REVIEW), ("user", TEXT))
    assert router(tmp_path, table).resolve(matched, "Health with Tools").data_class == "restricted"
    lifted = router(tmp_path, table, ordinary=["Health with Tools"])
    assert lifted.resolve(matched, "health with tools").data_class == "ordinary"


@pytest.mark.parametrize(
    ("prompt", "held", "free"),
    [
        ("Diagnose:", "diagnose: a cough, please", "a machine that can diagnose itself"),
        ("Sort patients", "SORT PATIENTS\nno. 7", "how do I sort patients?"),
        ("病状を分類してください。", "次の病状を分類してください。咳", "この手紙を訳して"),
        ("โปรดจำแนกอาการ", "โปรดจำแนกอาการ: ไอ", "สวัสดีครับ"),
    ],
)
def test_short_prompts_and_prompts_without_blanks(prompt, held, free):
    test = Restriction([task(1, "x", prompt).templates[0]], [])
    assert test.held_by(request(("user", held)))
    assert not test.held_by(request(("user", free)))


def test_it_is_quick_on_calls_of_the_usual_size(tmp_path):
    many = [task(n, f"n{n}", f"{PREAMBLE} {' '.join(f'word{n}x{i}' for i in range(150))}") for n in range(30)]
    test = Restriction([t.templates[0] for t in many[:10]], [t.templates[0] for t in many[10:]])
    asked = request(("system", many[20].templates[0].messages[0].pieces[0]), ("user", TEXT))
    times = []
    for _ in range(50):
        began = time.perf_counter()
        assert not test.held_by(asked, "v20")
        times.append(time.perf_counter() - began)
    assert min(times) < 0.002, "ten times what it takes, for a busy machine"


def test_without_restricted_tasks_nothing_is_looked_at():
    class Untouchable:
        @property
        def messages(self):
            raise AssertionError("read")

    assert not Restriction([], itertools.repeat(TASKS[0].templates[0], 2)).held_by(Untouchable())
