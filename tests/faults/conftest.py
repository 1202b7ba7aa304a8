"""Fixtures of the fault tests: a durable PostgreSQL on disk, a tenant, where messages go."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.channels.servers import serving
from tests.factories import TenantMade, make_tenant
from tests.faults.receivers import HeldMailbox, HeldSlack
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


@pytest.fixture
def mailbox() -> Iterator[HeldMailbox]:
    """A mail server."""
    made = HeldMailbox()
    made.controller.start()
    yield made
    made.hold.on = False
    made.controller.stop()


@pytest.fixture
async def slack() -> AsyncIterator[HeldSlack]:
    """Slack's Web API, as far as it is used."""
    async with serving(HeldSlack()) as made:
        assert isinstance(made, HeldSlack)
        yield made
        made.hold.on = False
