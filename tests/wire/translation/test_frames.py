"""Frames of Amazon's event streams: what is written is read, however it is split, and damage is found."""

import builtins
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.translation.bodies import split

from freehold.errors import MissingPrerequisite, UpstreamFailed
from freehold.wire.bedrock import Frame, FrameReader, encode_frame

NAMES = st.text("abc:-", min_size=1, max_size=12)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.dictionaries(NAMES, st.text(max_size=8), max_size=3), st.binary(max_size=40)), max_size=4),
    st.lists(st.integers(0, 1000), max_size=8),
)
def test_every_split_gives_the_written_frames(written, cuts):
    reader = FrameReader()
    data = b"".join(encode_frame(headers, payload) for headers, payload in written)
    read = [frame for piece in split(data, cuts) for frame in reader.feed(piece)]
    assert read == [Frame(headers, payload) for headers, payload in written]


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_damage_is_found_after_the_frames_before_it(at):
    good, bad = encode_frame({"a": "b"}, b"one"), bytearray(encode_frame({"a": "b"}, b"two"))
    bad[at % len(bad)] ^= 0x55
    frames = FrameReader().feed(good + bytes(bad))
    assert next(frames).payload == b"one"
    with pytest.raises(UpstreamFailed):
        next(frames)


def test_botocore_is_loaded_with_the_first_stream_and_not_before():
    code = "import sys, freehold.wire.translation; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("botocore"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPrerequisite) as caught:
        FrameReader()
    assert caught.value.hint == "pip install 'freehold[bedrock]'"
