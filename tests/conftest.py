"""What several suites share."""

import os
from collections.abc import Iterator

import pytest
from tests.support.ledger_crash import Nursery, nursery
from tests.support.object_store import CREDENTIALS, ObjectStore, object_store


def pytest_xdist_auto_num_workers() -> int | None:
    """What `-n auto` means: half as many workers again as cores.

    A third of the tests' time is spent waiting: for a timeout that is tested, for a disk, for another process.
    """
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None  # the caller's number, which the plugin reads itself
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + cores // 2


@pytest.fixture(scope="session")
def children() -> Iterator[Nursery]:
    """Processes to be killed."""
    with nursery() as started:
        yield started


@pytest.fixture(scope="session")
def _objects() -> Iterator[ObjectStore]:
    with object_store() as serving:
        yield serving


@pytest.fixture
def objects(_objects: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """An object store over HTTP that is in no trouble yet, and the environment that gives access to it."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    _objects.trouble.clear()
    return _objects
