"""A transaction sent in one go: kept as a whole or not at all, and the connection good for the next one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from monitor.db import Database, Role
from monitor.embedded import EmbeddedPostgres
from monitor.pipeline import Pipeline, Statement
from tests.conftest import urls

MAKE = Statement("CREATE TEMPORARY TABLE IF NOT EXISTS kept (n int PRIMARY KEY)")
PUT = Statement("INSERT INTO kept SELECT n::int FROM unnest(string_to_array(:numbers, ' ')) AS n")
ALL = Statement("SELECT n::text FROM kept ORDER BY n")


@pytest.fixture(params=[True, False], ids=["prepared", "unprepared"])
async def pipeline(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, database_name: str
) -> AsyncIterator[Pipeline]:
    own = Database(urls(postgres, database_name), pool_size=1, prepare=request.param)
    try:
        async with own.driver(Role.OWNER) as connection:
            made = Pipeline(connection)
            async with made:
                made.add(MAKE)
            yield made
    finally:
        await own.close()


async def kept(pipeline: Pipeline) -> list[bytes | None]:
    async with pipeline:
        pipeline.add(ALL)
        return await pipeline.fetch()


async def test_what_is_added_is_kept_together(pipeline: Pipeline) -> None:
    async with pipeline:
        pipeline.add(PUT, numbers="1 2")
        pipeline.add(PUT, numbers="3")
        pipeline.add(ALL)
        assert await pipeline.fetch() == [b"1", b"2", b"3"]
        pipeline.add(PUT, numbers="4")
    assert await kept(pipeline) == [b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("at", ["first", "middle", "fetch"])
async def test_an_error_anywhere_keeps_nothing_and_is_told_as_it_is(pipeline: Pipeline, at: str) -> None:
    broken = Statement("SELECT 1 / 0")

    async def fail() -> None:
        async with pipeline:
            if at == "first":
                pipeline.add(broken)
            pipeline.add(PUT, numbers="1")
            if at == "middle":
                pipeline.add(broken)
            pipeline.add(PUT, numbers="2")
            if at == "fetch":
                pipeline.add(broken)
                await pipeline.fetch()

    with pytest.raises(psycopg.errors.DivisionByZero):
        await fail()
    assert await kept(pipeline) == []
    async with pipeline:
        pipeline.add(PUT, numbers="5")
    assert await kept(pipeline) == [b"5"]


async def test_an_error_of_ours_rolls_back(pipeline: Pipeline) -> None:
    async def fail() -> None:
        async with pipeline:
            pipeline.add(PUT, numbers="1")
            pipeline.add(ALL)
            assert await pipeline.fetch() == [b"1"]
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await kept(pipeline) == []


async def test_a_statement_that_cannot_be_prepared_is_not_remembered(pipeline: Pipeline) -> None:
    later = Statement("SELECT n::text FROM not_there")
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable):
            async with pipeline:
                pipeline.add(later)
    async with pipeline:
        pipeline.add(Statement("CREATE TEMPORARY TABLE not_there (n int)"))
    async with pipeline:
        pipeline.add(later)
        assert await pipeline.fetch() == []


async def test_nothing_is_prepared_where_the_server_may_be_another_next_time(
    request: pytest.FixtureRequest, pipeline: Pipeline
) -> None:
    count = Statement("SELECT count(*)::text FROM pg_prepared_statements WHERE NOT from_sql")
    async with pipeline:
        pipeline.add(count)
    async with pipeline:
        pipeline.add(count)
        (names,) = await pipeline.fetch()
    assert (names == b"0") is ("unprepared" in request.node.name)


async def test_two_pipelines_share_a_connection_in_turns(pipeline: Pipeline, db: Database) -> None:
    async with db.driver(Role.OWNER) as connection:
        for number in range(3):
            own = Pipeline(connection)
            async with own:
                own.add(MAKE)
                own.add(PUT, numbers=str(number))
        assert await kept(Pipeline(connection)) == [b"0", b"1", b"2"]


async def test_more_than_a_socket_holds_goes_both_ways(pipeline: Pipeline) -> None:
    echo = Statement("SELECT :text || repeat(:more, 1000)")
    text, more = "x" * 8_000_000, "y" * 8_000
    async with pipeline:
        for _ in range(3):
            pipeline.add(echo, text=text, more=more)
        (answer,) = await pipeline.fetch()
    assert answer == (text + more * 1000).encode()


async def test_a_lost_connection_is_an_error_and_not_a_wait(pipeline: Pipeline, db: Database) -> None:
    async with pipeline:
        pipeline.add(Statement("SELECT pg_backend_pid()::text"))
        (pid,) = await pipeline.fetch()
    assert pid is not None
    async with db.driver(Role.OWNER) as other:
        await other.execute("SELECT pg_terminate_backend(%s)", [int(pid)])
    with pytest.raises(psycopg.OperationalError):
        await kept(pipeline)


async def test_a_cancelled_transaction_keeps_nothing(db: Database) -> None:
    async def slow() -> None:
        async with db.driver(Role.OWNER) as connection, Pipeline(connection) as pipeline:
            pipeline.add(Statement("UPDATE tenants SET name = 'cancelled'"))
            pipeline.add(Statement("SELECT pg_sleep(30)"))

    task = asyncio.create_task(slow())
    await asyncio.sleep(0.2)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    async with db.driver(Role.OWNER) as connection:
        assert connection.pgconn.transaction_status == TransactionStatus.IDLE
        rows = await (await connection.execute("SELECT count(*) FROM tenants WHERE name = 'cancelled'")).fetchone()
        assert rows == (0,)
