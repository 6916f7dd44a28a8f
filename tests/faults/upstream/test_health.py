"""What the gateway learns from failures: who is left alone, who is not, and what waits meanwhile."""

import threading
import time
from contextlib import contextmanager

import pytest
from tests.support.faults import PATIENT, ask
from tests.support.gateway import connect, read_response, request_bytes, running, settings
from tests.support.upstream import SILENCE, STREAM_HEAD, Upstream, chat, chunk, event, http, send, wait
from tests.support.wires import CHAT

DOWN = (send(http(503, b'{"error":{"message":"down"}}')),)


@pytest.fixture
def second():
    with Upstream() as upstream:
        upstream.default = (send(http(200, chat("from the second"))),)
        yield upstream


@contextmanager
def renting_from_two(first, second, home, **gateway):
    """A gateway whose first provider has the second to fall back on."""
    providers = {
        "first": {"kind": "openai", "base_url": first.url, "fallback": "second"},
        "second": {"kind": "openai", "base_url": second.url},
    }
    made = settings(default_provider="first", providers=providers, gateway=PATIENT | {"retries": 0} | gateway)
    with running(made, home) as one:
        yield one


@pytest.mark.fault("upstream", "503 and 529 in turn")
def test_a_provider_that_flaps_at_the_breakers_own_period_costs_nobody_an_answer(up, second, tmp_path):
    """Down as long as it is left alone, up as long again: the worst moments for every probe."""
    began, period = time.monotonic(), 0.05
    up.choose = lambda _: up.default if int((time.monotonic() - began) / period) % 2 else DOWN
    with renting_from_two(up, second, tmp_path, eject_after=1, eject_s=period) as gateway:
        while time.monotonic() < began + 0.8:
            assert ask(gateway).status == 200
            time.sleep(0.005)
        up.choose = None
        while ask(gateway).call.provider != "first":
            assert time.monotonic() < began + 30, "once it is well, it is asked again"
            time.sleep(0.02)


@pytest.mark.fault("upstream", "a provider that goes on failing")
def test_a_provider_that_goes_on_failing_is_left_alone(up, second, tmp_path):
    up.choose = lambda _: DOWN
    before = len(up.requests)
    with renting_from_two(up, second, tmp_path, eject_after=3, eject_s=60.0) as gateway:
        for _ in range(20):
            seen = ask(gateway)
            assert (seen.status, seen.call.provider) == (200, "second")
        assert len(up.requests) - before == 3
    up.choose = None


@pytest.mark.fault("upstream", "a provider that goes on failing")
def test_the_last_one_is_asked_all_the_same(up, tmp_path):
    made = settings(
        providers={"up": {"kind": "openai", "base_url": up.url}},
        gateway=PATIENT | {"retries": 0, "eject_after": 2, "eject_s": 60.0},
    )
    up.choose = lambda _: DOWN
    with running(made, tmp_path) as gateway:
        assert [ask(gateway).status for _ in range(10)] == [503] * 10
        up.choose = None
        assert ask(gateway).status == 200, "one failing provider is not turned into an outage of our own"


@pytest.mark.fault("field", "disconnects open the breaker")
def test_clients_that_leave_do_not_get_a_provider_ejected(up, second, tmp_path):
    with renting_from_two(up, second, tmp_path, eject_after=2, eject_s=60.0) as gateway:
        for number in range(20):
            up.play(*([SILENCE] if number % 2 else [send(STREAM_HEAD + chunk(event("a"))), SILENCE]))
            with connect(gateway.port) as sock:
                sock.sendall(request_bytes(CHAT.streamed))
                up.wait_for_request()
        gateway.ledger.wait(20)
        assert ask(gateway).call.provider == "first"


@pytest.mark.fault("field", "disconnects open the breaker")
@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_requests_that_are_wrong_do_not_get_a_provider_ejected(up, second, tmp_path, status):
    with renting_from_two(up, second, tmp_path, eject_after=2, eject_s=60.0) as gateway:
        for _ in range(10):
            up.play(send(http(status, b'{"error":{"message":"no"}}')))
            assert ask(gateway).status == status
        assert ask(gateway).call.provider == "first"
        assert second.requests == []


def ask_in_threads(gateway, count):
    """Make calls at once; a list that fills with statuses, headers and bodies, and what ends the waiting."""
    answers = []

    def client():
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(CHAT.whole))
            answers.append(read_response(sock))

    clients = [threading.Thread(target=client) for _ in range(count)]
    for one in clients:
        one.start()
    return answers, clients


@pytest.mark.fault("host", "queue full")
def test_more_calls_than_there_is_room_for_are_shed_at_once(up, tmp_path):
    released = threading.Event()
    up.choose = lambda _: (wait(released), *up.default)
    made = settings(
        providers={"up": {"kind": "openai", "base_url": up.url}},
        gateway=PATIENT | {"retries": 0, "max_in_flight": 2, "max_queued": 3, "queue_timeout_s": 10.0},
    )
    before = len(up.requests)
    with running(made, tmp_path) as gateway:
        answers, clients = ask_in_threads(gateway, 10)
        shed = gateway.ledger.wait(5)
        assert {(call.status, call.outcome == "ok") for call in shed} == {(503, False)}
        assert len(up.requests) - before == 2
        released.set()
        for one in clients:
            one.join(10)
        statuses = sorted(status for status, _, _ in answers)
        assert statuses == [200] * 5 + [503] * 5
        for status, headers, body in answers:
            if status == 503:
                assert CHAT.is_error(body)
                assert b'"overloaded"' in body
                assert float(headers["retry-after"]) > 0
    up.choose = None


def _until(holds):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.fault("client", "leaves while it waits for its turn")
def test_a_client_that_leaves_the_queue_is_forgotten(up, tmp_path):
    released = threading.Event()
    up.choose = lambda _: (wait(released), *up.default)
    made = settings(
        providers={"up": {"kind": "openai", "base_url": up.url}},
        gateway=PATIENT | {"retries": 0, "max_in_flight": 1, "max_queued": 5},
    )
    before = len(up.requests)
    with running(made, tmp_path) as gateway:
        answers, (first,) = ask_in_threads(gateway, 1)
        up.wait_for_request()
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(CHAT.whole))
            _until(lambda: gateway.gateway.health._room.count == 1)
        (left,) = gateway.ledger.wait(1)
        assert (left.outcome, left.status) == ("cancelled", 499)
        released.set()
        first.join(10)
        assert answers[0][0] == 200
        assert len(up.requests) - before == 1
    up.choose = None


@pytest.mark.fault("client", "leaves while it waits for its turn")
def test_a_client_that_leaves_in_the_pause_before_a_retry_is_forgotten(up, tmp_path):
    made = settings(providers={"up": {"kind": "openai", "base_url": up.url}}, gateway=PATIENT | {"retries": 2})
    before = len(up.requests)
    with running(made, tmp_path) as gateway:
        up.play(send(http(503, b"{}", {"retry-after": "5"})))
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(CHAT.whole))
            up.wait_for_request()
            _until(lambda: gateway.gateway.health.in_flight == 0)
        (left,) = gateway.ledger.wait(1, timeout=4.5)
        assert (left.outcome, left.status) == ("cancelled", 499)
        assert [leg.outcome for leg in left.legs][:1] == ["error"]
        assert len(up.requests) - before == 1
