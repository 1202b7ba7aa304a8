"""The real alerter over simulated hours and a week, on real databases: whatever breaks, nothing is missed or lost."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, time, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from alerts.core.message import Message
from alerts.core.vocabulary import ChannelKind, Reason
from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from tests.conftest import SettableClock, urls
from tests.simulation.agents import answered
from tests.simulation.fleet import make_fleet
from tests.simulation.seen import Fault
from tests.simulation.week import Record, Week

Run = Callable[..., Awaitable[Record]]


@pytest.fixture
def run(postgres: EmbeddedPostgres, template: str, clock: SettableClock) -> Run:
    """Runs a fleet on a database of its own, from the next midnight on."""
    start = datetime.combine(clock.time.date() + timedelta(days=1), time(), UTC)

    @contextlib.asynccontextmanager
    async def fresh() -> AsyncIterator[tuple[Database, str]]:
        name = f"t_{uuid4().hex}"
        await postgres.create_database(name, template=template)
        db = Database(urls(postgres, name), pool_size=5)
        try:
            yield db, name
        finally:
            await db.close()
            await postgres.drop_database(name)

    async def running(seed: int, length: timedelta, agents: int, often: float, week: type[Week] = Week) -> Record:
        fleet = make_fleet(seed, start, length, agents, often=often)
        async with fresh() as (db, name):
            return await week(db, postgres, name, fleet, clock=clock, seed=seed).run()

    return running


async def test_hours_full_of_trouble_are_without_fault_and_the_same_again(run: Run) -> None:
    first, again = [await run(4, timedelta(hours=2), 2, 10) for _ in range(2)]
    assert not first.faults, f"{len(first.faults)} faults: {first.faults[:20]}"
    assert first == again
    assert first.opened > 10
    assert first.kills > 2


class Swallows(Week):
    """A channel that takes a message and loses it."""

    def take(self, kind: ChannelKind, target: str, message: Message, dies: bool) -> None:
        """Firings are lost."""
        if message.reason is not Reason.FIRST:
            super().take(kind, target, message, dies)


class LosesTheNews(Week):
    """Rules are not told what agents have done."""

    async def meddle(self, now: datetime) -> None:
        """After half an hour nothing is noted any more."""
        if now - self.fleet.ticks.start > timedelta(minutes=30):
            await answered(self._forget)

    async def _forget(self) -> None:
        async with self.db.owner() as connection:
            await connection.execute(text("DELETE FROM touched"))


@pytest.mark.parametrize(("week", "minutes", "fault"), [(Swallows, 50, Fault.LOST), (LosesTheNews, 85, Fault.MISSED)])
async def test_a_fault_is_named(run: Run, week: type[Week], minutes: int, fault: Fault) -> None:
    done = await run(20, timedelta(minutes=minutes), 2, 10, week)
    assert fault in {kind for kind, _ in done.faults}


@pytest.mark.accept
async def test_a_week(run: Run) -> None:
    done = await run(31, timedelta(days=7), 3, 2)
    assert not done.faults, f"{len(done.faults)} faults: {done.faults[:20]}"
    assert done.opened > 300
    assert done.kills > 20
