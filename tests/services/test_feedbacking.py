"""Feedback through the gateway reaches the ledger, under the id that the answer carried."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.gateway import connect, read_response, renting_from, request_bytes, running
from tests.support.upstream import Upstream

from freehold.gateway.app import Doors
from freehold.ledger import Ledger
from freehold.services.running import _keep


def post(port: int, path: str, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
    with connect(port) as sock:
        sock.sendall(request_bytes(json.dumps(body).encode(), path=path))
        status, headers, answer = read_response(sock)
    return status, headers, json.loads(answer)


def test_a_product_says_what_would_have_been_right(tmp_path: Path) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "where is it"}]}
    doors = Doors(keep_feedback=partial(_keep, tmp_path))
    with Upstream() as upstream, running(renting_from(upstream.url), tmp_path, doors) as gateway:
        _, headers, _ = post(gateway.port, "/v1/chat/completions", asked)
        ident = headers["x-freehold-call-id"]
        ledger = Ledger(tmp_path)
        ledger.append(gateway.ledger.wait())
        said = {"call_id": ident, "score": False, "name": "helpful", "correction": "delivery"}
        for _ in range(2):
            assert post(gateway.port, "/v1/feedback", said)[::2] == (200, {"call_id": ident, "kept": True})
        status, _, refused = post(gateway.port, "/v1/feedback", {"call_id": "call_1", "score": 1})
        assert (status, refused["error"]["code"]) == (404, "not_found")
    assert ledger.get(ident).gold == "delivery"
    kept = [(one.kind, one.value, one.via) for one in ledger.feedback([ident])[ident]]
    assert sorted(kept) == [("correction", "delivery", "gateway"), ("score", 0.0, "gateway")]
