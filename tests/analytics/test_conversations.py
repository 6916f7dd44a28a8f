"""Which calls continue one another."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.talk import said

from freehold.analytics.conversations import Conversations


def walk(calls):
    conversations = Conversations()
    return [conversations.add(seen, answer) for seen, answer in calls]


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def test_a_prompt_that_holds_another_and_its_answer_continues_it():
    first = [user("hello")]
    second = [*first, assistant("hi there "), user("how are you")]
    turns = walk([(said(first), "hi there"), (said(second), "fine"), (said([user("hello")]), "hi there")])
    assert turns[1].conversation == turns[0].conversation
    assert (turns[0].before, turns[1].before, turns[2].before) == (0, 1, 0)
    assert turns[2].conversation != turns[0].conversation


def test_another_answer_is_another_conversation():
    first = [user("hello")]
    other = [*first, assistant("good day"), user("x")]
    turns = walk([(said(first), "hi"), (said(other), "y")])
    assert turns[1].conversation != turns[0].conversation


def test_instructions_that_hold_the_time_do_not_part_a_conversation():
    def at(time):
        return {"role": "system", "content": f"It is {time}."}

    turns = walk(
        [
            (said([at("noon"), user("a")]), "b"),
            (said([at("one"), user("a"), assistant("b"), user("c")]), "d"),
        ]
    )
    assert turns[1].conversation == turns[0].conversation


def test_tool_calls_are_answers_too():
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    first = [user("where is my order")]
    second = [*first, {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "content": "lost"}]
    canonical = json.dumps({"tool_calls": [{"name": "look_up", "arguments": {}}]}, separators=(",", ":"))
    turns = walk([(said(first), canonical), (said(second), "it is lost")])
    assert turns[1].conversation == turns[0].conversation


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=5), min_size=1, max_size=4))
def test_talks_that_begin_differently_are_never_mixed(talks):
    """However calls of several talks are interleaved, each goes to the talk it belongs to."""
    conversations, histories, found = Conversations(), [[] for _ in talks], [set() for _ in talks]
    for turn in range(max(map(len, talks))):
        for number, talk in enumerate(talks):
            if turn < len(talk):
                history = histories[number]
                history.append(user(f"talk {number}: {talk[turn]}"))
                found[number].add(conversations.add(said(list(history)), talk[turn]).conversation)
                history.append(assistant(talk[turn]))
    assert all(len(ids) == 1 for ids in found)
    assert len(set().union(*found)) == len(talks)


def test_a_conversation_that_pauses_for_more_than_a_day_goes_on_as_another():
    first = [user("hello")]
    second = [*first, assistant("hi"), user("and now")]
    day = 86_400
    for pause, alike in ((day, True), (day + 1, False)):
        turns = walk([(said(first), "hi"), (said(second, at_s=pause), "fine")])
        assert (turns[1].conversation == turns[0].conversation) is alike
