"""A tenant's own role in Grafana, with free SQL: everything of its own, and nothing of anybody else."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
import typer
from psycopg import errors as pg
from sqlalchemy import text
from typer.testing import CliRunner

from monitor import dashboards_cli, grafana_access
from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from monitor.errors import ConfigError, NotFound
from monitor.settings import Settings
from sql.models import metadata
from tests.http.furnished import furnish
from tests.http.furnished.made import Furnished
from tests.sql.access import TABLES

Connection = psycopg.AsyncConnection
APP = typer.Typer()
dashboards_cli.attach(APP)
VIEWS = sorted(name for name in TABLES if name.startswith("dashboards."))
PLATFORMS = {"dashboards.leases", "dashboards.progress"}


@dataclass(frozen=True, slots=True)
class Two:
    """Two tenants with a row in every table, and how to be let in."""

    mine: Furnished
    theirs: Furnished
    settings: Settings
    server: EmbeddedPostgres
    database: str

    def url(self, granted: grafana_access.Granted) -> str:
        """As the tenant's data source connects."""
        parts = urlsplit(self.server.url("postgres", self.database))
        where = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{granted.role}:{quote(granted.password)}@{where}"))


@pytest.fixture
async def two(postgres: EmbeddedPostgres, database_name: str, db: Database) -> AsyncIterator[Two]:
    """Furnished, and without their roles in the end: those are the server's, not the database's."""
    mine, theirs = await furnish(db, "mine"), await furnish(db, "theirs")
    settings = Settings(
        database_admin_url=postgres.url("postgres", "postgres"),
        database_url=postgres.url("agent_monitor_app", database_name),
        database_alerter_url=postgres.url("agent_monitor_alerter", database_name),
        database_doorman_url=postgres.url("agent_monitor_doorman", database_name),
        database_owner_url=postgres.url("agent_monitor_owner", database_name),
    )
    yield Two(mine, theirs, settings, postgres, database_name)
    for one in (mine, theirs):
        await grafana_access.revoke(settings, one.tenant.slug)


@pytest.fixture
async def tenant(two: Two) -> AsyncIterator[Connection]:
    """The first tenant's connection, without the safety catches that it can take off itself."""
    granted = await grafana_access.grant(two.settings, two.mine.tenant.slug)
    async with await Connection.connect(two.url(granted), autocommit=True) as connection:
        await connection.execute("SET default_transaction_read_only = off")
        yield connection


async def rows(connection: Connection, statement: str) -> list[tuple[object, ...]]:
    return await (await connection.execute(statement.encode())).fetchall()


async def test_every_view_shows_its_own_rows_and_no_others(two: Two, tenant: Connection) -> None:
    """Each has rows of both tenants, as Grafana's own role sees; the platform's are for nobody else."""
    url = two.server.url("agent_monitor_grafana", two.database)
    async with await Connection.connect(url, autocommit=True) as operator:
        for view in VIEWS:
            everything = str(await rows(operator, f"SELECT x::text FROM {view} x"))
            own = await rows(tenant, f"SELECT x::text FROM {view} x")
            if view in PLATFORMS:
                assert own == []
                continue
            if view not in {"dashboards.samples", "dashboards.sample_chunks"}:
                assert str(two.theirs.tenant.id) in everything, view
                assert str(two.mine.tenant.id) in str(own), view
            for secret in (str(two.theirs.tenant.id), *two.theirs.uuids, "theirs"):
                assert secret not in str(own), view


ATTEMPTS = (
    "SELECT set_config('app.current_tenant_id', '{theirs}', false)",
    "SET app.current_tenant_id = '{theirs}'",
    "SET row_security = off",
    "SET search_path = dashboards, public",
    "SET ROLE agent_monitor_tenants",
    "SET SESSION AUTHORIZATION agent_monitor_grafana",
    "SET ROLE agent_monitor_grafana",
    "SET ROLE agent_monitor_views",
    "SET ROLE agent_monitor_owner",
    "CREATE FUNCTION pg_temp.tell(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS "
    "'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'",
)  # fmt: skip


async def test_nothing_that_is_set_shows_more(two: Two, tenant: Connection) -> None:
    """Whether a statement is refused or not: afterwards the role sees its own, or nothing at all."""
    theirs = str(two.theirs.tenant.id)
    for attempt in ATTEMPTS:
        with contextlib.suppress(pg.InsufficientPrivilege, pg.InvalidParameterValue):
            await tenant.execute(attempt.format(theirs=theirs).encode())
        for view in ("dashboards.tenants", "dashboards.agents", "dashboards.usage"):
            try:
                found = await rows(tenant, f"SELECT x::text FROM {view} x")
            except pg.InsufficientPrivilege:
                continue
            assert theirs not in str(found), attempt
            assert "theirs" not in str(found), attempt
        await tenant.execute("RESET ROLE")
        await tenant.execute("RESET ALL")
        await tenant.execute("SET default_transaction_read_only = off")
    assert len(await rows(tenant, "SELECT FROM dashboards.tenants")) == 1


async def test_what_is_asked_for_another_tenant_is_empty(two: Two, tenant: Connection) -> None:
    """By the functions too, and by conditions that would say something if they were tried on others' rows."""
    theirs, span = two.theirs.tenant.id, "now() - interval '1 day', now() + interval '1 day'"
    for asked in (
        f"dashboards.executions('{theirs}', {span})",
        f"dashboards.points('{theirs}', '.', '.', '.', {span})",
        f"dashboards.hours('{theirs}', '.', {span})",
        f"dashboards.days('{theirs}', '.', {span})",
        f"dashboards.agents WHERE tenant_id = '{theirs}'",
        f"dashboards.alerts WHERE alert_id = '{two.theirs.ids['alert']}'",
    ):
        assert await rows(tenant, f"SELECT * FROM {asked}") == []
    assert await rows(tenant, f"SELECT dashboards.agent_pattern('{theirs}', 'x', '.')") == [("",)]
    # A division by zero for their rows would tell that they are there.
    assert await rows(tenant, "SELECT 1 FROM dashboards.agents WHERE 1 / (CASE agent WHEN 'theirs-agent' THEN 0 "
                              "ELSE 1 END) = 2") == []  # fmt: skip
    assert await rows(tenant, "SELECT 1 FROM dashboards.tenants WHERE (slug || 'x')::text = 'a' "
                              "OR (CASE slug WHEN 'theirs-tenant' THEN 'no' ELSE '1' END)::int = 2") == []  # fmt: skip


async def test_no_table_and_nothing_beside_it(two: Two, tenant: Connection) -> None:
    for table in (*metadata.tables, "alembic_version", "usage_by_month", "usage_months", "effective_quotas"):
        with pytest.raises(pg.InsufficientPrivilege):
            await tenant.execute(f"SELECT count(*) FROM public.{table}".encode())
    for statement in (
        "DELETE FROM dashboards.requests", "CREATE TABLE public.mine (a int)", "CREATE TABLE dashboards.mine (a int)",
        "CREATE TEMPORARY TABLE mine (a int)", "SELECT pg_read_file('PG_VERSION')", "SELECT * FROM pg_authid",
        "COPY (SELECT 1) TO '/tmp/taken'", "COPY (SELECT 1) TO PROGRAM 'true'", "SELECT * FROM pg_statistic",
    ):  # fmt: skip
        with pytest.raises(pg.InsufficientPrivilege):
            await tenant.execute(statement.encode())


async def test_the_catalogue_says_nothing_of_others(two: Two, tenant: Connection, db: Database) -> None:
    """Roles are called by digests, others' statements and statistics of columns are hidden."""
    await grafana_access.grant(two.settings, two.theirs.tenant.slug)
    async with db.owner() as owner:
        await owner.execute(text("SELECT 'theirs-statement'"))
        seen = [
            await rows(tenant, "SELECT rolname FROM pg_roles"),
            await rows(tenant, "SELECT query, usename FROM pg_stat_activity WHERE usename <> current_user"),
            await rows(tenant, "SELECT * FROM pg_stats WHERE schemaname IN ('public', 'dashboards')"),
        ]
    assert str(two.theirs.tenant.id) not in str(seen)
    assert two.theirs.tenant.id.hex not in str(seen)
    assert "theirs" not in str(seen)
    assert seen[2] == []


async def test_a_deleted_tenant_sees_nothing_any_more(two: Two, tenant: Connection, db: Database) -> None:
    assert len(await rows(tenant, "SELECT FROM dashboards.agents")) == 2
    async with db.owner() as owner:
        gone = text("UPDATE tenants SET status = 'deleted', deleted_at = now() WHERE id = :id")
        await owner.execute(gone, {"id": two.mine.tenant.id})
    for view in VIEWS:
        assert await rows(tenant, f"SELECT FROM {view}") == [], view


async def test_granting_again_changes_the_password_and_revoking_ends_sessions(two: Two, tenant: Connection) -> None:
    slug = two.mine.tenant.slug
    first = await grafana_access.grant(two.settings, slug)
    again = await grafana_access.grant(two.settings, slug)
    assert (first.role, first.database) == (again.role, again.database)
    with pytest.raises(psycopg.OperationalError, match="password"):
        await Connection.connect(two.url(first))
    async with await Connection.connect(two.url(again)) as connection:
        shown = "SELECT current_setting('default_transaction_read_only'), current_setting('statement_timeout')"
        assert await rows(connection, shown) == [("on", "30s")]
    assert await grafana_access.revoke(two.settings, slug)
    with pytest.raises(psycopg.OperationalError):
        await tenant.execute("SELECT 1")
    assert not await grafana_access.revoke(two.settings, slug)


async def test_who_may_not_make_roles_is_told_so(two: Two) -> None:
    with pytest.raises(ConfigError, match="AGENT_MONITOR_DATABASE_ADMIN_URL is not set"):
        await grafana_access.grant(Settings(), "x")
    with pytest.raises(NotFound):
        await grafana_access.grant(two.settings, "nobody")


def test_from_the_command_line(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", "_alerter", "_doorman", "_owner", "_admin"):
        monkeypatch.setenv(f"AGENT_MONITOR_DATABASE{name.upper()}_URL", getattr(two.settings, f"database{name}_url"))
    run, slug = CliRunner(), two.mine.tenant.slug
    said = run.invoke(APP, ["dashboards", "grant", slug])
    assert said.exit_code == 0, said.output
    told = dict(line.split(": ") for line in said.output.splitlines())
    assert (told["database"], told["user"]) == (two.database, grafana_access.role_of(two.mine.tenant.id))
    for expected in ("revoked", "had none"):
        assert run.invoke(APP, ["dashboards", "revoke", slug]).output == f"{slug}: {expected}\n"
