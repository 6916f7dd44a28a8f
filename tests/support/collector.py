"""A collector of OpenTelemetry over real HTTP, which decodes what it is sent and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Value = str | bool | int | float | list[Any] | None


class Collector:
    """What arrived. `statuses` are given to the next requests, then 200; only what got 200 counts as taken."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.statuses: list[int] = []
        self.requests: list[tuple[str, dict[str, str], ExportTraceServiceRequest]] = []
        self.refused = 0
        self._changed = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        with self._changed:
            status = self.statuses.pop(0) if self.statuses else 200
            if status == 200:
                self.requests.append((path, headers, ExportTraceServiceRequest.FromString(body)))
            else:
                self.refused += 1
            self._changed.notify_all()
        return status

    def spans(self) -> list[Span]:
        """Every span that was taken, in the order of arrival."""
        found = [request for _, _, request in self.requests]
        return [span for one in found for r in one.resource_spans for s in r.scope_spans for span in s.spans]

    def wait_for(self, count: int, timeout_s: float = 60.0) -> list[Span]:
        """The spans, once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.spans()) >= count, timeout_s), f"only {len(self.spans())}"
            return self.spans()

    def wait_for_refused(self, count: int, timeout_s: float = 60.0) -> None:
        """Until so many requests were refused."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.refused >= count, timeout_s)


def attributes(span: Any) -> dict[str, Value]:
    """The attributes of a span or a resource, as Python's."""
    return {one.key: _value(one.value) for one in span.attributes}


def _value(value: Any) -> Value:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None


@contextmanager
def collector(port: int = 0) -> Iterator[Collector]:
    """A collector that listens until the block ends."""
    found: list[Collector] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = found[0].take(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            answer = ExportTraceServiceResponse().SerializeToString() if status == 200 else b""
            self.send_response(status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        found.append(Collector(server.server_address[1]))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield found[0]
        server.shutdown()
        thread.join()
