"""What `POST /v1/feedback` takes, and what it refuses without repeating it."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.errors import BadRequest
from freehold.gateway._feedback import decode_feedback
from freehold.vocabulary import Feedback


def decoded(**fields):
    found = decode_feedback(json.dumps({"call_id": "call_1"} | fields).encode(), given_by="team-a")
    assert found.call_id == "call_1"
    return found.said


def statement(kind, value, name=""):
    return Feedback("call_1", kind, value, name, "team-a", "gateway")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"gold": "billing"}, [("gold", "billing")]),
        ({"gold": {"city": "Bern", "n": 1}}, [("gold", '{"city":"Bern","n":1}')]),
        ({"gold": [1, "ä"]}, [("gold", '[1,"ä"]')]),
        ({"score": True}, [("score", 1.0)]),
        ({"score": False, "name": "helpful"}, [("score", 0.0, "helpful")]),
        ({"score": 3}, [("score", 3.0)]),
        ({"score": 0.5, "comment": "so so"}, [("score", 0.5), ("comment", "so so")]),
        ({"correction": "x", "gold": None}, [("correction", "x")]),
        ({"comment": "why?"}, [("comment", "why?")]),
        (
            {"score": 1, "name": "n", "comment": "c", "gold": "g", "correction": "k"},
            [("gold", "g"), ("correction", "k"), ("score", 1.0, "n"), ("comment", "c", "n")],
        ),
    ],
)
def test_every_form_of_it_is_read(fields, said):
    assert list(decoded(**fields)) == [statement(*one) for one in said]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"{", "not valid JSON"),
        (b'{"call_id":"","gold":"x"}', "call_id is empty"),
        (b'{"call_id":"x"}', "says nothing"),
        (b'{"call_id":"x","gold":null}', "says nothing"),
        (b'{"call_id":1,"gold":"x"}', "call_id"),
        (b'{"call_id":"x","gold":7}', "gold"),
        (b'{"call_id":"x","gold":" "}', "gold is empty"),
        (b'{"call_id":"x","score":1,"comment":""}', "comment is empty"),
        (b'{"call_id":"x","score":"good"}', "score"),
        (b'{"call_id":"x","score":1e400}', "score|out of range"),
        (b'{"call_id":"x","gold":"y","name":"n"}', "name of a score"),
        (b'{"call_id":"x","score":1,"name":"%s"}' % (b"n" * 65), "longer than 64"),
        (b'{"call_id":"x","gold":"%s"}' % (b"n" * 1_000_001), "longer than 1000000"),
        (b'{"call_id":"x","rating":1,"gold":"y"}', "rating"),
        (b'{"call_id":"x","gold":' + b"[" * 100_000, "nested too deeply|not valid JSON"),
    ],
)
def test_what_is_no_feedback_is_refused(body, what):
    with pytest.raises(BadRequest, match=what) as error:
        decode_feedback(body)
    assert error.value.status == 400
    assert "score" in error.value.hint


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(body):
    with contextlib.suppress(BadRequest):
        assert decode_feedback(body).call_id


def test_a_refusal_does_not_repeat_what_was_sent():
    for bad in ({"gold": 12345678}, {"score": "secret words"}, {"comment": ["secret words"]}):
        with pytest.raises(BadRequest) as error:
            decoded(**bad)
        assert "secret" not in str(error.value)
        assert "12345678" not in str(error.value)
