"""Keys planted in settings and requests appear nowhere but where they belong, after everything has gone wrong.

What may be where: a provider's key in requests to that provider; a client's key, and what the URL says after its `?`,
in requests to the provider that was addressed; the content of a call in requests, in its answer, and in the bodies of
the ledger (columns `request`, `response`, and an owned answer on a leg). Nothing else may hold
any of it: neither standard error with every logger at DEBUG, nor the text of a crash, nor error bodies that we write,
nor metrics, health and traces, nor any other column or file of the home.
"""

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.support import keys as virtual_keys
from tests.support.gateway import connect, read_response, request_bytes
from tests.support.gateway_process import starter
from tests.support.unreachable import refusing
from tests.support.upstream import CLOSE, LAST_CHUNK, RESET, SILENCE, STREAM_HEAD, Upstream, chunk, http, send, streamed
from tests.support.wires import WIRES

from freehold.ledger import Ledger
from freehold.services.telemetry import places, spans
from freehold.settings import load

PROVIDER_KEY = "sk-canary-provider-7f3a"
SPARE_KEY = "sk-canary-spare-91bc"
URL_PASSWORD = "canary-password-of-a-url-5d"
CLIENT_KEY = "sk-canary-client-c0de"
COOKIE = "canary-cookie-33"
ODD_HEADER = "canary-header-44"
QUERY_KEY = "sk-canary-query-55"
TASK_NAME = "canary-task-66"
TRACE = "canary-trace-12"
UNKNOWN_KEY = "fh-canary-unknown-key-2a"
ASKED = "canary-asked-77"
SAID = "canary-said-88"
TOLD = "canary-told-99"
KEYS = (PROVIDER_KEY, SPARE_KEY, CLIENT_KEY, COOKIE, ODD_HEADER, QUERY_KEY, TASK_NAME, TRACE, UNKNOWN_KEY)
CONTENT = (ASKED, SAID, TOLD)
HEADERS = (
    f"authorization: Bearer {CLIENT_KEY}\r\nx-api-key: {CLIENT_KEY}\r\napi-key: {CLIENT_KEY}\r\n"
    f"cookie: session={COOKIE}\r\nx-odd: {ODD_HEADER}\r\nx-freehold-task: {TASK_NAME}\r\n"
    f"traceparent: 00-{TRACE}-01\r\ntracestate: x={TRACE}\r\n"
)


def settings_of(up, spare, closed):
    """Settings with a secret in every place that takes one."""
    spoken = json.dumps([wire.dialect for wire in WIRES])
    return f"""
default_provider = "up"
[providers.up]
kind = "compatible"
base_url = "{up.url}"
api_key_env = "UP_KEY"
dialects = {spoken}
[providers.open]
kind = "compatible"
base_url = "{up.url}"
dialects = {spoken}
[providers.falling]
kind = "compatible"
base_url = "http://127.0.0.1:{closed}/v1"
api_key_env = "UP_KEY"
fallback = "spare"
dialects = {spoken}
[providers.spare]
kind = "compatible"
base_url = "{spare.url}"
api_key_env = "SPARE_KEY"
dialects = {spoken}
[prices."up/m"]
input_usd_per_mtok = 1
output_usd_per_mtok = 1
[gateway]
retries = 0
connect_timeout_s = 0.5
first_byte_timeout_s = 0.3
idle_timeout_s = 0.3
drain_s = 0.5
"""


def troubles(wire):
    """What a provider may do, with canaries in whatever text it sends."""
    told = json.dumps({"error": {"message": f"{TOLD}: bad key {PROVIDER_KEY}", "type": TOLD, "code": None}}).encode()
    answer = wire.answer.replace("Grüße".encode(), SAID.encode())
    events = [one.replace("Grüße ".encode(), SAID.encode()) for one in wire.events]
    began = STREAM_HEAD + b"".join(map(chunk, events[: wire.n_began]))
    return {
        "well": [send(http(200, answer, {"set-cookie": COOKIE}))],
        "stream": [send(streamed(*events))],
        "no-key": [send(http(401, told, {"x-echo": PROVIDER_KEY}))],
        "down": [send(http(500, told))],
        "html": [send(http(200, b"<html>" + told))],
        "wrong-form": [send(http(200, told))],
        "no-http": [send(TOLD.encode() + b"\r\n\r\n")],
        "bad-header": [send(b"HTTP/1.1 200 OK\r\n" + TOLD.encode() + b"\x00\r\n\r\n"), CLOSE],
        "bad-status": [send(b"HTTP/1.1 500 " + TOLD.encode() + b"\r\ncontent-length: many\r\n\r\n"), CLOSE],
        "silent": [SILENCE],
        "reset": [RESET],
        "stalls": [send(began), SILENCE],
        "breaks": [send(began), RESET],
        "cut-event": [send(began + chunk(events[wire.n_began][:30]) + LAST_CHUNK)],
        "bad-event": [send(began + chunk(b"data: {" + TOLD.encode() + b"\n\n") + LAST_CHUNK)],
        "tells": [send(began + chunk(wire.error_event.replace(b"overloaded", TOLD.encode())) + LAST_CHUNK)],
    }


def ask(port, body, path, method="POST", headers=HEADERS):
    """Make a call, with a secret in every header and in the query; what came, as far as it came."""
    with connect(port) as sock:
        sock.sendall(request_bytes(body, path=f"{path}?key={QUERY_KEY}", headers=headers, method=method))
        try:
            status, headers, answer = read_response(sock)
        except EOFError as error:
            return 200, "", error.args[0]
        return status, repr(headers), answer


def leave(port, body, path):
    """Make a call and leave it."""
    with connect(port) as sock:
        sock.sendall(request_bytes(body, path=path, headers=HEADERS))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


class Run:
    """What a gateway that everything happened to has left behind."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.said = home.parent / "said.txt"
        self.answers: dict[str, tuple[int, str, bytes]] = {}
        self.shown: dict[str, str] = {}
        self.requests: dict[str, list[bytes]] = {}
        limits = {"poor": {"budget": virtual_keys.budget(1e-6)}, "scoped": {"models": ("x",)}, "rich": {}, "former": {}}
        self.virtual = [virtual_keys.make(home, name, **one) for name, one in limits.items()]
        virtual_keys.revoke(home, "former")

    def whole(self, up: Upstream) -> None:
        """Everything that can happen, in every dialect."""
        environ = {"UP_KEY": PROVIDER_KEY, "SPARE_KEY": SPARE_KEY}
        with starter() as gateways:
            pid, port = gateways.start(self.home, environ=environ, said=str(self.said))
            for wire in WIRES:
                self._calls(up, port, wire)
            for path in ("/metrics", "/health/live", "/health/ready", "/v1/models"):
                self.shown[path] = "".join(map(str, ask(port, b"", path, "GET")))
            os.kill(pid, signal.SIGABRT)  # the text of a crash, by faulthandler
            assert gateways.wait() == -signal.SIGABRT
            pid, port = gateways.start(self.home, environ=environ, said=str(self.said))
            up.play(SILENCE)
            leave(port, WIRES[0].whole.replace(b"twelve", ASKED.encode()), WIRES[0].path)
            os.kill(pid, signal.SIGTERM)
            assert gateways.wait() == 0

    def _calls(self, up: Upstream, port: int, wire) -> None:
        for name, steps in troubles(wire).items():
            streams = any(STREAM_HEAD in step.data for step in steps)
            body = (wire.streamed if streams else wire.whole).replace(b"twelve", ASKED.encode())
            for provider in ("up", "open"):
                up.play(*steps)
                asked = body.replace(b'"m"', f'"{provider}/m"'.encode())
                self.answers[f"{wire} {provider} {name}"] = ask(port, asked, wire.path)
        falling = wire.whole.replace(b"twelve", ASKED.encode()).replace(b'"m"', b'"falling/m"')
        self.answers[f"{wire} falling"] = ask(port, falling, wire.path)
        bad = {
            "no-json": b'{"' + ASKED.encode(),
            "no-request": json.dumps({"messages": ASKED, "input": {ASKED: 1}}).encode(),
            "no-utf-8": ASKED.encode() + b"\xff",
            "no-such-task": wire.whole.replace(b'"m"', b'"task:unheard of"'),
            "no-such-path": b"{}",
        }
        for name, body in bad.items():
            path = f"/v1/{ASKED}" if name == "no-such-path" else wire.path
            self.answers[f"{wire} {name}"] = ask(port, body, path)
        for number, key in enumerate((*self.virtual, UNKNOWN_KEY)):
            for header in ("authorization: Bearer ", "x-api-key: ", "api-key: "):
                name = f"{wire} virtual {number} {header}"
                self.answers[name] = ask(port, wire.whole, wire.path, headers=f"{header}{key}\r\n")
        up.play(SILENCE)
        leave(port, wire.whole.replace(b"twelve", ASKED.encode()), wire.path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("canaries") / "home"
    home.mkdir()
    one = Run(home)
    with Upstream() as up, Upstream() as spare, refusing() as closed:
        spare.default = (send(http(500, json.dumps({"error": {"message": f"bad key {SPARE_KEY}"}}).encode())),)
        (home / "freehold.toml").write_text(settings_of(up, spare, closed))
        one.whole(up)
        one.requests = {
            "up": [r.head + r.body for r in up.requests],
            "spare": [r.head + r.body for r in spare.requests],
        }
    return one


def found(canaries, text):
    """Which of the canaries are in a text, as they are or escaped."""
    data = text.encode() if isinstance(text, str) else text
    return [one for one in canaries if one.encode() in data or one.encode().hex().encode() in data]


@pytest.mark.fault("secrets", "key in the settings")
@pytest.mark.fault("secrets", "key in a header")
@pytest.mark.fault("secrets", "key in the URL")
@pytest.mark.fault("secrets", "key in the body")
@pytest.mark.fault("host", "key in URL, header, body, exception text")
def test_the_run_went_wrong_in_every_way(run):
    """Without this, finding nothing would mean nothing."""
    statuses = [status for status, _, _ in run.answers.values()]
    assert {200, 400, 401, 404, 500, 502, 504} <= set(statuses)
    outcomes = {call.outcome for call in _recovered(run).calls()}
    assert {"ok", "error", "incomplete", "cancelled"} <= outcomes
    assert found(CONTENT, b"".join(body for _, _, body in run.answers.values())) == [SAID, TOLD]
    assert any(PROVIDER_KEY.encode() in one for one in run.requests["up"])


def _recovered(run):
    ledger = Ledger(run.home)
    ledger.recover()
    return ledger


@pytest.mark.fault("secrets", "key in the settings")
@pytest.mark.fault("secrets", "key in a header")
def test_keys_go_to_those_they_belong_to_and_to_nobody_else(run):
    for request in run.requests["up"]:
        ours = PROVIDER_KEY.encode() in request
        assert ours is not (CLIENT_KEY.encode() in request), "the provider's own key takes the place of the client's"
        assert found((SPARE_KEY, TASK_NAME), request) == []
    assert run.requests["spare"]
    for request in run.requests["spare"]:
        assert SPARE_KEY.encode() in request
        assert found((PROVIDER_KEY, CLIENT_KEY, QUERY_KEY), request) == []


@pytest.mark.fault("secrets", "key in the settings")
@pytest.mark.fault("secrets", "key in a header")
@pytest.mark.fault("secrets", "key in the URL")
@pytest.mark.fault("secrets", "key in the body")
@pytest.mark.fault("secrets", "key in a crash")
def test_nothing_is_said_on_standard_error(run):
    said = run.said.read_text()
    assert "Fatal Python error: Aborted" in said, "the crash left its text"
    assert found((*KEYS, *CONTENT), said) == []


@pytest.mark.fault("secrets", "key in the settings")
@pytest.mark.fault("secrets", "key in a header")
@pytest.mark.fault("secrets", "key in the URL")
@pytest.mark.fault("secrets", "key in the body")
def test_nothing_is_shown_in_metrics_and_health(run):
    for path, shown in run.shown.items():
        if path != "/v1/models":  # that one is the provider's own answer
            assert found((*KEYS, *CONTENT), shown) == [], path


@pytest.mark.fault("secrets", "key in the settings")
@pytest.mark.fault("secrets", "key in a header")
@pytest.mark.fault("secrets", "key in the URL")
def test_no_answer_holds_a_key(run):
    """A cookie and whatever else a provider sets for its client is the client's own."""
    ours = [one for one in KEYS if one != COOKIE]
    for name, (_, headers, body) in run.answers.items():
        if " open " not in name:  # there the key is the client's own, and the provider repeated another's
            assert found(ours, headers) + found(ours, body) == [], name


@pytest.mark.fault("secrets", "key in the body")
def test_no_error_of_ours_holds_content(run):
    for name, (status, _, body) in run.answers.items():
        if status in {400, 404, 502, 504}:
            assert found(CONTENT, body) == [], name


@pytest.mark.fault("secrets", "key in the settings")
@pytest.mark.fault("secrets", "key in a header")
@pytest.mark.fault("secrets", "key in the URL")
@pytest.mark.fault("secrets", "key in the body")
def test_the_ledger_holds_content_in_its_bodies_and_keys_nowhere(run):
    calls = list(_recovered(run).calls())
    assert any(found([ASKED], call.request) and found([SAID], call.response) for call in calls)
    for call in calls:
        # Where a provider of whom we have no key repeats one, that is what it answered.
        ours = [one for one in KEYS if call.provider != "open" or one != PROVIDER_KEY]
        assert found(ours, call.request + call.response) == []
        rest = msgspec.structs.replace(call, request=b"", response=b"")
        assert found((*KEYS, *CONTENT), msgspec.json.encode(rest)) == []


@pytest.mark.fault("secrets", "key in the settings")
@pytest.mark.fault("secrets", "key in a header")
@pytest.mark.fault("secrets", "key in the body")
def test_no_trace_holds_anything_of_it(run):
    """Spans are made of recorded calls alone; this is every span of every call, as a collector would be told it."""
    settings = load({"FREEHOLD_HOME": str(run.home)}).settings
    told = [span for call in _recovered(run).calls() for span in spans(call, places(settings))]
    assert len(told) > 100
    assert found((*KEYS, *CONTENT), repr(told)) == []


@pytest.mark.fault("secrets", "virtual key")
def test_a_virtual_key_is_nowhere(run):
    """Good, poor, not for this model, revoked or unknown: it is not in what goes out, comes back or is kept."""
    statuses = {status for name, (status, _, _) in run.answers.items() if " virtual " in name}
    assert statuses == {200, 401, 403, 429}
    pepper = (run.home / "keys/virtual.pepper").read_bytes()
    secrets = [*(one.encode() for one in (*run.virtual, UNKNOWN_KEY)), pepper, pepper.hex().encode()]
    kept = [path.read_bytes() for path in run.home.rglob("*") if path.is_file() and path.suffix != ".pepper"]
    sent = [request for requests in run.requests.values() for request in requests]
    back = [headers.encode() + body for _, headers, body in run.answers.values()]
    shown = [one.encode() for one in run.shown.values()]
    for place in (*kept, *sent, *back, *shown, run.said.read_bytes()):
        assert not [one for one in secrets if one in place]


@pytest.mark.fault("secrets", "key in the settings")
@pytest.mark.parametrize("command", [["up", "--port", "1"], ["config", "show"], ["doctor"]], ids=lambda one: one[0])
def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path, command):
    (tmp_path / "freehold.toml").write_text(
        f'[providers.up]\nkind = "compatible"\nbase_url = "http://user:{URL_PASSWORD}@127.0.0.1:1/v1"\n'
    )
    environ = os.environ | {"FREEHOLD_HOME": str(tmp_path)}
    process = [sys.executable, "-m", "freehold", *command]
    done = subprocess.run(process, env=environ, capture_output=True, timeout=60, check=False)
    assert URL_PASSWORD.encode() not in done.stdout + done.stderr
    assert b"providers.up.base_url" in done.stdout + done.stderr
    assert done.returncode == {"up": 4, "config": 0, "doctor": 1}[command[0]]


@pytest.mark.fault("secrets", "key in the settings")
@pytest.mark.fault("secrets", "key in a header")
@pytest.mark.fault("secrets", "key in the URL")
def test_no_file_of_the_home_holds_a_key(run):
    files = [path for path in run.home.rglob("*") if path.is_file() and path.name != "freehold.toml"]
    assert any(path.suffix == ".db" and path.parent.name == "hot" for path in files)
    echoed = {PROVIDER_KEY}  # repeated by a provider to whom it is not known as a key: content of that answer
    for path, one in itertools.product(files, KEYS):
        in_bodies = re.search(r"ledger/(hot|segments)/", str(path)) and one in echoed
        assert in_bodies or found([one], path.read_bytes()) == [], path
