"""Whether the servers have room for every connection that the processes may open: instances × pool size + buffer."""

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import psycopg
from sqlalchemy import text

from monitor.db import Database, Role, shares, translated
from monitor.errors import DatabaseDown
from monitor.settings import Settings

BUFFER = 10
"""Connections for people, backups, Grafana and the commands of `agent-monitor`."""
FEWEST, MOST = 20, 50
"""Connections that a process should have: fewer make requests wait, more are of no use."""
_LIMIT = text(
    "SELECT sum(CASE WHEN name = 'max_connections' THEN setting::int ELSE -setting::int END) FROM pg_settings "
    "WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')"
)


@dataclass(frozen=True, slots=True)
class Room:
    """One limit and what may be asked of it."""

    server: str
    sum: str
    needed: int
    limit: int

    @property
    def enough(self) -> bool:
        """Whether it fits."""
        return self.needed <= self.limit

    def __str__(self) -> str:
        return f"{self.sum} = {self.needed} of {self.server}'s {self.limit}"


@dataclass(frozen=True, slots=True)
class Pooler:
    """What PgBouncer says of itself: connections it takes, and connections it opens."""

    takes: int
    opens: int


def rooms(*, instances: int, pool: int, limit: int, pooler: Pooler | None = None, direct: int = 0) -> list[Room]:
    """The sums. `limit`: what PostgreSQL takes; `direct`: connections of a process that go around the pooler."""
    every = f"{instances} processes × {pool} + {BUFFER}"
    wanted = instances * pool + BUFFER
    if pooler is None:
        return [Room("PostgreSQL", every, wanted, limit)]
    around = f" + {instances} × {direct}" if direct else ""
    opened = pooler.opens + instances * direct + BUFFER
    return [
        Room("PgBouncer", every, wanted, pooler.takes),
        Room("PostgreSQL", f"{pooler.opens} from PgBouncer{around} + {BUFFER}", opened, limit),
    ]


async def look(settings: Settings, db: Database) -> list[Room]:
    """The sums for the servers that the settings name. Raises DatabaseDown."""
    async with db.owner() as connection:
        limit = int((await connection.execute(_LIMIT)).scalar_one())
    sizes, behind = shares(settings.database_pool_size), _address(settings, Role.APP)
    around = [role for role in Role if _address(settings, role) != behind]
    pooler = await _pooler(settings.role_url(Role.APP), roles=len(Role) - len(around))
    direct = sum(sizes[role] for role in around)
    return rooms(
        instances=settings.instances, pool=settings.database_pool_size, limit=limit, pooler=pooler, direct=direct
    )


def _address(settings: Settings, role: Role) -> str:
    return urlsplit(settings.role_url(role)).netloc.rpartition("@")[2]


async def _pooler(url: str, *, roles: int) -> Pooler | None:
    """Ask the console that PgBouncer has in the place of a database; None where that is PostgreSQL itself.

    https://www.pgbouncer.org/usage.html#admin-console
    """
    console = urlunsplit(urlsplit(url)._replace(path="/pgbouncer"))
    try:
        with translated():
            async with await psycopg.AsyncConnection.connect(console, autocommit=True, connect_timeout=5) as connection:
                found = await (await connection.execute("SHOW CONFIG")).fetchall()
    except DatabaseDown as fault:
        if "not allowed" in str(fault.__cause__):
            raise DatabaseDown(
                "PgBouncer does not tell its limits: name agent_monitor_app in its stats_users"
            ) from fault
        return None
    said = {str(row[0]): str(row[1]) for row in found}
    pools = roles * (int(said["default_pool_size"]) + int(said["reserve_pool_size"]))
    most = int(said["max_db_connections"])
    return Pooler(takes=int(said["max_client_conn"]), opens=min(pools, most) if most else pools)
