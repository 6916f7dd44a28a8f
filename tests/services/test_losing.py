"""Workers of a real owned model lost under load: what clients saw, and that nothing left which may not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import served_home
from tests.support.shell import Shell

from freehold.errors import MissingPrerequisite, NotFound, UsageError
from freehold.services import losing
from freehold.services.home import Home
from freehold.services.losing import Loss, LossDrill, LossOrder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with served_home.serving(tmp_path_factory.mktemp("losing")) as made:
        yield made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losing, "BEFORE_S", 0.5)
    monkeypatch.setattr(losing, "AFTER_S", 0.3)


def order(home: Home, *faults: losing.LossFault, everyone: bool = False) -> LossOrder:
    return LossOrder(served_home.narrow(home).name, faults, 40.0, everyone)


def files(home: Home) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in home.path.rglob("*") if path.is_file()}


@pytest.mark.fault("host", "a worker of an owned model is lost under load")
def test_a_killed_worker_costs_no_client_an_answer_and_comes_back(home: Home) -> None:
    before = files(home)
    drill = losing.replica(home, order(home, "kill"))
    (loss,) = drill.losses
    assert drill.passes
    assert (loss.failed, loss.refused, drill.left) == (0, 0, 0)
    assert loss.owned + loss.rented == loss.calls > 0
    assert loss.rented
    assert loss.back_after_s
    assert drill.usual_n
    assert files(home) == before


@pytest.mark.fault("host", "a worker of an owned model is lost under load")
def test_what_is_restricted_is_refused_and_never_rented(home: Home) -> None:
    with served_home.again(home, restricted=True) as closed:
        drill = losing.replica(closed, order(home, "kill"))
    (loss,) = drill.losses
    assert drill.restricted
    assert (loss.rented, loss.failed, drill.left) == (0, 0, 0)
    assert loss.refused
    assert "nothing reached a rented model" in " ".join(losing.in_words(drill))


@pytest.mark.fault("host", "a worker of an owned model is lost under load")
def test_another_worker_goes_on_answering(home: Home) -> None:
    with served_home.again(home, workers=2) as two:
        drill = losing.replica(two, order(home, "kill"))
    (loss,) = drill.losses
    assert (drill.workers, drill.passes) == (2, True)
    assert loss.owned > loss.rented


def test_a_home_without_such_a_model_is_told_what_to_do(home: Home) -> None:
    essays = next(task for task in home.registry.tasks() if task.kind == "free_text")
    with pytest.raises(MissingPrerequisite, match="no owned model serves") as error:
        losing.replica(home, LossOrder(essays.name))
    assert error.value.hint == f"freehold promote {essays.name} --stage full"
    with pytest.raises(NotFound):
        losing.replica(home, LossOrder("nothing"))
    for rate in (0, -1, 1e9):
        with pytest.raises(UsageError):
            losing.replica(home, order(home)._replace(per_s=rate))


def test_the_newest_different_calls_are_those_that_are_asked(home: Home) -> None:
    task = served_home.narrow(home)
    route = losing.serving(home, task)
    every = losing.answerable(home, task, route, 10_000)
    assert len({call.request for call in every}) == len(every) > 7
    assert [call.started_at_us for call in every] == sorted(call.started_at_us for call in every)
    assert losing.answerable(home, task, route, 7) == every[-7:]


def test_the_command_says_it_and_is_a_gate(home: Home) -> None:
    shell = Shell(home.path, home=home.path)
    (home.path / "freehold.toml").write_text('[providers.openai]\nkind = "openai"\n')
    task = served_home.narrow(home).name
    done = shell.run("drill", "replica", task, "--fault", "kill", "--rate", "40")
    for said in ("1 worker of the owned model", "No client saw a call fail", "Owned again after"):
        assert said in done.stdout
    assert "gateway.owned_workers = 2" in done.stderr
    found = shell.json("drill", "replica", task, "--fault", "kill", "--rate", "40", "--all")
    assert (found["schema"], found["losses"][0]["fault"]) == ("freehold.drill_replica/1", "kill")
    assert "no way to lose" in shell.run("drill", "replica", task, "--fault", "x", code=2).stderr


@pytest.mark.parametrize(
    ("failed", "left", "said"),
    [(2, 0, "2 calls failed"), (0, 3, "3 calls reached a rented model")],
)
def test_a_failed_call_or_one_that_left_is_no_pass(failed: int, left: int, said: str) -> None:
    loss = Loss("hang", 10, 8 - failed, 0, 2, failed, None, 1000.0)
    drill = LossDrill("triage", "s1", True, 2, True, 20.0, 2.0, 40, (loss,), left)
    assert not drill.passes
    assert said in " ".join(losing.in_words(drill))
