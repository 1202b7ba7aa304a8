"""A tenant with an agent, and the application."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from monitor.db import Database
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_agent, make_tenant
from tests.http.application import serving


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    """Whose runs they are."""
    return await make_tenant(db)


@pytest.fixture
async def agent_id(db: Database, tenant: TenantMade) -> UUID:
    """The agent `akira-001`."""
    return await make_agent(db, tenant.id)


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[httpx.AsyncClient]:
    """The application."""
    async with serving(db, clock) as client:
        yield client
