"""Group commit: what one request's fault does to the others, and what a lost database does to all."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from monitor.agents.live import LogRow
from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from monitor.errors import DatabaseDown, InvalidInput, MonitorError, Unavailable
from monitor.ids import microseconds, uuid7
from monitor.ingest.commit import Job
from tests.conftest import SettableClock, urls
from tests.factories import make_tenant
from tests.http.collector import Collector, collecting
from tests.http.wire import Wire, wired

LOG = {"agent": "a", "status": "error"}


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        await made.post("logs", {"agent": "a", "status": "success"})
        yield made


@pytest.fixture
async def cuttable(
    postgres: EmbeddedPostgres, database_name: str, clock: SettableClock
) -> AsyncIterator[tuple[Collector, Wire]]:
    """A collector whose database can be taken away."""
    async with wired(urls(postgres, database_name)) as (db, wire), collecting(db, clock) as made:
        assert (await made.post("logs", LOG)).status_code == 202
        yield made, wire


async def job(api: Collector, clock: SettableClock, **fields: Any) -> Job:
    """A job of one log, with fields that no request could have."""
    made = Job(api.tenant.id)
    now_us = microseconds(clock())
    row = LogRow(
        await api.agent_id(), uuid7(clock()), now_us, None, None, None, "execution", "error", None, None, None, None
    )
    made.logs.append(row._replace(**fields))
    return made


async def outcomes(api: Collector, jobs: list[Job]) -> list[BaseException | None]:
    """What becomes of jobs that are submitted together."""
    return await asyncio.gather(*(api.ingest.batcher.submit(one) for one in jobs), return_exceptions=True)


@pytest.mark.parametrize(
    ("poison", "error"),
    [
        ({"status": "bogus"}, InvalidInput),
        ({"details": b"{"}, InvalidInput),
        ({"received_us": -(10**18)}, MonitorError),
    ],
)
async def test_a_poisoned_request_fails_alone(
    api: Collector, clock: SettableClock, poison: dict[str, Any], error: type[MonitorError]
) -> None:
    jobs = [await job(api, clock, **(poison if number == 3 else {})) for number in range(8)]
    found = await outcomes(api, jobs)
    assert [number for number, fault in enumerate(found) if fault is not None] == [3]
    assert isinstance(found[3], error)
    assert (await api.live())["consecutive_failures"] == 7
    assert api.ingest.deps.registry.get_sample_value("agent_monitor_poisoned_requests_total") == 1


async def test_a_fault_of_ours_ends_neither_the_writer_nor_other_requests(api: Collector, clock: SettableClock) -> None:
    half_pair = await job(api, clock, message="\ud800")
    (fault,) = await outcomes(api, [half_pair])
    assert isinstance(fault, MonitorError)
    assert fault.status == 500
    assert await outcomes(api, [await job(api, clock)]) == [None]


async def test_a_day_without_a_partition_is_unavailable_not_wrong(api: Collector, clock: SettableClock) -> None:
    (fault,) = await outcomes(api, [await job(api, clock, id=uuid7(clock.advance(40 * 86_400)))])
    assert isinstance(fault, Unavailable)


async def test_many_requests_share_a_commit(api: Collector) -> None:
    registry = api.ingest.deps.registry
    before = registry.get_sample_value("agent_monitor_commit_seconds_count") or 0
    answers = await asyncio.gather(*(api.post("logs", LOG) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {202}
    assert (registry.get_sample_value("agent_monitor_commit_seconds_count") or 0) - before < 20
    assert (await api.live())["consecutive_failures"] == 40


async def test_tenants_share_a_commit_and_see_nothing_of_each_other(
    api: Collector, db: Database, clock: SettableClock
) -> None:
    async with collecting(db, clock) as other:
        await other.post("logs", LOG)
        mixed = [await job(each, clock) for each in (api, other) * 5]
        assert await outcomes(api, mixed) == [None] * 10
        assert (await api.live())["consecutive_failures"] == 5
        assert (await other.live())["consecutive_failures"] == 6


async def test_a_cancelled_request_does_not_break_the_others(api: Collector, clock: SettableClock) -> None:
    jobs = [await job(api, clock) for _ in range(5)]
    tasks = [asyncio.create_task(api.ingest.batcher.submit(one)) for one in jobs]
    await asyncio.sleep(0)
    tasks[2].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found if one is not None] == [asyncio.CancelledError]


async def test_closing_commits_what_waits(db: Database, clock: SettableClock) -> None:
    tenant = await make_tenant(db)
    async with collecting(db, clock, tenant=tenant) as api:
        await api.post("logs", LOG)
        waiting = [asyncio.create_task(api.ingest.batcher.submit(await job(api, clock))) for _ in range(20)]
        await asyncio.sleep(0)
        await api.ingest.batcher.close()
        assert await asyncio.gather(*waiting) == [None] * 20
        refused = await api.post("logs", LOG)
        assert (refused.status_code, (await api.live())["consecutive_failures"]) == (503, 21)


async def test_without_the_database_requests_come_again_and_then_go_on(cuttable: tuple[Collector, Wire]) -> None:
    api, wire = cuttable
    wire.cut()
    answers = await asyncio.gather(*(api.post("logs", LOG) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {503}
    assert {answer.headers["retry-after"] for answer in answers} == {"1"}
    wire.mend()
    statuses = [(await api.post("logs", LOG)).status_code for _ in range(12)]
    assert statuses[-1] == 202
    assert statuses.count(202) + 1 <= (await api.live())["consecutive_failures"]


async def test_writers_find_a_new_connection_by_themselves(
    cuttable: tuple[Collector, Wire], clock: SettableClock
) -> None:
    api, wire = cuttable
    jobs = [await job(api, clock) for _ in range(4)]
    wire.drop()
    await asyncio.sleep(1.1)
    # After a rest the connection is tried before a batch is risked on it: nobody notices that it was lost.
    assert await outcomes(api, jobs) == [None] * 4


async def test_a_connection_lost_while_storing_is_told_as_such(
    cuttable: tuple[Collector, Wire], clock: SettableClock
) -> None:
    api, wire = cuttable
    lost = await job(api, clock)
    assert await outcomes(api, [await job(api, clock)]) == [None]
    wire.drop()
    (fault,) = await outcomes(api, [lost])
    assert isinstance(fault, DatabaseDown)
