"""Puts the parts together from the settings, once for every command that runs them."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from monitor import clock, log
from monitor.app import create_app
from monitor.audit.store import Recorder
from monitor.db import Database, Role
from monitor.devdir import DevDir
from monitor.errors import ConfigError
from monitor.http.deps import Deps
from monitor.identity.keys import Authenticator
from monitor.ingest import Ingest
from monitor.series.postgres import PostgresSeriesStore
from monitor.settings import Settings, load

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on the fastest loop there is. psycopg needs a selector loop on Windows."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


def configure_logs(settings: Settings, file: Path | None = None) -> None:
    """Logs in the shape that the settings ask for."""
    log.configure(level=settings.log_level, as_json=settings.log_format == "json", file=file)


def open_database(settings: Settings, *, pool_size: int | None = None) -> Database:
    """The four doors. Raises ConfigError when no database is named."""
    urls = {role: settings.role_url(role) for role in Role}
    return Database(urls, pool_size=pool_size or settings.database_pool_size)


@contextlib.asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The doors for a short command, closed on exit."""
    db = open_database(settings, pool_size=2)
    try:
        yield db
    finally:
        await db.close()


def installed(data: Path | None = None) -> Settings:
    """The environment's settings; without a database in them, those of the `agent-monitor dev` that runs here.

    Raises ConfigError when there is neither.
    """
    settings = load()
    if settings.database_url is not None and data is None:
        return settings
    directory = DevDir((data or settings.data_dir).expanduser().absolute())
    return of_dev(settings, directory)


def of_dev(settings: Settings, directory: DevDir) -> Settings:
    """Settings that reach the database of a running `agent-monitor dev`. Raises ConfigError when none runs."""
    import json
    from dataclasses import replace

    said = directory.read()
    if not said.get("pid") or not directory.credentials.exists():
        raise ConfigError(
            f"AGENT_MONITOR_DATABASE_URL is not set, and no `agent-monitor dev` is running in {directory.path}"
        )
    where = str(said["database_url"]).rpartition("@")[2]
    passwords = json.loads(directory.credentials.read_text())

    def url(role: Role) -> str:
        return f"postgresql://{role}:{quote(passwords[role], safe='')}@{where}"

    return replace(
        settings,
        database_url=url(Role.APP),
        database_alerter_url=url(Role.ALERTER),
        database_doorman_url=url(Role.DOORMAN),
        database_owner_url=url(Role.OWNER),
        public_url=str(said["url"]),
        secret_keys=settings.secret_keys or directory.secret_keys(),
        data_dir=directory.path,
    )


def make_authenticator(settings: Settings, db: Database) -> Authenticator:
    """Who checks keys and signs links."""
    return Authenticator(db, clock.now, secret_keys=settings.secret_keys)


def make_deps(settings: Settings, db: Database, authenticator: Authenticator | None = None) -> Deps:
    """What every route is made with."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return Deps(
        settings=settings,
        db=db,
        series=PostgresSeriesStore(db),
        authenticator=authenticator or make_authenticator(settings, db),
        audit=Recorder(clock.now),
        clock=clock.now,
        registry=registry,
    )


def serve_app() -> FastAPI:
    """The collector's application from the environment alone: what each worker of `serve` runs."""
    settings = load()
    configure_logs(settings)
    if not settings.secret_keys:
        raise ConfigError("AGENT_MONITOR_SECRET_KEYS is not set: workers and restarts must share it")
    db = open_database(settings)
    deps = make_deps(settings, db)
    return create_app(deps, Ingest(deps), closing=db.close)
