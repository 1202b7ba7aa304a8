"""`agent-monitor migrate` on a server that knows nothing of us: roles, passwords and database as the URLs say."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from sqlalchemy import text

from monitor import administration, compose, pgroles
from monitor.db import Role
from monitor.embedded import EmbeddedPostgres
from monitor.errors import ConfigError, DatabaseDown
from monitor.settings import Settings
from sql import migrate


@pytest.fixture
async def admin_url(data_dir: Path) -> AsyncIterator[str]:
    """A superuser's URL on a server without any role of ours, as a fresh image has it."""
    async with EmbeddedPostgres(data_dir, durable=False) as server:
        url = server.tcp_url(database="postgres")
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute("DROP DATABASE agent_monitor")
            for role in pgroles.LOGIN_ROLES:
                await connection.execute(f"DROP OWNED BY {role} CASCADE".encode())
                await connection.execute(f"DROP ROLE {role}".encode())
        yield url


def settings_for(admin_url: str, word: str = "p@ss/wörd") -> Settings:
    """The settings of `migrate`, with passwords that URLs must quote."""
    where = urlsplit(admin_url).netloc.rpartition("@")[2]

    def url(role: str) -> str:
        return f"postgresql://{role}:{quote(f'{word} of {role}', safe='')}@{where}/fleet"

    return Settings(
        database_admin_url=admin_url,
        database_url=url(Role.APP),
        database_alerter_url=url(Role.ALERTER),
        database_doorman_url=url(Role.DOORMAN),
        database_owner_url=url(Role.OWNER),
        database_grafana_url=url(pgroles.GRAFANA),
    )


async def test_one_command_makes_all_that_is_needed(admin_url: str) -> None:
    settings = settings_for(admin_url)
    before, newest = await administration.migrate(settings, check=False, wait=5)
    assert before is None
    assert newest is not None
    async with compose.database(settings) as db:
        assert await migrate.current(db) == (newest, newest)
        for role in Role:
            async with db.role(role) as connection:
                assert (await connection.execute(text("SELECT current_user::text"))).scalar() == role
                assert (await connection.execute(text("SELECT '[1,2]'::vector <=> '[2,4]'"))).scalar() == 0
    assert settings.database_grafana_url is not None
    async with await psycopg.AsyncConnection.connect(settings.database_grafana_url) as grafana:
        await grafana.execute("SELECT count(*) FROM dashboards.agents")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await grafana.execute("SELECT count(*) FROM agents")


async def test_a_second_time_changes_nothing_but_passwords(admin_url: str) -> None:
    await administration.migrate(settings_for(admin_url), check=False, wait=5)
    changed = settings_for(admin_url, "another")
    before, newest = await administration.migrate(changed, check=False, wait=5)
    assert before == newest
    async with compose.database(changed) as db:
        await db.ping()
    async with compose.database(settings_for(admin_url)) as db:
        with pytest.raises(DatabaseDown):
            await db.ping()


async def test_everybody_else_is_kept_out(admin_url: str) -> None:
    await administration.migrate(settings_for(admin_url), check=False, wait=5)
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as connection:
        await connection.execute("CREATE ROLE stranger LOGIN PASSWORD 'x'")
    parts = urlsplit(admin_url)
    where = parts.netloc.rpartition("@")[2]
    url = urlunsplit(parts._replace(netloc=f"stranger:x@{where}", path="/fleet"))
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        await psycopg.AsyncConnection.connect(url)


async def test_urls_that_do_not_say_enough_are_named(admin_url: str) -> None:
    settings = settings_for(admin_url)
    assert settings.database_owner_url is not None
    other_database = settings.database_owner_url.replace("/fleet", "/other")
    no_password = f"postgresql://{Role.OWNER}@localhost/fleet"
    with pytest.raises(ConfigError, match="one and the same database"):
        await administration.migrate(replace(settings, database_owner_url=other_database), check=False, wait=0)
    with pytest.raises(ConfigError, match="agent_monitor_owner"):
        await administration.migrate(replace(settings, database_owner_url=no_password), check=False, wait=0)


async def test_a_server_that_does_not_answer_is_waited_for_and_given_up() -> None:
    settings = settings_for("postgresql://postgres:x@127.0.0.1:1/postgres")
    with pytest.raises(DatabaseDown):
        await administration.migrate(settings, check=False, wait=1)
