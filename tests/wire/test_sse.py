"""The parser gives the same events however the bytes were split and whichever line ends were used."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.wire.sse import Event, SseParser

NEWLINES = st.sampled_from([b"\n", b"\r", b"\r\n"])
TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)


def parse(pieces):
    parser = SseParser()
    return [event for piece in pieces for event in parser.feed(piece)], parser


def split(data, cuts):
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(edges)]


@given(
    st.lists(st.tuples(st.lists(TEXT, min_size=1, max_size=3), st.booleans(), TEXT), max_size=5),
    NEWLINES,
    st.booleans(),
    st.lists(st.integers(0, 10_000), max_size=12),
)
def test_every_split_and_newline_gives_the_written_events(written, newline, bom, cuts):
    out, expected = b"\xef\xbb\xbf" if bom else b"", []
    for data_lines, comment, name in written:
        if comment:
            out += b": keep-alive" + newline
        if name:
            out += b"event: " + name.encode() + newline
        out += b"".join(b"data: " + line.encode() + newline for line in data_lines) + newline
        expected.append(Event("\n".join(data_lines).encode(), name.encode()))
    events, parser = parse(split(out, cuts))
    assert events == expected
    assert not parser.unfinished


def test_every_single_byte_split_of_a_mixed_stream():
    data = b"\xef\xbb\xbf: hi\r\n\r\ndata:a\rdata: \xc3\xa9\n\r\nevent: error\r\ndata: {}\r\n\r\ndata\n\nid: 7\n\n"
    expected = [Event(b"a\n\xc3\xa9"), Event(b"{}", b"error"), Event(b"")]
    for at in range(len(data) + 1):
        assert parse([data[:at], data[at:]])[0] == expected
    assert parse([bytes([byte]) for byte in data])[0] == expected


def test_an_event_without_its_blank_line_is_unfinished_and_not_given():
    events, parser = parse([b"data: 1\n\ndata: 2\n"])
    assert events == [Event(b"1")]
    assert parser.unfinished


@pytest.mark.parametrize("stream", [b"data: " + b"x" * 200, b"data: 12345678901234\n" * 20])
def test_an_endless_event_is_refused(stream):
    parser, pieces = SseParser(max_event_bytes=100), [stream[at : at + 10] for at in range(0, len(stream), 10)]
    with pytest.raises(ValueError, match="too long"):
        [parser.feed(piece) for piece in pieces]
