"""The kill switch from end to end: a registry, a running gateway, a client that goes on asking."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.bundles import certificate, draft
from tests.support.gateway import SYSTEM, TASK, Running, connect, read_response, renting_from, request_bytes, running
from tests.support.students import SURE, ScriptedHost
from tests.support.upstream import Upstream, chat, http, send

from freehold.gateway.app import Doors
from freehold.services import pausing
from freehold.services.home import Home
from freehold.settings import Loaded, Settings, TaskSettings
from freehold.vocabulary import Call

MESSAGES = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "where is my money"}]
ASKED = json.dumps({"model": "gpt-x", "messages": MESSAGES}).encode()
AT_ONCE_S = 1.0


@contextmanager
def serving(folder: Path, declared: dict[str, TaskSettings]) -> Iterator[tuple[Home, Running, Upstream]]:
    """A promoted task, a gateway that answers it with an owned model, and the provider behind it."""
    with Upstream() as upstream:
        upstream.default = (send(http(200, chat("rented"))),)
        base = renting_from(upstream.url)
        made = Settings(providers=base.providers, gateway=base.gateway, tasks=declared)
        with Home(Loaded(made, folder, {})) as home:
            home.registry.save_discovered([TASK])
            home.registry.add_student(
                draft(student_id="s1", task_id=TASK.id, schema="freehold.bundle/1"), folder / "bundles" / "s1"
            )
            promise = certificate("s1", TASK.id, template_ids=("t1",), threshold=0.9, scope_threshold=0.5)
            home.registry.add_certificate(promise)
            home.registry.set_stage(TASK.id, "full", by="ann")
            with running(made, folder, Doors(host=ScriptedHost(SURE))) as gateway:
                yield home, gateway, upstream


def ask(gateway: Running) -> tuple[int, Call, dict[str, object]]:
    before = len(gateway.ledger.calls)
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(ASKED))
        status, _, answer = read_response(sock)
    return status, gateway.ledger.wait(before + 1)[-1], json.loads(answer)


def ask_until(gateway: Running, reason: str) -> tuple[int, Call, dict[str, object]]:
    """Ask again and again; the answer with that reason, and a failure where it takes longer than promised."""
    until = time.monotonic() + AT_ONCE_S
    while True:
        asked_at = time.monotonic()
        found = ask(gateway)
        if found[1].reason == reason:
            return found
        assert asked_at < until, f"still {found[1].reason} after {AT_ONCE_S} s"


@pytest.mark.parametrize("task", ["", "triage"])
def test_owned_answers_stop_within_a_second_and_come_back(tmp_path: Path, task: str) -> None:
    with serving(tmp_path, {"triage": TaskSettings(audit_share=0.0)}) as (home, gateway, upstream):
        assert ask(gateway)[1].reason == "sure"
        assert not upstream.requests
        pausing.pause(home, task, by="ann")
        status, call, _ = ask_until(gateway, "paused")
        assert (status, call.owner) == (200, "rented")
        assert len(upstream.requests) == 1
        pausing.resume(home, task, by="ann")
        status, call, _ = ask_until(gateway, "sure")
        assert (status, call.owner) == (200, "owned")
        rented = len(upstream.requests)
        assert ask(gateway)[1].owner == "owned"
        assert len(upstream.requests) == rented


def test_what_is_restricted_is_refused_while_paused_and_never_rented(tmp_path: Path) -> None:
    with serving(tmp_path, {"triage": TaskSettings(data_class="restricted")}) as (home, gateway, upstream):
        assert ask(gateway)[1].owner == "owned"
        pausing.pause(home, by="ann")
        status, call, answer = ask_until(gateway, "restricted")
        assert (status, call.outcome, call.owner) == (403, "refused", "none")
        assert answer["error"]["code"] == "restricted_refused"  # type: ignore[index]
        pausing.resume(home, by="ann")
        assert ask_until(gateway, "sure")[0] == 200
        assert upstream.connections == 0
