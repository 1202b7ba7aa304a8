"""A stage with agents that are called, and whoever calls them."""

from collections.abc import AsyncIterator

import pytest

from monitor.db import Database
from tests.channels.servers import Stub, serving
from tests.conftest import SettableClock
from tests.schedules.stage import Stage, stage


@pytest.fixture
async def receiver() -> AsyncIterator[Stub]:
    """The agents' webhooks."""
    async with serving(Stub()) as stub:
        yield stub


@pytest.fixture
async def s(db: Database, clock: SettableClock, receiver: Stub) -> AsyncIterator[Stage]:
    """A tenant, its API, and a runner that runs when told."""
    async with stage(db, clock, receiver) as made:
        yield made
