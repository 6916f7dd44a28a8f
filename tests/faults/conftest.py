"""What the fault suite shares: a provider that plays scripts, new for every module, idle between tests."""

from collections.abc import Iterator

import pytest
from tests.support.upstream import Upstream


@pytest.fixture(scope="module")
def provider() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def up(provider: Upstream) -> Upstream:
    while provider.arrived.acquire(blocking=False):
        pass
    provider.choose = None
    return provider
