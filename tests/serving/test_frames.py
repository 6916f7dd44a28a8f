"""Frames: whatever pieces the bytes arrive in, and whatever they are."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.bundles import write_bundle
from tests.support.puppets import LOADER

from freehold.errors import UpstreamFailed
from freehold.serving._frames import (
    MAX_FRAME_BYTES,
    Answered,
    Ask,
    Failed,
    Frames,
    Load,
    Loaded,
    decode_reply,
    decode_request,
    encode,
)

ROOT = Path(__file__).parents[2]
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
requests = st.builds(Ask, st.integers(0, 2**40), text, text, st.lists(text, max_size=3).map(tuple)) | st.builds(
    Load, st.integers(-9, 9), text, text
)


@given(st.lists(requests, max_size=8), st.lists(st.integers(1, 50), min_size=1))
@settings(deadline=None, max_examples=60)
def test_messages_arrive_whole_in_whatever_pieces(messages: list[Ask | Load], pieces: list[int]) -> None:
    stream = b"".join(encode(message) for message in messages)
    frames, received, at, turn = Frames(), [], 0, 0
    while at < len(stream):
        size = pieces[turn % len(pieces)]
        received += frames.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert [decode_request(content) for content in received] == messages


def test_replies_come_back_as_they_were() -> None:
    for reply in (Answered(1, "x", 0.5, 0.25, 1.5), Loaded(2), Failed(3, "NotFound", "m", "h", "c", True)):
        assert [decode_reply(content) for content in Frames().feed(encode(reply))] == [reply]


@given(st.binary(max_size=200))
def test_other_bytes_are_never_anything_but_a_typed_error(data: bytes) -> None:
    try:
        replies = [decode_reply(content) for content in Frames().feed(data)]
    except UpstreamFailed:
        return
    assert all(isinstance(reply, Answered | Loaded | Failed) for reply in replies)


def test_a_length_beyond_the_limit_is_refused_before_its_bytes_arrive() -> None:
    with pytest.raises(UpstreamFailed):
        Frames().feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
    with pytest.raises(UpstreamFailed, match="too long"):
        encode(Ask(1, "s", "b", ("x" * MAX_FRAME_BYTES,)))


@pytest.mark.parametrize("data", [b"\xff" * 8, b"\x00\x00\x00\x01\xc1", b"GET / HTTP/1.1\r\n\r\n", encode(Loaded(1))])
def test_a_worker_that_is_sent_something_else_ends(tmp_path: Path, data: bytes) -> None:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "freehold.serving.worker", "--fd", str(theirs.fileno()), "--home", str(tmp_path)]
    with subprocess.Popen([*command, "--loader", LOADER], pass_fds=[theirs.fileno()], cwd=ROOT) as worker:
        theirs.close()
        ours.sendall(data)
        assert worker.wait(20) == 1
    ours.close()


def test_a_worker_answers_over_a_plain_socket(tmp_path: Path) -> None:
    student = write_bundle(tmp_path, tmp_path / "one").student_id
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "freehold.serving.worker", "--fd", str(theirs.fileno()), "--home", str(tmp_path)]
    with subprocess.Popen([*command, "--loader", LOADER], pass_fds=[theirs.fileno()], cwd=ROOT) as worker:
        theirs.close()
        ours.sendall(b"".join(encode(Ask(n, student, "one", ("x", f"0.{n}"))) for n in range(1, 9)))
        frames, replies = Frames(), []
        while len(replies) < 8:
            replies += [decode_reply(content) for content in frames.feed(ours.recv(4096))]
        assert {reply.number: getattr(reply, "confidence", None) for reply in replies} == {
            n: n / 10 for n in range(1, 9)
        }
        ours.close()
        assert worker.wait(20) == 0
