"""Fixtures of the fault tests: a durable PostgreSQL on disk, a tenant."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.factories import TenantMade, make_tenant
from tests.stage import Stage, open_stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage of this test's own."""
    async with open_stage(tmp_path) as made:
        yield made


@pytest.fixture
async def tenant(stage: Stage) -> TenantMade:
    """Whose agents send."""
    return await make_tenant(stage.db)
