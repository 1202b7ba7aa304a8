"""A timeline whose mails and Slack messages go to real servers."""

from collections.abc import AsyncIterator

import pytest

from monitor.db import Database
from tests.conftest import SettableClock
from tests.responses.scene import Scene, scene


@pytest.fixture
async def s(db: Database, clock: SettableClock) -> AsyncIterator[Scene]:
    """A tenant whose agent has just failed three times, told by mail to two people and in Slack."""
    async with scene(db, clock) as made:
        yield made
