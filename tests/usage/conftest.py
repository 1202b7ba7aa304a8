"""A tenant with agents, and the application that its key speaks to."""

from collections.abc import AsyncIterator

import httpx
import pytest

from monitor.db import Database
from tests.conftest import SettableClock
from tests.http.application import serving
from tests.usage.stage import Stage


@pytest.fixture
async def stage(db: Database, clock: SettableClock) -> Stage:
    """A tenant with two agents, and a model that has a price: a dollar for a million tokens."""
    # Neither an hour nor a day ends while a test runs on.
    clock.time = clock.time.replace(hour=12, minute=20, second=0, microsecond=0)
    made = await Stage.of(db, clock.time)
    await made.price("m-1", "1", "1")
    return made


@pytest.fixture
async def api(db: Database, clock: SettableClock, stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the tenant's key."""
    async with serving(db, clock) as client:
        client.headers.update(stage.tenant.headers)
        yield client
