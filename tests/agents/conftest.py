"""A tenant, and the API as it is served."""

from collections.abc import AsyncIterator

import httpx
import pytest

from monitor.db import Database
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.http.application import serving


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    return await make_tenant(db)


@pytest.fixture
async def api(db: Database, clock: SettableClock, tenant: TenantMade) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(db, clock) as client:
        client.headers.update(tenant.headers)
        yield client
