"""What several suites share."""

from collections.abc import Iterator

import pytest
from tests.support.ledger_crash import Nursery, nursery


@pytest.fixture(scope="session")
def children() -> Iterator[Nursery]:
    """Processes to be killed."""
    with nursery() as started:
        yield started
