"""Bytes are sacred: however a stream is written and cut, the client gets what was sent, and the record is right.

Cut means twice: into HTTP chunks that know nothing of events, and into reads that know nothing of chunks.
"""

import json

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.support.faults import ask_streamed, renting
from tests.support.upstream import DONE, LAST_CHUNK, STREAM_HEAD, chunk, drip, event, pieces_of, send
from tests.support.wires import WIRES

SHORT = event("ü", finish="stop") + DONE


@pytest.fixture(scope="module")
def gateway(provider, tmp_path_factory):
    with renting(provider, tmp_path_factory.mktemp("home")) as one:
        yield one


@pytest.mark.fault("field", "events split and joined across reads")
def test_every_split_in_two_of_a_short_stream(gateway, up):
    """Every one of them, the bytes of HTTP included."""
    written = STREAM_HEAD + chunk(SHORT) + LAST_CHUNK
    for at in range(1, len(written)):
        up.play(*drip(pieces_of(written, [at]), 0.001))
        seen = ask_streamed(gateway)
        assert (seen.body, seen.cut, seen.call.outcome) == (SHORT, False, "ok"), f"cut at {at}"


CUTS = st.lists(st.integers(0, 10_000), max_size=6)


@pytest.mark.fault("field", "events split and joined across reads")
@pytest.mark.fault("upstream", "an event over three reads")
@pytest.mark.parametrize("wire", WIRES, ids=str)
@hypothesis_settings(max_examples=100, deadline=None)
@given(
    chunks=CUTS,
    reads=CUTS,
    line=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    said=st.text(min_size=1).filter(lambda text: text.isprintable()),
)
def test_every_split_of_every_stream(gateway, provider, wire, chunks, reads, line, said):
    as_json = json.dumps(said, ensure_ascii=False)[1:-1]
    body = wire.stream.replace("日本 🙂".encode(), as_json.encode()).replace(b"\n", line)
    written = STREAM_HEAD + b"".join(map(chunk, _nonempty(pieces_of(body, _within(chunks, body))))) + LAST_CHUNK
    provider.play(*drip(_nonempty(pieces_of(written, _within(reads, written))), 0.001))
    seen = ask_streamed(gateway, wire)
    assert (seen.body, seen.cut, seen.call.outcome) == (body, False, "ok")
    assert as_json in json.dumps(json.loads(seen.call.response), ensure_ascii=False)
    assert (seen.call.usage.output_tokens, seen.call.usage.estimated) == (7, False)


@pytest.mark.fault("field", "events split and joined across reads")
@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_a_whole_stream_in_one_read_and_in_one_byte_reads(gateway, up, wire):
    up.play(send(STREAM_HEAD + chunk(wire.stream) + LAST_CHUNK))
    assert ask_streamed(gateway, wire).body == wire.stream
    beginning, rest = wire.stream[:120], wire.stream[120:]
    up.play(
        send(STREAM_HEAD),
        *drip((chunk(beginning[at : at + 1]) for at in range(120)), 0.0),
        send(chunk(rest) + LAST_CHUNK),
    )
    seen = ask_streamed(gateway, wire)
    assert (seen.body, seen.call.outcome) == (wire.stream, "ok")


def _within(cuts, data):
    return [cut % len(data) for cut in cuts]


def _nonempty(pieces):
    return [piece for piece in pieces if piece]
