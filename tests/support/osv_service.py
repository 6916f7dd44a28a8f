"""A service that speaks OSV's protocol over real HTTP, with what it is told to know."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


class Service:
    """`advisories` by id; `holds`: which of them hold, by (ecosystem, name, version). One answer a page.

    `answers`: bodies to be given instead, by path; `status` to be given instead of 200.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.advisories: dict[str, Json] = {}
        self.holds: dict[tuple[str, str, str], list[str]] = {}
        self.asked: list[Json] = []
        self.requests: list[str] = []
        self.answers: dict[str, bytes] = {}
        self.status = 200
        self.endless = False

    def answer(self, path: str, body: bytes) -> bytes:
        self.requests.append(path)
        if path in self.answers:
            return self.answers[path]
        if path.startswith("/v1/vulns/"):
            return json.dumps(self.advisories[path.removeprefix("/v1/vulns/")]).encode()
        return json.dumps({"results": [self._result(query) for query in json.loads(body)["queries"]]}).encode()

    def _result(self, query: Json) -> Json:
        self.asked.append(query)
        package = query["package"]
        found = self.holds.get((package["ecosystem"], package["name"], query["version"]), [])
        place = int(query.get("page_token") or 0)
        if self.endless:
            return {"next_page_token": str(place + 1)}
        if not found:
            return {}
        result: Json = {"vulns": [{"id": found[place], "modified": "2026-10-01T00:00:00Z"}]}
        return result | ({"next_page_token": str(place + 1)} if place + 1 < len(found) else {})


@contextmanager
def serving() -> Iterator[Service]:
    """A service that listens until the block ends."""
    made: list[Service] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            answer = made[0].answer(self.path, body)
            self.send_response(made[0].status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made.append(Service(server.server_address[1]))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield made[0]
        server.shutdown()
        thread.join()
