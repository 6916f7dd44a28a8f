"""One small product with hostile names, its report made once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support import homes
from tests.support.names import MARKUP, ODD

from freehold.services import certifying, deciding, discovering, ingest, reporting, training
from freehold.services.home import Home
from freehold.services.reporting import Material, Report
from freehold.settings import Settings, WorkloadSettings


@pytest.fixture(scope="session")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with a certified narrow task and one of free text, each call standing for many."""
    folder = tmp_path_factory.mktemp("report")
    log = homes.colours_log(folder / "calls.jsonl", 320, essays=40)
    with homes.home(folder / "home", Settings(workload=WorkloadSettings(sample_weight=20_000))) as home:
        ingest.import_log(home, log)
        discovering.find_tasks(home)
        narrow, essays = home.registry.tasks()
        training.train(home, narrow)
        certifying.certify(home, narrow, alpha=0.1, delta=0.1)
        home.registry.rename(narrow.id, MARKUP, by="test")
        home.registry.rename(essays.id, ODD, by="test")
        yield home


@pytest.fixture(scope="session")
def materials(walked: Home) -> list[Material]:
    """What its pages are made from."""
    return reporting.gather(walked)


@pytest.fixture(scope="session")
def report(walked: Home, materials: list[Material]) -> Report:
    """Its pages."""
    assert {one.verdict.word for one in materials} == {"own_student", "keep_renting"}
    assert deciding.chosen(materials[0].verdict) is not None
    return reporting.content(walked, materials)
