"""PostgreSQL for tests: one that the environment names, the bundled one or one on PATH, or one in a container."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from monitor import pgroles
from monitor.embedded import DATABASE, EmbeddedPostgres
from monitor.errors import ConfigError
from monitor.pgbinaries import choose
from monitor.pgcluster import SUPERUSER
from tests import parts

if TYPE_CHECKING:
    from testcontainers.community.postgres import PostgresContainer

PASSWORD = "a password for tests"
_LOCK = 7_305_311_829_014_119
"""Any fixed number: one worker at a time makes the roles."""


class PostgresElsewhere(EmbeddedPostgres):
    """The same verbs on a server that somebody else runs; only roles and databases are made in it."""

    def __init__(self, admin_url: str) -> None:
        """`admin_url` is a superuser's. The login roles get a password of the tests."""
        super().__init__(Path())
        self._admin = urlsplit(admin_url)
        self._passwords = {
            SUPERUSER: unquote(self._admin.password or ""),
            **dict.fromkeys(pgroles.LOGIN_ROLES, PASSWORD),
        }

    async def start(self) -> None:
        """Make the roles."""
        async with await self._connect("postgres") as alone:
            await alone.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            await pgroles.make_roles(self._connect, {role: self._passwords[role] for role in pgroles.LOGIN_ROLES})

    async def stop(self) -> None:
        """Nothing: it is not ours."""

    def url(self, role: str = SUPERUSER, database: str = DATABASE) -> str:
        """Address with password."""
        user = self._admin.username if role == SUPERUSER else role
        where = self._admin.netloc.rpartition("@")[2]
        who = f"{user}:{quote(self._passwords[role], safe='')}"
        return urlunsplit(self._admin._replace(netloc=f"{who}@{where}", path=f"/{database}"))

    tcp_url = url


@contextlib.contextmanager
def anywhere(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server, not yet started, with its files in `folder` if it is ours. Or the end of this test.

    Ours is without durability: no test pulls its plug (tests/faults start their own).
    """
    if url := parts.setting("POSTGRES_URL"):
        yield PostgresElsewhere(url)
        return
    try:
        choose(None)
    except ConfigError as fault:
        if not parts.docker_runs():
            parts.leave_out(f"{fault}; and no Docker engine runs")
    else:
        yield EmbeddedPostgres(folder, durable=False)
        return
    with _container() as container:
        yield PostgresElsewhere(container.get_connection_url(driver=None))


def _container() -> "PostgresContainer":
    from testcontainers.community.postgres import PostgresContainer

    container = PostgresContainer(parts.image("POSTGRES"))
    return container.with_command("postgres -c max_connections=200 -c fsync=off -c synchronous_commit=off")
