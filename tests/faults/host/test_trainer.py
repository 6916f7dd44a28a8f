"""A trainer that runs out of memory: its task says why, the others are trained, the home is whole."""

import pytest
from tests.support import homes, hungry

from freehold.services import owning
from freehold.services.discovering import find_tasks
from freehold.services.ingest import import_log
from freehold.services.owning import Wanted, own_all


@pytest.mark.fault("host", "out of memory in a trainer")
def test_a_trainer_that_the_kernel_ends(tmp_path, monkeypatch):
    """With real processes: the one that is ended takes the pool with it, and the others are trained all the same."""
    monkeypatch.setattr(owning, "_own", hungry.own)
    wanted = [Wanted("hungry"), Wanted("other")]
    told: list[str] = []
    with homes.home(tmp_path) as home:
        owned = own_all(home, wanted, each=lambda one: told.append(one.task_id))
    assert owned["other"].why_not == "trained other"
    assert "memory" in owned["hungry"].why_not
    assert sorted(told) == ["hungry", "other"]


@pytest.mark.fault("host", "out of memory in a trainer")
def test_a_trainer_that_asks_for_more_memory_than_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr(owning, "train", hungry.train)
    with homes.home(tmp_path / "home") as home:
        import_log(home, homes.colours_log(tmp_path / "log.jsonl", 80))
        (task, *_) = find_tasks(home)
        owned = own_all(home, [Wanted(task.id)])
        assert "memory" in owned[task.id].why_not
        assert not list((home.path / "bundles").glob("*")), "nothing half-made is left"
        assert next(iter(find_tasks(home))).id == task.id
        assert home.ledger.doctor() == []
