"""Spans reach a real collector: each call at least once, whoever is down meanwhile, and nothing that may not leave."""

from __future__ import annotations

import builtins
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.collector import Collector, attributes, collector
from tests.support.ledger_calls import START_US, make_call
from tests.support.up import up
from tests.support.upstream import Upstream, chat, http, send

from freehold.errors import MissingPrerequisite
from freehold.ledger.writer import LedgerWriter
from freehold.services import doctoring, tracing
from freehold.settings import Loaded, Settings, TaskSettings, TelemetrySettings
from freehold.vocabulary import DATA_CLASS_TAG, Call


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter itself tries for ten seconds."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0.5")


@pytest.fixture
def far():
    with collector() as found:
        yield found


def teller(home: Path, far: Collector, tasks: dict[str, TaskSettings] | None = None, **telemetry: object):
    made = TelemetrySettings(otlp_endpoint=far.url, **telemetry)
    loaded = Loaded(Settings(telemetry=made, tasks=tasks or {}), home, {})
    return tracing.Teller(loaded, tracing.Collector(made, "x-key=abc, x-more=d=e"), START_US)


def record(home: Path, *calls: Call) -> None:
    with LedgerWriter(home) as writer:
        for call in calls:
            writer.offer(call)


def numbered(far: Collector) -> list[str]:
    """The calls that arrived, by the spans that stand for them."""
    return [str(found["freehold.call.id"]) for found in map(attributes, far.spans()) if "freehold.call.id" in found]


def ids(*numbers: int) -> list[str]:
    return [make_call(n).id for n in numbers]


def test_calls_arrive_with_their_legs_their_resource_and_their_headers(far: Collector, tmp_path: Path) -> None:
    record(tmp_path, make_call(6), make_call(7))
    told = teller(tmp_path, far, service_name="shop")
    assert told.catch_up() == tracing.Sent(taken=True)
    assert numbered(far) == ids(6, 7)
    ((path, headers, request),) = far.requests
    assert path == "/v1/traces"
    assert (headers["x-key"], headers["x-more"]) == ("abc", "d=e")
    assert headers["content-type"] == "application/x-protobuf"
    (resource,) = request.resource_spans
    assert attributes(resource.resource)["service.name"] == "shop"
    assert resource.schema_url == "https://opentelemetry.io/schemas/1.41.0"
    first, second, leg = far.spans()
    assert (first.kind, second.kind, leg.kind) == (
        first.SPAN_KIND_SERVER,
        first.SPAN_KIND_SERVER,
        first.SPAN_KIND_CLIENT,
    )
    assert first.parent_span_id == b""
    assert leg.parent_span_id == second.span_id
    assert leg.trace_id == second.trace_id != first.trace_id
    assert second.status.code == second.status.STATUS_CODE_ERROR
    assert first.status.code == first.status.STATUS_CODE_UNSET
    assert first.end_time_unix_nano - first.start_time_unix_nano == 16_500_000
    assert b"question" not in request.SerializeToString()
    assert told.catch_up() == tracing.Sent(taken=True)
    assert len(far.requests) == 1, "nothing new, nothing sent"


def test_the_trace_of_the_client_is_continued(far: Collector, tmp_path: Path) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    record(tmp_path, make_call(1, tags={"traceparent": trace}))
    teller(tmp_path, far).catch_up()
    (span,) = far.spans()
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (trace[3:35], trace[36:52])


def test_it_goes_on_where_it_was_whoever_was_down(tmp_path: Path) -> None:
    with collector() as first:
        port = first.port
        told = teller(tmp_path, first)
        record(tmp_path, *map(make_call, range(1, 5)))
        told.catch_up()
        assert numbered(first) == ids(1, 2, 3, 4)
    record(tmp_path, *map(make_call, range(5, 8)))
    down = told.catch_up()
    assert (down.taken, down.refused, down.why) == (False, False, "the collector could not be reached")
    with collector(port) as second:
        second.statuses = [401]  # a wrong key is put right by a person: nothing is given up for it
        assert told.catch_up().why == "the collector answered 401"
        again = teller(tmp_path, second)  # this process ended, and was started later
        assert again.catch_up().taken
        assert numbered(second) == ids(5, 6, 7)


def test_what_the_collector_cannot_read_is_said_and_passed_over(
    far: Collector, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, *map(make_call, range(1, 151)))
    far.statuses = [400]
    told = teller(tmp_path, far)
    assert told.catch_up().taken
    assert capsys.readouterr().err == "freehold: 100 calls are left out of the spans: the collector answered 400\n"
    assert numbered(far) == ids(*range(101, 151))
    assert told.told == 50


def test_a_first_start_tells_of_nothing_older_and_forgets_nothing_since(far: Collector, tmp_path: Path) -> None:
    record(tmp_path, make_call(-5))
    far.statuses = [503] * 100
    record(tmp_path, make_call(3))
    assert not teller(tmp_path, far).catch_up().taken
    far.statuses = []
    made = TelemetrySettings(otlp_endpoint=far.url)
    later = tracing.Teller(
        Loaded(Settings(telemetry=made), tmp_path, {}), tracing.Collector(made, ""), START_US + 10**9
    )
    later.catch_up()
    assert numbered(far) == ids(3)


def test_content_goes_along_when_asked_for_and_never_that_of_restricted_calls(far: Collector, tmp_path: Path) -> None:
    named = json.dumps(
        {
            "model": "m",
            "metadata": {"freehold_task": "Health"},
            "messages": [{"role": "user", "content": "question ill"}],
        }
    )
    calls = [
        make_call(1),
        make_call(2, tags={DATA_CLASS_TAG: "restricted"}),
        make_call(3, request=named.encode()),
        make_call(4, request=b"{"),
        make_call(5, reason="restricted", outcome="refused", status=403),
    ]  # fmt: skip
    record(tmp_path, *calls)
    from freehold.registry import routes
    from freehold.vocabulary import RouteTable

    routes.write(routes.path(tmp_path), RouteTable(1, restricted_names=("health",)))
    teller(tmp_path, far, tasks={"health": TaskSettings(data_class="restricted")}, content=True).catch_up()
    shown = {str(found["freehold.call.id"]): found for found in map(attributes, far.spans())}
    assert set(shown) == set(ids(1, 2, 3, 4, 5))
    assert "question 1" in str(shown[make_call(1).id]["gen_ai.input.messages"])
    assert "answer 1" in str(shown[make_call(1).id]["gen_ai.output.messages"])
    for call in calls[1:]:
        assert not {"gen_ai.input.messages", "gen_ai.output.messages"} & set(shown[call.id]), call.id


def test_where_no_route_table_can_be_read_nothing_is_shown(far: Collector, tmp_path: Path) -> None:
    (tmp_path / "routes.json").write_text("{")
    record(tmp_path, make_call(1))
    teller(tmp_path, far, tasks={"health": TaskSettings(data_class="restricted")}, content=True).catch_up()
    assert "gen_ai.input.messages" not in attributes(far.spans()[0])


def test_without_the_extra_the_command_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: object) -> object:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingPrerequisite) as refused:
        tracing.Collector(TelemetrySettings(otlp_endpoint="http://127.0.0.1:1"), "")
    assert refused.value.hint == "pip install 'freehold[otel]'"


def test_headers_that_are_not_set_are_missed_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "freehold.toml").write_text(
        '[telemetry]\notlp_endpoint = "http://127.0.0.1:1"\notlp_headers_env = "MY_COLLECTOR"\n'
    )
    command = [sys.executable, "-m", "freehold.services.tracing", str(tmp_path), "0"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FREEHOLD_", "MY_"))}
    done = subprocess.run(command, env=kept, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == MissingPrerequisite.exit_code
    assert "MY_COLLECTOR is not set" in done.stderr


def test_the_doctor_misses_what_the_collector_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "freehold.toml").write_text(
        '[telemetry]\notlp_endpoint = "http://127.0.0.1:1"\notlp_headers_env = "MY_COLLECTOR"\n'
    )
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    monkeypatch.setattr(doctoring, "find_spec", lambda _name: None)
    found = {one.code: one for one in doctoring.examine()}
    assert "MY_COLLECTOR" in found["missing_key"].what
    assert found["missing_extra"].mend == "pip install 'freehold[otel]'"
    monkeypatch.undo()
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    monkeypatch.setenv("MY_COLLECTOR", "name=value")
    assert not {"missing_key", "missing_extra"} & {one.code for one in doctoring.examine()}


def test_a_gateway_tells_of_its_calls_up_to_the_last(far: Collector, tmp_path: Path) -> None:
    with Upstream() as upstream:
        upstream.default = (send(http(200, chat())),)
        (tmp_path / "freehold.toml").write_text(
            f'[providers.up]\nkind = "openai"\nbase_url = "{upstream.url}"\n[telemetry]\notlp_endpoint = "{far.url}"\n'
        )
        with up(tmp_path) as gateway:
            assert gateway.ask("private words") == 200
            spans = far.wait_for(2)
            assert attributes(spans[1])["server.port"] == int(upstream.url.split(":")[2].split("/")[0])
            for _ in range(20):
                assert gateway.ask("private words") == 200
            assert gateway.end() == ""
    assert len(set(numbered(far))) == len(numbered(far)) == 21
    assert all(b"private" not in request.SerializeToString() for _, _, request in far.requests)
