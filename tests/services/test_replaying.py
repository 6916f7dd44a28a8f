"""Replaying a log: what it accepts as a log, and what it sends."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from freehold.errors import BadLog, NotFound, UpstreamFailed, UsageError
from freehold.services.replaying import STARTED_AT_HEADER, replay


class _Gateway(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    times: ClassVar[list[str]] = []
    paths: ClassVar[list[str]] = []
    versions: ClassVar[list[str | None]] = []
    said: ClassVar[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.times.append(self.headers[STARTED_AT_HEADER])
        self.paths.append(self.path)
        self.versions.append(self.headers["anthropic-version"])
        names = ("x-freehold-session", "x-freehold-team", "x-freehold-feature", "x-freehold-end-user", "traceparent")
        self.said.append({name: self.headers[name] for name in names if name in self.headers})
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def gateway() -> Iterator[str]:
    _Gateway.times, _Gateway.paths, _Gateway.versions, _Gateway.said = [], [], [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Gateway)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def a_log(path: Path, *started_at: object) -> Path:
    lines = [
        json.dumps({"id": str(n), "started_at": at, "request": {"messages": []}}) for n, at in enumerate(started_at)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_every_time_that_import_reads_is_replayed(tmp_path: Path, gateway: str) -> None:
    log = a_log(tmp_path / "log.jsonl", "2026-09-01T00:00:00Z", 1788220800, 1788220800000, 1788220800000000)
    assert replay(log, gateway).by_status == {"200": 4}
    assert _Gateway.times == ["2026-09-01T00:00:00+00:00"] * 4


def test_every_request_goes_to_the_path_of_its_dialect(tmp_path: Path, gateway: str) -> None:
    log = a_log(tmp_path / "log.jsonl", *[1788220800] * 4)
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    for line, name in zip(lines[1:], ["anthropic.messages", "openai.responses", None], strict=True):
        line["dialect"] = name
    log.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    replay(log, gateway + "/v1", rate=100)
    paths = ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/chat/completions"]
    assert sorted(_Gateway.paths) == sorted(paths)
    assert sorted(map(str, _Gateway.versions)) == ["2023-06-01", "None", "None", "None"]


def test_calls_say_at_the_gateway_for_whom_they_were_made(tmp_path: Path, gateway: str) -> None:
    trace = f"00-{'ab' * 16}-{'cd' * 8}-01"
    tags = [
        {"session": "visit 1", "team": "Söhne", "feature": "desk", "end_user": "u1", "other": "x"},
        {"traceparent": trace},
        {"traceparent": "run-17"},
        {"traceparent": "run-17", "session": "s" * 400},
        None,
    ]
    lines = [{"id": str(n), "started_at": n, "request": {}, "tags": one} for n, one in enumerate(tags)]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    replay(log, gateway, rate=50)
    by_content = sorted(_Gateway.said, key=str)
    assert {
        "x-freehold-session": "visit%201",
        "x-freehold-team": "S%C3%B6hne",
        "x-freehold-feature": "desk",
        "x-freehold-end-user": "u1",
    } in by_content
    assert {"traceparent": trace} in by_content
    assert {} in by_content
    one, other = (said["traceparent"].split("-") for said in by_content if said.get("traceparent", trace) != trace)
    assert one[1] == other[1]  # one trace
    assert one[2] != other[2]
    assert max(len(said.get("x-freehold-session", "")) for said in by_content) == 256


def test_a_zipped_log_is_known_by_its_bytes(tmp_path: Path, gateway: str) -> None:
    log = a_log(tmp_path / "log.jsonl", 1788220800)
    zipped = tmp_path / "zipped"
    zipped.write_bytes(gzip.compress(log.read_bytes()))
    assert replay(zipped, gateway).sent == 1
    zipped.write_bytes(zipped.read_bytes()[:-12])
    with pytest.raises(BadLog, match="damaged or ends early"):
        replay(zipped, gateway)


@pytest.mark.parametrize("at", ["yesterday", -5, None])
def test_a_line_without_a_time_is_named(tmp_path: Path, gateway: str, at: object) -> None:
    with pytest.raises(BadLog, match="line 2"):
        replay(a_log(tmp_path / "log.jsonl", 1788220800, at), gateway)


def test_calls_without_a_request_are_left_out_and_counted(tmp_path: Path, gateway: str) -> None:
    log = a_log(tmp_path / "log.jsonl", 1788220800, 1788220801)
    with log.open("a") as file:
        file.write(json.dumps({"id": "bare", "started_at": 1788220802, "request": None}) + "\n")
    report = replay(log, gateway)
    assert (report.sent, report.without_request) == (2, 1)
    assert "1 calls hold no request" in report.in_words()


@pytest.mark.parametrize("to", ["nowhere", "http://127.0.0.1:99999", "http://[::1", "http://127.0.0.1:0"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, to: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        replay(a_log(tmp_path / "log.jsonl", 0), to)


def test_a_folder_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        replay(tmp_path, "http://127.0.0.1:1")


def test_where_nothing_listens_it_stops_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(UpstreamFailed, match="no answer from"):
        replay(a_log(tmp_path / "log.jsonl", *range(200)), "http://127.0.0.1:1")
