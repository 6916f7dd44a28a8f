"""Workflows over a real ledger and through the command line: an agent's runs, sessions, and conversations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import agents, homes
from typer.testing import CliRunner

from freehold.cli._app import app
from freehold.errors import NotFound
from freehold.services import discovering, ingest, questioning
from freehold.services.home import Home
from freehold.services.windows import Window
from freehold.services.workflows import listing, showing
from freehold.vocabulary import SESSION_TAG, TRACE_TAG, Call, Usage

RUNS = 150
START_US = round(homes.START.timestamp() * 1e6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that has seen an agent's runs and knows their tasks."""
    folder = tmp_path_factory.mktemp("agent")
    with homes.home(folder / "home") as home:
        ingest.import_log(home, homes.write_log(folder / "log.jsonl", agents.log(RUNS)))
        discovering.list_tasks(home)
    return folder / "home"


@pytest.fixture
def home(folder: Path) -> Iterator[Home]:
    with homes.home(folder) as home:
        yield home


def run(folder: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), env={"FREEHOLD_HOME": str(folder)})


def test_an_agents_runs_of_varying_length_are_one_workflow(home: Home):
    found = listing.workflows(home, Window())
    (flow,) = found.workflows
    assert (flow.name, flow.how, flow.runs, flow.untimed) == (agents.FEATURE, "trace", RUNS, 0)
    assert flow.entry.startswith("sort")
    assert flow.most_calls > 6
    assert {len(link.task) > 0 for link in flow.links} == {True}
    assert flow.usd == questioning.savings(home, Window()).spent_usd
    assert (found.single, found.unchained) == (0, 0)


def test_its_time_is_parted_and_its_critical_path_is_known(home: Home):
    flow = showing.show(home, agents.FEATURE, Window()).workflow
    assert flow.wall is not None
    assert flow.model is not None
    assert flow.between is not None
    assert flow.wall.mean_ms == pytest.approx(flow.model.mean_ms + flow.between.mean_ms)
    assert flow.side_by_side is not None
    assert flow.side_by_side > 0.03  # the mood is told beside the sorting
    shares = {link.task.split("_")[0]: link.critical_share or 0.0 for link in flow.links}
    assert shares["say"] == 0.0
    assert sum(shares.values()) + (flow.critical_between or 0.0) == pytest.approx(1)


def test_a_step_in_no_time_says_what_owning_could_bring(home: Home):
    found = showing.show(home, agents.FEATURE, Window())
    assert found.owned == ()
    assert found.workflow.wall is not None
    means = {one.tasks[0].split("_")[0]: one.wall.mean_ms for one in found.supposed if one.wall is not None}
    assert means["say"] == pytest.approx(found.workflow.wall.mean_ms)
    assert means["write"] < means["sort"] < means["say"]


def test_a_workflow_is_found_by_name_or_id_and_a_wrong_name_gets_a_close_one(home: Home):
    flow = showing.show(home, agents.FEATURE, Window()).workflow
    assert showing.show(home, flow.id, Window()).workflow == flow
    with pytest.raises(NotFound, match="no workflow conciege") as error:
        showing.show(home, "conciege", Window())
    assert error.value.hint == "did you mean concierge?"


def test_sessions_are_chained(tmp_path: Path):
    def call(ident: str, at_s: int, session: str) -> Call:
        return Call(
            ident, START_US + at_s * 1_000_000, 1000.0, "openai", "gpt-4.1", b"", b"", usage=Usage(10),
            tags={SESSION_TAG: session},
        )  # fmt: skip

    with homes.home(tmp_path) as home:
        home.ledger.append([call(f"{name}{n}", 9 * n, name) for name in "ab" for n in range(2)])
        (flow,) = listing.workflows(home, Window()).workflows
    assert flow.wall is not None
    assert (flow.how, flow.runs, flow.wall.mean_ms, flow.paths[0].tasks) == ("session", 2, 10_000.0, ("",))


@pytest.mark.parametrize("name", ["prod-eu-{}-a", "{}", "run-{}", f"00-{'{}' * 32}-{'b' * 16}-01"])
def test_traces_are_told_apart_whatever_they_are_called(tmp_path: Path, name: str):
    with homes.home(tmp_path) as home:
        home.ledger.append(
            Call(f"{run}{n}", START_US + n, 1.0, "openai", "m", b"", b"", tags={TRACE_TAG: name.replace("{}", run)})
            for run in "abc"
            for n in range(2)
        )
        (flow,) = listing.workflows(home, Window()).workflows
    assert (flow.how, flow.runs, flow.calls) == ("trace", 3, 6)


def test_calls_without_session_are_chained_by_what_they_hold(tmp_path: Path):
    def body(*turns: str) -> bytes:
        roles = ["user" if n % 2 == 0 else "assistant" for n in range(len(turns))]
        messages = [{"role": role, "content": turn} for role, turn in zip(roles, turns, strict=True)]
        return json.dumps({"model": "m", "messages": messages}).encode()

    def call(ident: str, at_s: int, answer: str, *turns: str) -> Call:
        response = {"object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": answer}}]}
        encoded = json.dumps(response).encode()
        return Call(ident, START_US + at_s * 1_000_000, 500.0, "p", "m", body(*turns), encoded, usage=Usage(10))

    with homes.home(tmp_path) as home:
        first, second = call("a", 0, "hi", "hello"), call("b", 9, "bye", "hello", "hi", "now?")
        home.ledger.append([first, second, call("c", 10, "x", "y")])
        found = listing.workflows(home, Window())
    (flow,) = found.workflows
    assert flow.wall is not None
    assert (flow.how, flow.runs, flow.wall.mean_ms, flow.usd_per_run, flow.unpriced_runs) == (
        "conversation", 1, 9500.0, None, 1)  # fmt: skip
    assert found.unchained == 1


def test_calls_that_belong_to_nothing_make_no_workflow(tmp_path: Path):
    with homes.home(tmp_path) as home:
        home.ledger.append(Call(f"c{n}", START_US + n, 1.0, "openai", "gpt-4.1", b"", b"") for n in range(9))
    told = run(tmp_path, "workflows")
    assert (told.exit_code, "No call is seen to belong with another" in told.output) == (0, True)
    assert run(tmp_path / "empty", "workflows").exit_code == 0


def test_the_command_line_says_it_in_tables_and_json(folder: Path):
    listed = run(folder, "workflows")
    assert listed.exit_code == 0
    assert "concierge" in listed.output
    found = json.loads(run(folder, "workflows", "--json").stdout)
    assert found["schema"] == "freehold.workflows/2"
    assert found["workflows"][0]["runs"] == RUNS
    shown = run(folder, "workflow", "show", "concierge")
    assert shown.exit_code == 0
    for words in ("from the first request to the last answer", "Critical path", "simulated on these runs"):
        assert words in shown.output
    assert "certify --workflow" not in shown.output  # there is no owned step to certify
    whole = json.loads(run(folder, "workflow", "show", "concierge", "--json").stdout)
    assert whole["schema"] == "freehold.workflow/1"
    wrong = run(folder, "workflow", "show", "nothing")
    assert isinstance(wrong.exception, NotFound)
