"""A promise about an agent's whole runs, from its steps' certificates and from later runs, and how it lapses."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import agents, homes
from tests.support.up import up
from typer.testing import CliRunner

from freehold.cli._app import app
from freehold.errors import MissingPrerequisite, NotFound, UsageError
from freehold.services import certifying as task_certifying
from freehold.services import discovering, doctoring, ingest, promoting, replaying, training
from freehold.services.home import Home
from freehold.services.windows import Window
from freehold.services.workflows import certifying, listing, showing, standing
from freehold.vocabulary import WorkflowCertificate

EARLIER, LATER = 320, 130
OWNED = ("sort", "say")


def task_of(home: Home, beginning: str) -> Any:
    return next(task for task in home.registry.tasks() if task.name.startswith(beginning))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an agent's runs, and students of two of its steps."""
    folder = tmp_path_factory.mktemp("trained")
    with homes.home(folder / "home") as home:
        ingest.import_log(home, homes.write_log(folder / "log.jsonl", agents.log(EARLIER)))
        discovering.list_tasks(home)
        for name in OWNED:
            training.train(home, task_of(home, name))
    return folder / "home"


@pytest.fixture
def home(trained: Path, tmp_path: Path) -> Iterator[Home]:
    """A copy of it, whose students are certified at a delta of 1 %."""
    shutil.copytree(trained, tmp_path / "home")
    with homes.home(tmp_path / "home") as home:
        for name in OWNED:
            made = task_certifying.certify(home, task_of(home, name), alpha=0.1, delta=0.01)
            assert made.certified, made.reason
        yield home


def later(home: Home, n: int = LATER, *, first: int = EARLIER, seed: int = 2, hard: float = 0.0) -> None:
    lines = agents.log(n, first=first, seed=seed, hard=hard)
    ingest.import_log(home, homes.write_log(home.path.parent / f"later{first}.jsonl", lines))


def copied(home: Home, name: str, at_us: int, *, failing: str = "") -> None:
    """Record a run again, at another time."""
    calls = [call for call in home.calls() if call.id.startswith(f"{agents.FEATURE}-{EARLIER}-")]
    began, trace = calls[0].started_at_us, hashlib.sha256(name.encode()).hexdigest()[:32]
    for call in calls:
        call.outcome = "error" if failing and call.id.endswith(failing) else "ok"
        call.id, call.started_at_us = f"{name}-{call.id}", at_us + call.started_at_us - began
        call.tags = {"traceparent": f"00-{trace}-{'cd' * 8}-01", "feature": agents.FEATURE}
    home.ledger.append(calls)


def certify(home: Home, **asked: Any) -> WorkflowCertificate:
    return certifying.certify(home, agents.FEATURE, **({"alpha": 0.1, "delta": 0.1} | asked))


def test_without_later_runs_the_certificates_are_added_up(home: Home) -> None:
    every = certify(home, of="all", alpha=0.5)
    assert (every.route, every.certified, every.of) == ("steps", True, "all")
    assert {pin.task.split("_")[0] for pin in every.steps} == set(OWNED)
    assert every.most_calls >= 8
    for part in every.parts:
        assert EARLIER // 2 - 3 <= part.runs <= EARLIER // 2  # the later half, but for runs longer than any earlier one
        assert part.calls_per_run == pytest.approx(1.0)
        assert 1.0 < part.calls_upper < 2.0
        assert part.share_lower > 0.9
        assert part.adds == pytest.approx(part.calls_upper / part.share_lower * part.keeps_upper * 0.1)
    assert every.risk_upper == pytest.approx(sum(part.adds for part in every.parts))
    refused = certify(home, of="all", alpha=0.1)
    assert not refused.certified
    assert "certificates would do of" in refused.reason
    assert refused.runs_needed == 29  # as many clean runs promise 10 % at half of a delta of 10 %
    assert all(part.alpha_needed < 0.1 for part in refused.parts)


def test_deltas_that_sum_to_more_than_was_asked_for_are_refused(home: Home) -> None:
    made = certify(home, of="all", alpha=0.5, delta=0.02)
    assert not made.certified
    assert "certify each at a delta of 0.005 or less" in made.reason
    assert made.parts == ()


def test_a_step_that_no_run_holds_any_more_bounds_nothing_and_can_be_read_back(home: Home) -> None:
    lines = [line for line in agents.log(EARLIER + 20, first=EARLIER, seed=2) if not line["id"].endswith("-mood")]
    ingest.import_log(home, homes.write_log(home.path.parent / "moodless.jsonl", lines))
    made = certify(home, route="steps", of="all")
    gone = next(part for part in made.parts if part.task.startswith("say"))
    assert (made.certified, gone.adds, gone.alpha_needed) == (False, 1.0, 0.0)
    assert "none of the runs counted asks it" in made.reason
    assert home.registry.workflow_certificates() == [made]


def test_later_runs_are_judged_as_a_whole_and_once(home: Home) -> None:
    later(home)
    made = certify(home)
    assert (made.route, made.certified, made.of, made.look) == ("runs", True, "whole", 1)
    assert (made.n_judged, made.n) == (LATER, made.n_whole + made.n_bad)
    assert made.n > 100
    assert made.risk_upper <= 0.1
    assert made.left_out == {"not later than what the students and their certificates were made from": EARLIER}
    assert made.runs_from_us > max(one.certificate.calls_to_us for one in home.registry.certificates())
    again = certify(home)
    assert (again.look, again.n, again.level) == (1, made.n, made.level)  # the same runs: no look of its own
    of_all = certify(home, of="all")
    assert (of_all.look, of_all.n) == (2, LATER)
    later(home, 20, first=EARLIER + LATER, seed=3)
    enlarged = certify(home)
    assert (enlarged.look, enlarged.n_judged) == (3, LATER + 20)
    assert enlarged.level == pytest.approx(0.1 / 12)


def test_runs_that_nobody_can_learn_get_a_plain_no(home: Home) -> None:
    later(home, hard=0.5)
    made = certify(home)
    assert (made.route, made.certified) == ("runs", False)
    assert made.n_bad > 20
    assert made.runs_needed is None
    assert "wrong too often for more of them to help" in made.reason


def test_it_lapses_where_a_step_changes_and_says_so(home: Home) -> None:
    later(home)
    made = certify(home)
    flow = listing.workflows(home, Window())
    told = flow.promises[made.workflow_id]
    assert (told.certificate, told.lapsed) == (made, "")
    assert standing.gone(home) == []
    sort = task_of(home, "sort")
    certificate = task_certifying.certify(home, sort, alpha=0.1, delta=0.01)
    shown = showing.show(home, agents.FEATURE, Window()).promise
    assert shown is not None
    assert shown.lapsed == f"{sort.name} stands on another certificate now, {certificate.id}"
    assert standing.gone(home, sort.id) == [(agents.FEATURE, shown.lapsed)]
    assert standing.gone(home, "another task") == []
    env = {"FREEHOLD_HOME": str(home.path)}
    listed = CliRunner().invoke(app, ["workflows"], env=env)
    assert "lapsed" in listed.output


def test_a_demotion_voids_it_and_the_doctor_knows(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    later(home)
    certify(home)
    mood = task_of(home, "say")
    promoting.promote(home, mood, "full", by="test")
    assert standing.gone(home) == []
    home.registry.demote(mood.id, home.registry.stage(mood.id).certificate_id, "too many differ")
    ((name, why),) = standing.gone(home)
    assert (name, why) == (agents.FEATURE, f"the certificate of {mood.name} was voided: too many differ")
    monkeypatch.setenv("FREEHOLD_HOME", str(home.path))
    found = {one.code: one for one in doctoring.examine()}
    assert found["workflow_promise_lapsed"].mend == "freehold certify --workflow concierge"


def test_a_step_that_is_owned_since_is_not_covered(home: Home) -> None:
    later(home)
    certify(home)
    look = task_of(home, "choose")
    training.train(home, look)
    made = task_certifying.certify(home, look, alpha=0.1, delta=0.01)
    assert made.certified, made.reason
    assert standing.gone(home) == []
    promoting.promote(home, look, "full", by="test")
    ((_, why),) = standing.gone(home)
    assert why == f"{look.name} is answered by an owned model now, which it does not cover"


def test_runs_from_times_in_which_an_owned_model_served_judge_nothing(home: Home) -> None:
    """By when they were made: of what was escalated and what was kept then, neither is a fair sample."""
    promoting.promote(home, task_of(home, "sort"), "full", by="test")
    later(home)
    made = certify(home)
    assert (made.route, made.n_judged) == ("runs", LATER)  # made long before the promotion
    copied(home, "now", time.time_ns() // 1000)
    again = certify(home)
    assert again.left_out["made while an owned model served one of the steps"] == 1
    assert again.n_judged == LATER


def test_against_gold_only_runs_that_people_judged_count(home: Home) -> None:
    later(home, 40)
    lines = agents.log(40, first=EARLIER + 40, seed=4, gold=1.0)
    ingest.import_log(home, homes.write_log(home.path.parent / "gold.jsonl", lines))
    made = certify(home, against="gold", alpha=0.2, delta=0.2)
    assert (made.route, made.n_judged, made.label_source) == ("runs", 40, "answers given by people")
    assert made.left_out["people did not judge every call of its owned steps"] == 40
    by_steps = certify(home, against="gold", route="steps")
    assert "stands on a certificate against something else" in by_steps.reason


def test_a_failed_call_of_an_owned_step_leaves_its_run_out(home: Home) -> None:
    later(home)
    copied(home, "failed", max(call.started_at_us for call in home.calls()) + 10**9, failing="sort")
    assert certify(home).left_out["a call of an owned step failed"] == 1


def test_a_run_that_may_be_going_on_is_left_out(home: Home) -> None:
    later(home, 10)
    copied(home, "now", time.time_ns() // 1000 - 1_000_000)
    copied(home, "before", time.time_ns() // 1000 - 3_600_000_000)
    made = certify(home, route="runs", of="all")
    assert (made.n_judged, made.left_out["may be going on still"]) == (11, 1)
    counted = certify(home, route="steps", of="all").parts[0].runs
    assert counted == (EARLIER + 11) - (EARLIER + 11) // 2


def test_wrong_words_and_missing_students_get_clear_errors(home: Home, trained: Path) -> None:
    with pytest.raises(NotFound, match="no workflow"):
        certifying.certify(home, "nothing")
    with pytest.raises(UsageError, match="no choice of runs"):
        certify(home, of="some")
    with pytest.raises(UsageError, match="no way to certify"):
        certify(home, route="guess")
    with pytest.raises(UsageError, match="between 0 and 1"):
        certify(home, alpha=0.0)
    with homes.home(trained) as uncertified, pytest.raises(MissingPrerequisite, match="no step of concierge"):
        certify(uncertified)


def test_what_a_gateway_records_of_shadows_and_audits_is_what_is_judged(home: Home) -> None:
    """A run's calls through a real gateway: first in the shadow, then served, with every kept answer audited."""
    lines = agents.log(90, first=EARLIER, seed=2)
    log = homes.write_log(home.path.parent / "later.jsonl", lines)
    owned = [task_of(home, name) for name in OWNED]
    for task in owned:
        promoting.promote(home, task, "shadow", by="test")
    (home.path / "freehold.toml").write_text(
        f'default_provider = "tape"\n[providers.tape]\nkind = "recorded"\nfile = "{log}"\n'
        "[gateway]\ntrust_replay_times = true\n[certificate]\naudit_share = 1.0\n"
    )
    with up(home.path) as gateway:
        report = replaying.replay(log, f"http://127.0.0.1:{gateway.port}")
        assert report.by_status == {"200": len(lines)}
        gateway.end()
    shadowed = showing.show(home, agents.FEATURE, Window())
    assert shadowed.workflow.runs == EARLIER + 90  # as runs, at the times of the log
    assert shadowed.workflow.untimed == 0
    assert {step.timed_by for step in shadowed.owned} == {"calls"}
    assert shadowed.worse is not None
    assert {row.source for row in shadowed.worse.steps} == {"audits"}
    assert shadowed.worse.judged_runs == 90
    promised = certify(home)
    assert (promised.route, promised.certified, promised.n_judged) == ("runs", True, 90)
    for task in owned:
        promoting.promote(home, task, "full", by="test")
    more = agents.log(60, first=EARLIER + 90, seed=3)
    tape = homes.write_log(home.path.parent / "more.jsonl", more)
    log.write_text(tape.read_text("utf-8"), "utf-8")
    with up(home.path) as gateway:
        assert replaying.replay(tape, f"http://127.0.0.1:{gateway.port}").served_by.get("owned", 0) > 100
        gateway.end()
    served = showing.show(home, agents.FEATURE, Window())
    assert served.worse is not None
    assert all(row.n > 120 for row in served.worse.steps)  # audits beside the shadow's
    assert served.promise is not None
    assert (served.promise.certificate, served.promise.lapsed) == (promised, "")
    again = certify(home)
    assert again.left_out["an owned model was asked to serve"] == 60
    assert (again.n_judged, again.look) == (90, 1)


def test_the_command_line_ends_with_3_where_the_answer_is_no(home: Home) -> None:
    later(home)
    env = {"FREEHOLD_HOME": str(home.path)}

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["certify", *arguments], env=env)

    yes = run("--workflow", "concierge", "--alpha", "0.1", "--delta", "0.1")
    assert yes.exit_code == 0
    assert yes.output.startswith("certified: With confidence 90 %, at most 10 % of the runs in which every owned step")
    no = run("--workflow", "concierge", "--alpha", "0.001", "--json")
    assert no.exit_code == 3
    assert json.loads(no.stdout)["schema"] == "freehold.workflow_certificate/1"
    shown = CliRunner().invoke(app, ["workflow", "show", "concierge"], env=env)
    assert "with confidence 90.0 %, at most 10 % of the runs" in shown.output
    for wrong in ((), ("sort", "--workflow", "concierge"), ("sort", "--of", "all")):
        assert isinstance(run(*wrong).exception, UsageError)
