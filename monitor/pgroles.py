"""What a PostgreSQL server needs before the first revision: the login roles, their passwords, the database, and the
extension for vectors, which only a superuser may make."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from monitor.db import Role, translated
from monitor.errors import ConfigError

GRAFANA = "agent_monitor_grafana"
BACKUP = "agent_monitor_backup"
OPERATOR = "agent_monitor_operator"
TENANTS = "agent_monitor_tenants"
"""What tenants' own roles in Grafana are members of."""
LOGIN_ROLES = (*(role.value for role in Role), GRAFANA, BACKUP, OPERATOR)
"""As `sql/roles.sql` makes them."""
ROLES_SQL = Path(__file__).parent.parent / "sql" / "roles.sql"

# Where the server has no such files, the revision that needs them says so.
_VECTOR = """
    DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') THEN
            CREATE EXTENSION IF NOT EXISTS vector;
        END IF;
    END $$
"""

Connect = Callable[[str], Awaitable[psycopg.AsyncConnection]]
"""Opens an autocommitting connection of a superuser to the database with this name."""


async def furnish(admin_url: str, urls: Mapping[str, str]) -> None:
    """Make the roles and the database that `urls` name, with the passwords in them. Changes nothing the second time,
    but for passwords that are others now.

    `admin_url` is a superuser's. Raises ConfigError when the URLs do not say enough, DatabaseDown.
    """
    passwords, databases = {}, set()
    for role, url in urls.items():
        parts = urlsplit(url)
        if parts.username != role or not parts.password:
            raise ConfigError(f"the URL of {role} must hold that name and its password: it is made with them")
        passwords[role] = unquote(parts.password)
        databases.add(parts.path.strip("/"))
    if len(databases) != 1 or databases == {""}:
        raise ConfigError("the URLs of the login roles must name one and the same database")

    async def connect(database: str) -> psycopg.AsyncConnection:
        url = urlunsplit(urlsplit(admin_url)._replace(path=f"/{database}"))
        return await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5)

    with translated():
        await make_roles(connect, passwords)
        await ensure_database(connect, databases.pop())


async def make_roles(connect: Connect, passwords: Mapping[str, str]) -> None:
    """The login roles of `sql/roles.sql`, and the passwords given."""
    async with await connect("postgres") as connection:
        await connection.execute(ROLES_SQL.read_bytes())
        for role, password in passwords.items():  # a verifier, not the password: statements may be logged
            verifier = sql.Literal(verifier_of(connection, role, password))
            alter = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), verifier)
            await connection.execute(alter)


def verifier_of(connection: psycopg.AsyncConnection, role: str, password: str) -> str:
    """What the server keeps of a password."""
    return connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()


async def ensure_database(connect: Connect, name: str) -> None:
    """The database `name`, the owner's and closed to all but the login roles; made where it is missing."""
    async with await connect("postgres") as connection:
        found = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        missing = await found.fetchone() is None
    if missing:
        await make_database(connect, name)
    else:
        await close(connect, name)


async def make_database(connect: Connect, name: str, *, template: str = "template1") -> None:
    """The same where there is none of that name; a copy of `template`."""
    make = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    async with await connect("postgres") as connection:
        await connection.execute(make)
    await close(connect, name)


async def close(connect: Connect, name: str) -> None:
    """Give a database to the owner, with the extension in it, and close it to everybody but the login roles."""
    words: dict[str, sql.Composable] = {"name": sql.Identifier(name), "owner": sql.Identifier(Role.OWNER.value)}
    words["roles"] = sql.SQL(", ").join(map(sql.Identifier, (*LOGIN_ROLES, TENANTS)))
    async with await connect(name) as connection:
        for statement in (
            "ALTER DATABASE {name} OWNER TO {owner}",
            "REVOKE ALL ON DATABASE {name} FROM PUBLIC",
            "GRANT CONNECT ON DATABASE {name} TO {roles}",
            "ALTER SCHEMA public OWNER TO {owner}",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        ):
            await connection.execute(sql.SQL(statement).format(**words))
        await connection.execute(_VECTOR)
