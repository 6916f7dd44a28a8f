"""Finding the event that says that a stream is complete, and the helper that checks what we author."""

from __future__ import annotations

import json

import pytest
from tests.support.schemas import check_authored, check_error, check_events

from freehold.errors import BadRequest
from freehold.vocabulary import Usage
from freehold.wire.known import CHAT, COMPLETIONS, MESSAGES, RESPONSES
from freehold.wire.streams import before_end

SHUT = b'event: content_block_stop\ndata: {"type":"content_block_stop"}\n\n'
STOP = b'event: message_stop\ndata: {"type": "message_stop"}\n\n'


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (SHUT + STOP, SHUT),
        ((SHUT + STOP).replace(b"\n", b"\r\n"), SHUT.replace(b"\n", b"\r\n")),
        ((SHUT + STOP).replace(b"\n", b"\r"), SHUT.replace(b"\n", b"\r")),
        (STOP, b""),
        (SHUT, SHUT),
        (b"", b""),
    ],
)
def test_the_last_event_is_cut_off_whole(data, kept):
    assert before_end(data, MESSAGES.end_mark) == kept


def test_a_text_that_speaks_of_the_end_is_not_taken_for_it():
    asked = MESSAGES.decode(b'{"messages":[]}')
    body = MESSAGES.author(asked, call_id="c", created_s=1, answer='say "message_stop"', usage=Usage())
    events = MESSAGES.stream_of(body, asked)
    assert b"message_stop" in events[2]
    assert before_end(b"".join(events), MESSAGES.end_mark) == b"".join(events[:-1])


def _author(spoken):
    asked = spoken.decode(b'{"model":"m","messages":[],"input":"x","prompt":"x"}')
    body = spoken.author(asked, call_id="c", created_s=1, answer="a", usage=Usage())
    return asked, body


@pytest.mark.parametrize("spoken", [CHAT, COMPLETIONS, RESPONSES, MESSAGES], ids=lambda one: one.name)
def test_the_check_finds_missing_unknown_and_converted_fields(spoken):
    asked, body = _author(spoken)
    whole = json.loads(body)
    for changed in (
        {key: value for key, value in whole.items() if key != "id"},
        whole | {"model": 7},
        whole | {"surplus": None},
        whole | {"usage": whole["usage"] | {"surplus": 1}},
    ):
        with pytest.raises((AssertionError, ValueError)):
            check_authored(spoken.name, json.dumps(changed).encode())
    events = spoken.stream_of(body, asked)
    for changed in (events[:-1], events[:1] + events[2:], [*events[:-1], b'data: {"a":1}\n\n', events[-1]]):
        if spoken in (RESPONSES, MESSAGES) or len(changed) > len(events):
            with pytest.raises((AssertionError, ValueError, KeyError)):
                check_events(spoken.name, changed)
    with pytest.raises((AssertionError, ValueError, KeyError)):
        check_error(spoken.name, b'{"error":{"message":"x"}}')
    check_error(spoken.name, spoken.error_envelope(BadRequest("x")))
