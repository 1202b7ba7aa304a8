"""The bundled PostgreSQL: who gets in and may do what, and which settings hold."""

import json
import re
import stat
from pathlib import Path

import psutil
import psycopg
import pytest

from monitor import pgroles
from monitor.db import Role
from monitor.embedded import DATABASE, EmbeddedPostgres
from monitor.errors import ConfigError
from tests.store.servers import query

APP = "agent_monitor_app"


async def test_no_login_role_is_above_row_level_security(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, durable=False) as server:
        for role in pgroles.LOGIN_ROLES:
            rights = await query(
                server.url(role),
                "SELECT session_user::text, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole"
                " FROM pg_roles WHERE rolname = current_user",
            )
            assert rights == [(role, False, False, False, False)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await query(server.url(APP), "CREATE TABLE mine (n int)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await query(server.url(APP), f"SET ROLE {Role.OWNER}")


async def test_vectors_are_there_in_every_database(data_dir: Path) -> None:
    """Only a superuser may make the extension: it stands ready before the first revision, also in one made before."""
    there = "SELECT count(*) FROM pg_extension WHERE extname = 'vector'"
    async with EmbeddedPostgres(data_dir, durable=False) as server:
        await server.create_database("another")
        assert await query(server.url(database="another"), there) == [(1,)]
        await query(server.url(), "DROP EXTENSION vector")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await query(server.url(Role.OWNER), "CREATE EXTENSION vector")
    async with EmbeddedPostgres(data_dir, durable=False) as server:
        assert await query(server.url(Role.OWNER), there) == [(1,)]


@pytest.mark.parametrize("address", ["url", "tcp_url"])
async def test_nobody_gets_in_without_the_password(data_dir: Path, address: str) -> None:
    async with EmbeddedPostgres(data_dir, durable=False) as server:
        url = re.sub(r":[^:/]*@", ":wrong@", getattr(server, address)(APP))
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            await query(url, "SELECT 1")


async def test_the_passwords_are_for_their_owner_only(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, durable=False) as server:
        file = data_dir / "credentials.json"
        passwords = json.loads(file.read_text())
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert set(passwords) == {"postgres", *pgroles.LOGIN_ROLES}
        assert len(set(passwords.values())) == len(passwords)
        assert stat.S_IMODE((data_dir / "run").stat().st_mode) == 0o700
        log = (data_dir / "postgres.log").read_text()
        assert not [role for role, password in passwords.items() if password in log]
        command = " ".join(psutil.Process(server.pid).cmdline())
        assert not [role for role, password in passwords.items() if password in command]


async def test_lost_passwords_are_a_clear_error(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, durable=False):
        pass
    (data_dir / "credentials.json").unlink()
    with pytest.raises(ConfigError, match=r"credentials\.json is gone"):
        await EmbeddedPostgres(data_dir).start()


async def test_settings_that_the_product_relies_on(data_dir: Path) -> None:
    wanted = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "timezone": "UTC",
        "jit": "off",
        "listen_addresses": "127.0.0.1",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "shared_buffers": "256MB",
        "max_connections": "200",
    }
    async with EmbeddedPostgres(data_dir) as server:
        names = ", ".join(f"current_setting('{name}')" for name in wanted)
        assert await query(server.url(APP), f"SELECT {names}") == [tuple(wanted.values())]
        assert await query(server.url(APP), "SELECT upper('straße ñ'), 'ä' ~ '^[[:alpha:]]$'") == [("STRAßE Ñ", True)]


async def test_databases_are_cloned_from_a_template_and_dropped(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, durable=False) as server:
        await query(server.url(Role.OWNER), f"CREATE TABLE t AS SELECT 7 AS n; GRANT SELECT ON t TO {APP}")
        await server.create_database("copy", template=DATABASE)
        await query(server.url(Role.OWNER, "copy"), "UPDATE t SET n = 8")
        assert await query(server.url(APP, "copy"), "SELECT n FROM t") == [(8,)]
        assert await query(server.url(APP), "SELECT n FROM t") == [(7,)]
        await server.create_database("empty")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await query(server.url(APP, "empty"), "CREATE TABLE mine (n int)")
        async with await psycopg.AsyncConnection.connect(server.url(APP, "copy")):
            await server.drop_database("copy")
        await server.drop_database("copy")
        with pytest.raises(psycopg.OperationalError, match='database "copy" does not exist'):
            await query(server.url(APP, "copy"), "SELECT 1")
