"""The same faults where the provider speaks another dialect than the client: told in the client's own."""

import itertools

import pytest
from tests.support.faults import SOON, ask, ask_streamed, case, renting
from tests.support.gateway import connect, request_bytes
from tests.support.upstream import CLOSE, LAST_CHUNK, RESET, SILENCE, STREAM_HEAD, chunk, http, send, streamed, wait
from tests.support.wires import CHAT, MESSAGES, WIRES

APART = wait(0.02)
PAIRS = [
    pytest.param(client, spoken, id=f"{client}-by-{spoken}")
    for client, spoken in itertools.product(WIRES, (CHAT, MESSAGES))
    if client is not spoken
]


def broken(wire):
    """What a provider's stream can come to after its first text."""
    but_last = chunk(*wire.rest[:-1])
    return {
        "stalls": [SILENCE],
        "closes": [CLOSE],
        "resets": [RESET],
        "ends": [APART, send(LAST_CHUNK)],
        "no-end-mark": [APART, send(but_last + LAST_CHUNK)],
        "bad-json": [APART, send(chunk(wire.rest[0][:-6] + b"\n\n"), chunk(*wire.rest) + LAST_CHUNK)],
        "tells": [APART, send(chunk(wire.error_event) + LAST_CHUNK)],
    }


@pytest.mark.parametrize(("client", "spoken"), PAIRS)
@pytest.mark.parametrize(
    "how",
    [
        case("upstream", "slow second chunk", "stalls", id="stalls"),
        case("upstream", "closes without the end mark", "closes", id="closes"),
        case("upstream", "connection reset", "resets", id="resets"),
        case("upstream", "closes without the end mark", "ends", id="ends"),
        case("upstream", "closes without the end mark", "no-end-mark", id="no-end-mark"),
        case("upstream", "truncated JSON in the last event", "bad-json", id="bad-json"),
        case("upstream", "error event after 200", "tells", id="tells"),
    ],
)
def test_a_broken_stream_is_told_in_the_clients_dialect(up, tmp_path, client, spoken, how):
    with renting(up, tmp_path, speaks=(spoken,), idle_timeout_s=SOON) as gateway:
        up.play(send(STREAM_HEAD + chunk(spoken.began)), *broken(spoken)[how])
        seen = ask_streamed(gateway, client)
        assert seen.status == 200
        assert "Grüße".encode() in seen.body
        blocks = [block + b"\n\n" for block in seen.body.split(b"\n\n")[:-1]]
        assert client.is_error_event(blocks[-1]), blocks[-1]
        assert not any(client.last in block for block in blocks[:-1])
        assert seen.call.outcome == "incomplete"
        assert seen.attempts == ["incomplete"]


@pytest.mark.parametrize(("client", "spoken"), PAIRS)
@pytest.mark.parametrize("end", [CLOSE, SILENCE], ids=["cut", "left"])
def test_a_stream_that_breaks_off_costs_its_prompt_and_what_came(up, tmp_path, client, spoken, end):
    """Whoever ends it; and what its provider has counted by then is no count of the whole."""
    with renting(up, tmp_path, speaks=(spoken,)) as gateway:
        up.play(send(STREAM_HEAD + chunk(spoken.began)), end)
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(client.streamed, path=client.path))
            seen = b""
            while "Grüße".encode() not in seen:
                seen += sock.recv(65536)
            if end is CLOSE:
                gateway.ledger.wait(1)
        (call,) = gateway.ledger.wait(1)
        assert call.outcome == ("incomplete" if end is CLOSE else "cancelled")
        assert call.legs[-1].usage == call.usage
        stated = 11 if spoken is MESSAGES else 3  # Anthropic's count of the prompt comes first
        assert (call.usage.input_tokens, call.usage.output_tokens, call.usage.estimated) == (stated, 2, True)


@pytest.mark.parametrize(("client", "spoken"), PAIRS)
def test_a_whole_stream_is_told_as_one(up, tmp_path, client, spoken):
    """Without this the failures above could be the translation's."""
    with renting(up, tmp_path, speaks=(spoken,)) as gateway:
        up.play(send(streamed(*spoken.events)))
        seen = ask_streamed(gateway, client)
        assert (seen.cut, seen.call.outcome) == (False, "ok")
        assert client.last in seen.body
        assert (seen.call.usage.output_tokens, seen.call.usage.estimated) == (7, False)


TOLD = b'{"error":{"message":"no","type":"x","code":"y"}}'


@pytest.mark.parametrize(("client", "spoken"), PAIRS)
@pytest.mark.parametrize(
    ("steps", "status"),
    [
        case("upstream", "200 with HTML", [send(http(200, b"<html>soon</html>"))], 502, id="html"),
        case("upstream", "valid JSON, wrong schema", [send(http(200, b'{"hello":1}'))], 502, id="wrong-schema"),
        case("upstream", "accepts and says nothing", [SILENCE], 504, id="silent"),
        case("upstream", "429 with Retry-After", [send(http(429, TOLD, {"retry-after": "7"}))], 429, id="429"),
        case("upstream", "5xx storm", [send(http(500, b"<html>oops</html>"))], 500, id="500-html"),
        case("upstream", "5xx storm", [send(http(529, TOLD))], 529, id="529"),
    ],
)
def test_a_failure_is_told_in_the_clients_dialect(up, tmp_path, client, spoken, steps, status):
    with renting(up, tmp_path, speaks=(spoken,), first_byte_timeout_s=SOON) as gateway:
        up.play(*steps)
        seen = ask(gateway, client.whole, path=client.path)
        assert seen.status == status
        assert client.is_error(seen.body), seen.body
        assert seen.headers.get("retry-after") == ("7" if status == 429 else None)
        assert (seen.call.outcome, seen.attempts) == ("error", ["error"])
