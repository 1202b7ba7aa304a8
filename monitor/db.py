"""The only way to a database connection: four doors, one for each login role.

`tenant(id)`  everything a request or a page does; row-level security keeps it inside the tenant
`alerter()`   set-based reads across tenants, and the saving of what they decide
`doorman()`   looks up keys and ping tokens before any tenant is known
`owner()`     migrations, partitions, compaction, retention

Each yields a SQLAlchemy connection inside one transaction. `driver(role)` lends the psycopg connection behind one,
for pipelines and listening. Every connection sends `monitor.arrays`. Driver errors leave this module as MonitorErrors.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import sqlalchemy.exc
from psycopg import errors as pg
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from monitor import arrays
from monitor.errors import Conflict, DatabaseDown, InvalidInput, TenantMissing


class Role(StrEnum):
    """The login roles, as `sql/roles.sql` makes them."""

    OWNER = "agent_monitor_owner"
    APP = "agent_monitor_app"
    ALERTER = "agent_monitor_alerter"
    DOORMAN = "agent_monitor_doorman"


_SHARES = {Role.APP: 8, Role.ALERTER: 5, Role.OWNER: 4, Role.DOORMAN: 3}
_SET_TENANT = text("SELECT set_config('app.current_tenant_id', :tenant, true)")
_DOWN = (pg.OperationalError, pg.InterfaceError, sqlalchemy.exc.TimeoutError, ConnectionError)
_NOT_DOWN = (pg.LockNotAvailable, pg.QueryCanceled, pg.DeadlockDetected, pg.SerializationFailure)


def shares(connections: int) -> dict[Role, int]:
    """Divide a process' connections among the roles, at least one each: requests and ticks get the most."""
    whole = sum(_SHARES.values())
    return {role: max(1, connections * share // whole) for role, share in _SHARES.items()}


def translate(fault: BaseException) -> Exception | None:
    """The MonitorError for a driver's error, or None where there is none: then it is a bug and stays as it is."""
    cause = fault.orig if isinstance(fault, sqlalchemy.exc.DBAPIError) and fault.orig is not None else fault
    if isinstance(cause, pg.UniqueViolation):
        return Conflict(f"it exists already ({cause.diag.constraint_name})")
    if isinstance(cause, pg.ForeignKeyViolation):
        return Conflict(f"it refers to something that does not exist ({cause.diag.constraint_name})")
    if isinstance(cause, pg.RestrictViolation):
        return Conflict(f"something refers to it still ({cause.diag.constraint_name})")
    if isinstance(cause, pg.CheckViolation):
        return InvalidInput(f"a value is not allowed ({cause.diag.constraint_name})")
    if isinstance(cause, pg.UntranslatableCharacter) or (type(cause) is psycopg.DataError and "NUL" in str(cause)):
        return InvalidInput("the character NUL cannot be stored")
    if isinstance(cause, pg.UndefinedObject | pg.InvalidTextRepresentation) and _no_tenant(cause):
        return TenantMissing("a tenant's table was used with no tenant set")
    if isinstance(cause, _NOT_DOWN):
        return DatabaseDown(f"the database was busy: {type(cause).__name__}")
    if isinstance(cause, _DOWN) or (isinstance(cause, pg.Error) and cause.sqlstate and cause.sqlstate[:2] in _SHORTAGE):
        return DatabaseDown("the database does not answer")
    return None


_SHORTAGE = {"08", "53", "57"}  # connection, insufficient resources (disk full), operator intervention


def _no_tenant(cause: psycopg.Error) -> bool:
    # 42704 on a fresh connection; on a pooled one that had a tenant before, the empty string is no uuid: 22P02.
    return "app.current_tenant_id" in str(cause) or 'type uuid: ""' in str(cause)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise MonitorErrors in the place of a driver's errors."""
    try:
        yield
    except (psycopg.Error, sqlalchemy.exc.SQLAlchemyError, ConnectionError) as fault:
        mended = translate(fault)
        if mended is None:
            raise
        raise mended from fault


def _loads(said: bytes | str) -> Any:
    """JSON as PostgreSQL holds it: with numbers of hundreds of digits, if need be, which msgspec refuses."""
    try:
        return msgspec.json.decode(said)
    except msgspec.ValidationError:
        return json.loads(said)


def _teach(connection: Any, _record: object) -> None:
    """What every new connection knows beyond the driver's own types."""
    arrays.register(connection.driver_connection)


def _still_there(connection: Any, _record: object, _lent: object) -> None:
    """Lend no connection that the server has ended while it lay in the pool: that is known here, without asking.

    The others of the pool are looked at when it is their turn, since one may be ended by itself.
    """
    pgconn = connection.driver_connection.pgconn
    try:
        # The first reads what the server said in farewell, if anything; the second finds the end behind it.
        pgconn.consume_input()
        pgconn.consume_input()
    except psycopg.OperationalError as fault:
        raise sqlalchemy.exc.DisconnectionError from fault


Passwords = Callable[[Role], Sequence[str]]
"""The passwords of a role that may be good now, newest first; none where the one in the URL is all that is known."""


def _log_in(role: Role, passwords: Passwords) -> Callable[..., Any]:
    """How a pool connects where passwords change: with what is said to be good at that moment.

    The oldest first. While a password is being changed both are said: once the old one is refused, the new one is good.
    Read a moment earlier there was the old one alone: then what is said now is others.
    """

    def connect(dialect: Any, _record: object, given: list[Any], named: dict[str, Any]) -> Any:
        tried: set[str] = set()
        while True:
            fresh = [word for word in reversed(passwords(role)) if word not in tried]
            if not fresh:
                return dialect.connect(*given, **named)
            for word in fresh:
                tried.add(word)
                try:
                    return dialect.connect(*given, **{**named, "password": word})
                except psycopg.OperationalError as fault:
                    if fault.pgconn is None or not fault.pgconn.used_password:
                        raise

    return connect


class Database:
    """The pools of the four roles. Made once by a composition root, closed by `close()`."""

    def __init__(
        self,
        urls: Mapping[Role, str],
        *,
        pool_size: int | Mapping[Role, int] = 20,
        prepare: bool = True,
        passwords: Passwords | None = None,
    ) -> None:
        """`urls` maps each role that this process uses to its `postgresql://` URL; others raise KeyError.

        `pool_size`: connections at most, for each role or by role. `prepare`: whether repeated statements are prepared
        on the server, which a pooler that hands connections on after each transaction does not bear. `passwords` is
        asked at each new connection.
        """
        sizes = pool_size if isinstance(pool_size, Mapping) else dict.fromkeys(urls, pool_size)
        connect = {"connect_timeout": 5} | ({} if prepare else {"prepare_threshold": None})
        self._engines: dict[Role, AsyncEngine] = {
            role: create_async_engine(
                "postgresql+psycopg://" + url.partition("://")[2],
                pool_size=sizes[role],
                max_overflow=0,
                pool_timeout=10,
                pool_pre_ping=False,
                json_deserializer=_loads,
                connect_args={**connect, "application_name": role.value.replace("_", "-")},
            )
            for role, url in urls.items()
        }
        for role, engine in self._engines.items():
            event.listen(engine.sync_engine, "connect", _teach)
            event.listen(engine.sync_engine, "checkout", _still_there)
            if passwords is not None:
                event.listen(engine.sync_engine, "do_connect", _log_in(role, passwords))

    @contextlib.asynccontextmanager
    async def _begin(self, role: Role) -> AsyncIterator[AsyncConnection]:
        with translated():
            async with self._engines[role].begin() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def tenant(self, tenant_id: UUID) -> AsyncIterator[AsyncConnection]:
        """A transaction of the application's role that sees one tenant's rows and no others."""
        async with self._begin(Role.APP) as connection:
            await connection.execute(_SET_TENANT, {"tenant": str(tenant_id)})
            yield connection

    def alerter(self) -> contextlib.AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that reads all tenants on the tables that a tick needs."""
        return self._begin(Role.ALERTER)

    def doorman(self) -> contextlib.AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that reads keys, ping tokens and tenants' status, nothing else."""
        return self._begin(Role.DOORMAN)

    def owner(self) -> contextlib.AbstractAsyncContextManager[AsyncConnection]:
        """A transaction of the schema's owner."""
        return self._begin(Role.OWNER)

    def role(self, role: Role) -> contextlib.AbstractAsyncContextManager[AsyncConnection]:
        """A transaction of any of them, without a tenant: to look at the role itself."""
        return self._begin(role)

    @contextlib.asynccontextmanager
    async def driver(self, role: Role) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Lend the psycopg connection itself. The borrower ends its transactions; a broken one is thrown away."""
        with translated():
            async with self._engines[role].connect() as connection:
                raw = await connection.get_raw_connection()
                driver: psycopg.AsyncConnection[Any] = raw.driver_connection  # type: ignore[assignment]
                try:
                    yield driver
                except BaseException:
                    await connection.invalidate()
                    raise

    async def ping(self) -> None:
        """Raise DatabaseDown unless the database answers the application's role."""
        async with self._begin(Role.APP) as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection of every pool."""
        for engine in self._engines.values():
            await engine.dispose()
