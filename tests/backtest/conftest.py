"""A timeline for each test."""

from collections.abc import AsyncIterator

import pytest

from monitor.db import Database
from tests.alerts.timeline import Timeline, timeline
from tests.conftest import SettableClock


@pytest.fixture
async def t(db: Database, clock: SettableClock) -> AsyncIterator[Timeline]:
    """A tenant with a running collector and an alerter that ticks when told."""
    async with timeline(db, clock) as made:
        yield made
