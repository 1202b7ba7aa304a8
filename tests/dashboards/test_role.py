"""What Grafana's role may read, tried as that role: the views, and nothing behind or beside them."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg import errors as pg
from sqlalchemy import text

from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from sql.models import metadata
from tests.factories import make_agent, make_tenant

Connection = psycopg.AsyncConnection
NEVER_SHOWN = {
    "key_hash", "prefix", "ping_token", "webhook_url", "secret", "target", "password_hash", "email", "contact_email",
    "message", "last_message", "details", "config", "metadata", "settings", "fallback_channel", "payload",
}  # fmt: skip


@pytest.fixture
async def grafana(postgres: EmbeddedPostgres, database_name: str, db: Database) -> AsyncIterator[Connection]:
    """Its connection, without the safety catches that it can take off itself."""
    url = postgres.url("agent_monitor_grafana", database_name)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("SET default_transaction_read_only = off")
        yield connection


@pytest.mark.parametrize("table", sorted({*metadata.tables, "alembic_version"}))
async def test_no_table_can_be_read(grafana: Connection, table: str) -> None:
    for statement in (f"SELECT count(*) FROM public.{table}", f"DELETE FROM public.{table}"):
        with pytest.raises(pg.InsufficientPrivilege):
            await grafana.execute(statement.encode())


async def test_nothing_secret_is_in_the_views(db: Database) -> None:
    query = text("SELECT DISTINCT column_name FROM information_schema.columns WHERE table_schema = 'dashboards'")
    async with db.owner() as owner:
        shown = set((await owner.execute(query)).scalars())
    assert "last_seen_at" in shown
    assert shown & NEVER_SHOWN == set()


async def test_every_tenant_is_shown_and_nothing_can_be_changed(grafana: Connection, db: Database) -> None:
    one, two = await make_tenant(db), await make_tenant(db)
    await make_agent(db, one.id, "one")
    await make_agent(db, two.id, "two")
    found = await (await grafana.execute("SELECT agent FROM dashboards.agents ORDER BY 1")).fetchall()
    assert found == [("one",), ("two",)]
    for statement in (
        "UPDATE dashboards.tenants SET status = 'deleted'",
        "DELETE FROM dashboards.samples",
        "CREATE TABLE dashboards.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "CREATE TEMPORARY TABLE mine (a int)",
        "SET ROLE agent_monitor_owner",
    ):
        with pytest.raises(pg.InsufficientPrivilege):
            await grafana.execute(statement.encode())


async def test_it_reads_only_and_not_for_ever(postgres: EmbeddedPostgres, database_name: str) -> None:
    """What a session begins with, and what the role is."""
    url = postgres.url("agent_monitor_grafana", database_name)
    async with await psycopg.AsyncConnection.connect(url) as connection:
        row = await (
            await connection.execute(
                "SELECT current_setting('default_transaction_read_only'), current_setting('statement_timeout'), "
                "rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
            )
        ).fetchone()
    assert row == ("on", "30s", False, False, False, False)


@pytest.mark.parametrize("role", ["agent_monitor_app", "agent_monitor_alerter", "agent_monitor_doorman"])
async def test_nobody_else_gets_past_row_level_security_through_the_views(
    postgres: EmbeddedPostgres, database_name: str, role: str
) -> None:
    async with await psycopg.AsyncConnection.connect(postgres.url(role, database_name)) as connection:
        with pytest.raises(pg.InsufficientPrivilege, match="schema dashboards"):
            await connection.execute("SELECT * FROM dashboards.agents")


async def test_only_the_partitions_of_the_span_are_opened(grafana: Connection) -> None:
    """An hour of logs, points and rollups lies in a partition or two, and the functions do not hide that."""
    nobody = "'00000000-0000-7000-8000-000000000000'"
    span = "date_trunc('day', now()) + interval '9 hours', date_trunc('day', now()) + interval '10 hours'"
    for question in (
        f"executions({nobody}, {span})",
        f"points({nobody}, '^m$', '.', '.', {span})",
        f"hours({nobody}, '^m$', {span})",
    ):
        plan = await (
            await grafana.execute(f"EXPLAIN (ANALYZE, COSTS OFF) SELECT * FROM dashboards.{question}".encode())
        ).fetchall()
        opened = {
            word for (line,) in plan for word in line.split() if "_p2" in word and not word.endswith(("_pkey", "_idx"))
        }
        assert 1 <= len(opened) <= 3, (question, opened)
