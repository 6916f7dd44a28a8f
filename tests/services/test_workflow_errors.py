"""What the errors of a workflow's steps come to: by audits and shadows, certificates, and people's answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support import homes
from tests.support.registry import add_certificate, add_student, task
from typer.testing import CliRunner

from freehold.cli._app import app
from freehold.services.home import Home
from freehold.services.windows import Window
from freehold.services.workflows import showing
from freehold.services.workflows.showing import ShownWorkflow
from freehold.vocabulary import Call, Leg, MessagePattern, Slot, Template, reasons

BEGAN_US = round(homes.START.timestamp() * 1e6)
SORT, MOOD = "Sort this.", "How do they feel?"


def template(name: str, system: str) -> Template:
    return Template(name, (MessagePattern("system", (system,)), MessagePattern("user", (Slot("x"),))))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with homes.home(tmp_path) as home:
        found = [task("t1", template("a", SORT), name="sort"), task("t2", template("b", MOOD), name="mood")]
        home.registry.save_discovered(found)
        yield home


def call(run: int, place: int, system: str, answer: str = "yes", *legs: Leg, **more: Any) -> Call:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": f"{run} {place}"}]
    response = {"choices": [{"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}]}
    fields: dict[str, Any] = {
        "id": f"c{run:05d}-{place}",
        "started_at_us": BEGAN_US + run * 60_000_000 + place * 2_000_000,
        "latency_ms": 1000.0,
        "provider": "openai",
        "model": "gpt-4.1",
        "request": json.dumps({"model": "gpt-4.1", "messages": messages}).encode(),
        "response": json.dumps(response).encode(),
        "legs": legs,
        "tags": {"traceparent": f"00-{run:032x}-{place + 1:016x}-01"},
    }
    return Call(**fields | more)


def shown(home: Home, calls: Sequence[Call]) -> ShownWorkflow:
    home.ledger.append(calls)
    return showing.show(home, "sort", Window())


def owned(purpose: Any, *, agrees: bool | None = None, confidence: float = 0.99, model: str = "s1") -> Leg:
    return Leg(
        purpose, "owned", "owned", model, "ok", confidence=confidence, in_scope=True, latency_ms=1.5, agrees=agrees
    )


def test_gold_is_added_up_over_runs_of_any_length(home: Home) -> None:
    """Sorting is wrong in 5 of 100, once a run; the mood, told twice in half of the runs, in 6 of 150."""
    calls = [call(n, 0, SORT, gold="no" if n < 5 else "yes") for n in range(100)]
    calls += [
        call(n, 1 + k, MOOD, gold="no" if n < 6 and k == 0 else "yes") for n in range(100) for k in range(1 + n % 2)
    ]
    found = shown(home, calls)
    assert found.worse is None  # no step has an owned model
    rows = {row.task: row for row in found.wrong.steps}
    assert (rows["sort"].errors, rows["sort"].n, rows["mood"].errors, rows["mood"].n) == (5, 100, 6, 150)
    assert (rows["sort"].source, rows["sort"].where, rows["sort"].until[:10]) == ("gold", "this workflow", "2026-03-02")
    assert (rows["sort"].answers_per_run, rows["mood"].answers_per_run) == (1.0, 1.5)
    assert found.wrong.at_most == pytest.approx(0.05 + 1.5 * 6 / 150)
    assert found.wrong.at_most_upper is not None
    assert found.wrong.at_most < found.wrong.at_most_upper < 0.3
    assert found.wrong.confidence == pytest.approx(0.95)
    assert (found.wrong.judged_runs, found.wrong.wrong_runs) == (100, 6)
    pair = next(one for one in found.wrong.together if one.first != one.second)
    assert (pair.both, pair.n) == (5, 100)
    assert pair.phi is not None
    assert pair.phi > 0.8
    assert found.wrong.independent is not None
    assert found.wrong.wrong_runs / found.wrong.judged_runs < found.wrong.independent < found.wrong.at_most


def test_a_step_that_nobody_judged_makes_the_whole_unknown_and_never_zero(home: Home) -> None:
    calls = [one for n in range(60) for one in (call(n, 0, SORT, gold="yes"), call(n, 1, MOOD))]
    found = shown(home, calls).wrong
    assert (found.unknown, found.at_most, found.at_most_upper, found.independent) == (("mood",), None, None, None)
    assert (found.known_at_most, found.judged_runs, found.wrong_interval) == (0.0, 0, None)
    told = CliRunner().invoke(app, ["workflow", "show", "sort"], env={"FREEHOLD_HOME": str(home.path)})
    assert "of the whole run nothing is known: no evidence on mood" in told.output


def test_calls_of_no_task_are_unknown_too(home: Home) -> None:
    calls = [one for n in range(40) for one in (call(n, 0, SORT, gold="yes"), call(n, 1, "Whatever.", gold="yes"))]
    found = shown(home, calls).wrong
    assert found.unknown == ("",)
    assert found.steps[-1].why == "it is in no task"


def test_few_judged_answers_here_are_joined_by_those_of_the_whole_task(home: Home) -> None:
    calls = [one for n in range(40) for one in (call(n, 0, SORT, gold="yes" if n < 10 else None), call(n, 1, MOOD))]
    calls += [call(100 + n, 0, SORT, gold="no", tags={}) for n in range(50)]
    row = next(row for row in shown(home, calls).wrong.steps if row.task == "sort")
    assert (row.n, row.errors, row.where) == (60, 50, "all calls of the task")


def certify(home: Home, **changes: Any) -> None:
    add_student(home.registry, "s1")
    add_certificate(home.registry, "s1", "c1", template_ids=("a",), **changes)


def test_a_certificate_speaks_for_a_step_until_more_answers_were_audited(home: Home) -> None:
    certify(home, alpha=0.05, delta=0.05, n=100, n_kept=80, n_errors=2, coverage=0.8, threshold=0.9)
    served = [
        one
        for n in range(50)
        for one in (
            call(
                n, 0, SORT, "yes", owned("serve"), Leg("audit", "rented", "openai", "gpt-4.1", "ok", agrees=n != 7),
                owner="owned", reason=reasons.SURE,
            ),
            call(n, 1, MOOD),
        )
    ]  # fmt: skip
    by_certificate = shown(home, served).worse
    assert by_certificate is not None
    (row,) = by_certificate.steps
    assert (row.source, row.n, row.errors, row.rate_upper) == ("certificate", 80, 2, 0.05)
    assert by_certificate.at_most_upper == pytest.approx(row.answers_per_run * 0.05)
    assert row.answers_per_run == 1.0  # here it kept all that it was asked
    assert (by_certificate.judged_runs, by_certificate.wrong_runs) == (50, 1)
    more = [call(100 + n, place, SORT, "yes", owned("shadow", agrees=True)) for n in range(50) for place in (0, 1)]
    by_audits = shown(home, more).worse
    assert by_audits is not None
    (row,) = by_audits.steps
    assert (row.source, row.n, row.errors) == ("audits", 150, 1)
    assert by_audits.unknown == ()


def test_answers_that_chose_the_threshold_bound_nothing_beside_their_certificate(home: Home) -> None:
    measured_on = [
        one
        for n in range(60)
        for one in (call(n, 0, SORT, "yes", owned("shadow", agrees=n % 20 != 0)), call(n, 1, MOOD))
    ]
    until_us = max(one.started_at_us for one in measured_on)
    certify(home, alpha=0.2, n=60, n_kept=60, n_errors=3, threshold=0.9, calls_to_us=until_us)
    found = shown(home, measured_on).worse
    assert found is not None
    assert [(row.source, row.rate_upper) for row in found.steps] == [("certificate", 0.2)]


def test_what_the_shadow_was_not_sure_of_counts_for_nothing(home: Home) -> None:
    certify(home, alpha=0.05, delta=0.05, n=20, n_kept=10, n_errors=0, coverage=0.5, threshold=0.9)
    calls = [
        one
        for n in range(80)
        for one in (
            call(n, 0, SORT, "yes", owned("shadow", agrees=n % 4 != 0, confidence=0.95 if n % 4 else 0.3)),
            call(n, 1, SORT, "yes", owned("shadow", agrees=False, model="s0")),  # another student's
        )
    ]
    found = shown(home, calls).worse
    assert found is not None
    (row,) = found.steps
    assert (row.source, row.n, row.errors) == ("audits", 60, 0)
    assert row.answers_per_run == pytest.approx(2 * 0.75)


def test_a_bundle_that_is_gone_is_said_and_fails_nothing(home: Home) -> None:
    certify(home, threshold=0.9)
    calls = [one for n in range(5) for one in (call(n, 0, SORT), call(n, 1, MOOD))]
    found = shown(home, calls)
    (step,) = found.owned
    assert (step.answer_ms, [one.how for one in found.supposed]) == (None, ["at_once", "at_once"])
    told = CliRunner().invoke(app, ["workflow", "show", "sort"], env={"FREEHOLD_HOME": str(home.path)})
    assert told.exit_code == 0
    assert "cannot be asked how long it takes" in told.output
