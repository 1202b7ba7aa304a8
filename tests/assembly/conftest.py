"""A collector and an assembler over a fresh database."""

from collections.abc import AsyncIterator

import pytest

from monitor.db import Database
from tests.assembly.chain import Chain, chained
from tests.conftest import SettableClock


@pytest.fixture
async def chain(db: Database, clock: SettableClock) -> AsyncIterator[Chain]:
    """The real chain: steps in, runs out when told."""
    async with chained(db, clock) as made:
        yield made
