"""A tenant's own way into PostgreSQL for its Grafana: a login that looks through the views of the schema `dashboards`
and sees that tenant alone, whatever SQL is typed.

The policies behind the views compare each row's tenant with the role that looks: its name is a digest of the tenant's
id, so that the server's list of roles says nothing of who the tenants are.
"""

import hashlib
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psycopg
from psycopg import sql

from monitor import compose
from monitor.administration import tenant_of
from monitor.db import translated
from monitor.errors import ConfigError
from monitor.pgroles import GRAFANA, TENANTS, verifier_of
from monitor.settings import PREFIX, Settings

CONNECTIONS = 10
"""How many sessions a tenant's Grafana may have at once."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What Grafana's data source is given. `password` is nowhere else."""

    role: str
    password: str
    database: str


def role_of(tenant_id: UUID) -> str:
    """The name of a tenant's role, as the policies make it of the tenant's id."""
    return f"{GRAFANA}_{hashlib.md5(str(tenant_id).encode(), usedforsecurity=False).hexdigest()}"


async def grant(settings: Settings, slug: str) -> Granted:
    """Make the tenant's role, or give the one it has a new password; what is in use goes on.

    Raises ConfigError without a superuser's URL, NotFound where there is no such tenant, DatabaseDown.
    """
    admin, database = _admin(settings)
    async with compose.database(settings) as db, db.owner() as owner:
        role = role_of((await tenant_of(owner, slug)).id)
    password = secrets.token_urlsafe(24)
    with translated():
        async with await psycopg.AsyncConnection.connect(admin, connect_timeout=5) as connection:
            known = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
            words: dict[str, sql.Composable] = {
                "role": sql.Identifier(role), "group": sql.Identifier(TENANTS), "database": sql.Identifier(database),
                "password": sql.Literal(verifier_of(connection, role, password)),
                "connections": sql.Literal(CONNECTIONS),
            }  # fmt: skip
            for statement in (
                *(("CREATE ROLE {role}",) if await known.fetchone() is None else ()),
                "ALTER ROLE {role} LOGIN INHERIT NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION "
                "CONNECTION LIMIT {connections} PASSWORD {password}",
                "ALTER ROLE {role} SET default_transaction_read_only = on",
                "ALTER ROLE {role} SET statement_timeout = '30s'",
                "GRANT {group} TO {role}",
                "GRANT CONNECT ON DATABASE {database} TO {group}",
            ):
                await connection.execute(sql.SQL(statement).format(**words))
    return Granted(role, password, database)


async def revoke(settings: Settings, slug: str) -> bool:
    """Take the tenant's role away and end its sessions; whether there was one. Raises as `grant` does."""
    admin, _ = _admin(settings)
    async with compose.database(settings) as db, db.owner() as owner:
        role = role_of((await tenant_of(owner, slug)).id)
    with translated():
        async with await psycopg.AsyncConnection.connect(admin, connect_timeout=5) as connection:
            known = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
            if await known.fetchone() is None:
                return False
            await connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(role)))
            await connection.commit()  # nobody comes in any more; now those who are in go
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role]
            )
            await connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    return True


def _admin(settings: Settings) -> tuple[str, str]:
    """A superuser's address of our database, and the database's name."""
    if settings.database_admin_url is None:
        raise ConfigError(f"{PREFIX}DATABASE_ADMIN_URL is not set: only a superuser makes and drops roles")
    database = urlsplit(settings.database_owner_url or "").path.strip("/")
    return urlunsplit(urlsplit(settings.database_admin_url)._replace(path=f"/{database}")), database
