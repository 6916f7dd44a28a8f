"""What several suites share."""

from collections.abc import Iterator

import pytest
from tests.support.ledger_crash import Nursery, nursery
from tests.support.object_store import CREDENTIALS, ObjectStore, object_store


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
