"""Clients that leave: the provider is let go within a second, in every phase, and what it cost is on record."""

import socket
import time

import pytest
from tests.support.faults import ask, case, renting
from tests.support.gateway import connect, renting_from, request_bytes, running
from tests.support.owned_task import body as request_of
from tests.support.students import ScriptedHost
from tests.support.upstream import DONE, SILENCE, STREAM_HEAD, chunk, event, http, send
from tests.support.wires import CHAT, MESSAGES, WIRES

from freehold.gateway.app import Doors
from freehold.vocabulary import Route

NEVER_CANCELS = pytest.mark.fault("field", "disconnect of a call not streamed never cancels", variant="whole")
RESETS = b"\x01\0\0\0\0\0\0\0"


def until_quiet(gateway):
    """Wait until nothing of the calls is left in the gateway."""
    deadline = time.monotonic() + 30
    while gateway.gateway.calls or gateway.gateway._server.connections:
        assert time.monotonic() < deadline, "something was left behind"
        time.sleep(0.005)
    assert gateway.gateway.metrics.in_flight == 0


@pytest.mark.parametrize("wire", WIRES, ids=str)
@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
@pytest.mark.parametrize(
    ("streamed", "phase"),
    [
        case("client", "leaves a call that is not streamed", False, "nothing", id="whole", marks=[NEVER_CANCELS]),
        case("client", "leaves a call that is not streamed", False, "half", id="whole-half-there"),
        case("client", "leaves before the provider's headers", True, "nothing", id="before-headers"),
        case("client", "leaves before the first token", True, "headers", id="before-first-token"),
        case("client", "leaves in mid-stream", True, "event", id="mid-stream"),
    ],
)
def test_a_client_that_leaves_cancels_the_provider(up, tmp_path, wire, streamed, phase, reset):
    steps = {
        "nothing": [SILENCE],
        "half": [send(http(200, wire.answer)[:-20]), SILENCE],
        "headers": [send(STREAM_HEAD), SILENCE],
        "event": [send(STREAM_HEAD + chunk(wire.began)), SILENCE],
    }
    with renting(up, tmp_path) as gateway:
        up.play(*steps[phase])
        sock = connect(gateway.port)
        sock.sendall(request_bytes(wire.streamed if streamed else wire.whole, path=wire.path))
        received = up.wait_for_request()
        if phase == "event":
            while wire.began[-20:] not in sock.recv(65536):
                pass
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
        left_at = time.monotonic()
        sock.close()
        assert received.left.wait(5), "the provider's connection stayed open"
        assert received.left_at - left_at < 1.0
        (call,) = gateway.ledger.wait(1)
        assert (call.outcome, call.status, call.legs[-1].outcome) == ("cancelled", 499, "cancelled")
        assert call.usage.estimated
        assert call.usage.input_tokens > 0
        assert (call.usage.output_tokens > 0) is (phase == "event")
        until_quiet(gateway)


@pytest.mark.fault("field", "disconnect before the first token unnoticed")
@pytest.mark.fault("client", "leaves before the first token")
def test_the_first_chunk_held_back_hides_no_disconnect(up, tmp_path):
    """Half of the first event has come, so nothing has been sent to the client: its leaving is noticed all the same."""
    with renting(up, tmp_path) as gateway:
        up.play(send(STREAM_HEAD + b"400\r\n" + event("half")[:30]), SILENCE)
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(CHAT.streamed))
            received = up.wait_for_request()
        assert received.left.wait(4.0)
        assert gateway.ledger.wait(1)[0].outcome == "cancelled"


@pytest.mark.fault("field", "cancelling loses the usage")
def test_a_cancelled_call_costs_what_it_is_estimated_to(up, tmp_path):
    with renting(up, tmp_path) as gateway:
        up.play(send(STREAM_HEAD + chunk(event("eight ch")) + chunk(event("and eight mores!"))), SILENCE)
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(CHAT.streamed))
            while b"mores!" not in sock.recv(65536):
                pass
        (call,) = gateway.ledger.wait(1)
        assert (call.usage.input_tokens, call.usage.output_tokens, call.usage.estimated) == (3, 6, True)
        assert call.legs[-1].usage.estimated


@pytest.mark.fault("field", "cancelling loses the usage")
@pytest.mark.parametrize("come", ["text", "all"])
@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_a_cancelled_stream_costs_what_its_provider_has_counted(up, tmp_path, wire, come):
    """As one that broke off does: all but the end of the connection may have come, or the prompt's count alone."""
    events = wire.events if come == "all" else wire.events[: wire.n_began]
    with renting(up, tmp_path) as gateway:
        up.play(send(STREAM_HEAD + b"".join(chunk(one) for one in events)), SILENCE)
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(wire.streamed, path=wire.path))
            seen = b""
            while events[-1][-20:] not in seen:
                seen += sock.recv(65536)
        (call,) = gateway.ledger.wait(1)
        assert call.usage == call.legs[-1].usage
        counted = call.usage.input_tokens, call.usage.output_tokens, call.usage.estimated
        stated = 11 if wire is MESSAGES else 3  # Anthropic's count of the prompt comes first
        assert counted == ((11, 7, False) if come == "all" else (stated, 2, True))


@pytest.mark.fault("field", "cancelling loses the usage")
def test_a_whole_stream_without_counts_costs_its_text(up, tmp_path):
    with renting(up, tmp_path) as gateway:
        up.play(send(STREAM_HEAD + chunk(event("eight ch")) + chunk(event(finish="stop")) + chunk(DONE)), SILENCE)
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(CHAT.streamed))
            seen = b""
            while DONE not in seen:
                seen += sock.recv(65536)
        (call,) = gateway.ledger.wait(1)
        assert (call.usage.input_tokens, call.usage.output_tokens, call.usage.estimated) == (3, 2, True)


@pytest.mark.fault("client", "leaves before its request is whole")
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_request_that_was_never_whole_is_no_call(up, tmp_path, share):
    whole = request_bytes(CHAT.whole)
    before = len(up.requests)
    with renting(up, tmp_path) as gateway:
        with connect(gateway.port) as sock:
            sock.sendall(whole[: int(len(whole) * share)])
        until_quiet(gateway)
        assert len(up.requests) == before
        assert gateway.ledger.calls == []


@pytest.mark.fault("field", "disconnects open the breaker")
def test_clients_that_leave_say_nothing_about_the_provider(up, tmp_path):
    with renting(up, tmp_path) as gateway:
        for number in range(40):
            up.play(*([SILENCE] if number % 2 else [send(STREAM_HEAD + chunk(event("a"))), SILENCE]))
            with connect(gateway.port) as sock:
                sock.sendall(request_bytes(CHAT.streamed))
                up.wait_for_request()
        assert {call.outcome for call in gateway.ledger.wait(40)} == {"cancelled"}
        for _ in range(5):
            assert ask(gateway).status == 200
        until_quiet(gateway)


@pytest.mark.fault("client", "leaves in mid-stream")
def test_others_are_answered_while_one_waits(up, tmp_path):
    with renting(up, tmp_path) as gateway:
        up.play(SILENCE)
        with connect(gateway.port) as slow:
            slow.sendall(request_bytes(CHAT.whole))
            up.wait_for_request()
            assert ask(gateway).status == 200


@pytest.mark.fault("client", "leaves a call that is not streamed")
def test_a_client_that_leaves_while_an_owned_model_is_asked(up, tmp_path):
    host = ScriptedHost(None)
    full = Route("task-1", "triage", stage="full", student_id="s1", template_ids=("t1",), audit_share=0.0)
    with running(renting_from(up.url, owned_timeout_s=30.0), tmp_path, Doors(host=host)) as gateway:
        gateway.publish(full)
        sock = connect(gateway.port)
        sock.sendall(request_bytes(request_of()))
        deadline = time.monotonic() + 30
        while not host.asked:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        sock.close()
        assert host.cancelled.wait(10)
        assert gateway.ledger.wait(1)[0].outcome == "cancelled"
