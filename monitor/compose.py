"""Puts the parts together from the settings, once for every command that runs them."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import SystemRandom
from typing import Any, TypeVar
from urllib.parse import quote

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from alerts.channels.base import Channels, open_channels
from alerts.deliver import Deliverer
from alerts.drill import Drills
from alerts.evaluate import Evaluator
from alerts.meters import Meters
from alerts.pulse import Pulse
from alerts.scheduler import Alerter, Job
from alerts.socket import EVERY, Socket
from monitor import clock, garbage, log, pgroles, upkeep
from monitor.app import create_app, create_health_app
from monitor.audit.store import Recorder
from monitor.db import Database, Role, shares
from monitor.devdir import DevDir
from monitor.errors import ConfigError
from monitor.http.deps import Deps
from monitor.http.outbound import Allowed
from monitor.identity.keys import Authenticator
from monitor.ingest import Ingest
from monitor.ingest.assembler import Assembler
from monitor.ingest.standbys import Standbys
from monitor.letters import Letters
from monitor.live import Live
from monitor.rotation import passwords
from monitor.schedules.runner import Runner
from monitor.sealing import Ring
from monitor.series.choice import store_of
from monitor.serving import listen, serving
from monitor.settings import Settings, load

T = TypeVar("T")

SCHEDULES_EVERY = timedelta(seconds=1)
ASSEMBLY_EVERY = timedelta(seconds=1)
REPLICATION_EVERY = timedelta(seconds=10)


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
    """The four doors, with `pool_size` connections each, or the settings' number divided among them.

    Raises ConfigError when no database is named.
    """
    urls = {role: settings.role_url(role) for role in Role}
    sizes = pool_size or shares(settings.database_pool_size)
    return Database(urls, pool_size=sizes, prepare=settings.database_prepare, passwords=passwords(settings))


DRILLS_EVERY = timedelta(seconds=10)


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
    said = directory.read()
    if not said.get("pid") or not directory.credentials.exists():
        raise ConfigError(
            f"AGENT_MONITOR_DATABASE_URL is not set, and no `agent-monitor dev` is running in {directory.path}"
        )
    where = str(said["database_url"]).rpartition("@")[2]
    passwords = json.loads(directory.credentials.read_text())

    def url(role: str) -> str:
        return f"postgresql://{role}:{quote(passwords[role], safe='')}@{where}"

    return replace(
        settings,
        database_url=url(Role.APP),
        database_alerter_url=url(Role.ALERTER),
        database_doorman_url=url(Role.DOORMAN),
        database_owner_url=url(Role.OWNER),
        database_backup_url=url(pgroles.BACKUP),
        public_url=str(said["url"]),
        secret_keys=settings.secret_keys or directory.secret_keys(),
        data_dir=directory.path,
    )


def make_deps(settings: Settings, db: Database) -> Deps:
    """What every route is made with. Raises ConfigError for an address of Redis that cannot be read."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    live = Live(settings.redis_url, registry=registry)
    return Deps(
        settings=settings,
        db=db,
        series=store_of(settings, db, clock.now),
        authenticator=Authenticator(db, clock.now, secret_keys=settings.secret_keys, live=live),
        audit=Recorder(clock.now),
        clock=clock.now,
        registry=registry,
        live=live,
        letters=Letters.of(settings, now=clock.now),
    )


@contextlib.asynccontextmanager
async def alerting(deps: Deps, *, collector: Ingest | None = None) -> AsyncIterator[None]:
    """The alerter's jobs on this loop. `collector`: the one in this process, where it watches the database's disk."""
    settings, db = deps.settings, deps.db
    holder = f"{socket.gethostname()}:{os.getpid()}"
    meters, interval = Meters(deps.registry), timedelta(seconds=settings.evaluation_interval)
    evaluator = Evaluator(
        db, deps.series, holder=holder, interval=interval, public_url=settings.public_url, meters=meters
    )
    async with contextlib.AsyncExitStack() as stack:
        channels = await stack.enter_async_context(_channels(deps))
        deliverer = Deliverer(
            db,
            channels,
            holder=holder,
            clock=deps.clock,
            rng=SystemRandom(),
            public_url=settings.public_url,
            meters=meters,
            ring=Ring(settings.secret_keys),
        )
        jobs = upkeep.jobs_of(deps, stack)
        if collector is not None:
            jobs.append(Job("disk", timedelta(seconds=5), upkeep.disk_watch(deps, collector.disk)))
        ingest = await stack.enter_async_context(_taking_in(deps, collector))
        runner = await stack.enter_async_context(_calling(deps, ingest))
        jobs.append(Job("schedules", SCHEDULES_EVERY, runner.run_once))
        jobs.append(Job("replication", REPLICATION_EVERY, Standbys(ingest).run_once))
        assembler = Assembler(db, ingest, clock=deps.clock, registry=deps.registry)
        jobs.append(Job("assembly", ASSEMBLY_EVERY, assembler.run_once))
        if (slack := Socket.of(deps, holder)) is not None:
            stack.push_async_callback(slack.close)
            jobs.append(Job("slack", EVERY, slack.run_once))
        jobs.append(Job("drills", DRILLS_EVERY, Drills(db, public_url=settings.public_url).run_once))
        ticked = _pulse(deps, jobs, stack)
        alerter = Alerter(
            evaluator, deliverer, interval=interval, clock=deps.clock, meters=meters, jobs=jobs, on_tick=ticked
        )
        await alerter.start()
        garbage.settle()
        try:
            yield
        finally:
            await alerter.stop()


def _channels(deps: Deps) -> contextlib.AbstractAsyncContextManager[Channels]:
    """The ways to reach people."""
    settings = deps.settings
    return open_channels(
        now=deps.clock,
        smtp_url=settings.smtp_url,
        mail_from=settings.mail_from,
        slack_bot_token=settings.slack_bot_token,
        slack_api_url=settings.slack_api_url,
        webhook_secret=settings.webhook_secret,
        pagerduty_url=settings.pagerduty_url,
        public_url=settings.public_url,
        allowed=Allowed.of(settings.webhook_allow),
        secret_keys=settings.secret_keys,
        slack_buttons=bool(settings.slack_app_token or settings.slack_signing_secret),
    )


def _pulse(deps: Deps, jobs: list[Job], stack: contextlib.AsyncExitStack) -> Callable[[], None] | None:
    """Add the heartbeat to another monitor, where one is named; what is to be called after every good pass."""
    settings = deps.settings
    if settings.outbound_heartbeat_url is None:
        return None
    allowed = Allowed.of(settings.webhook_allow)
    pulse = Pulse(deps.db, settings.outbound_heartbeat_url, allowed=allowed, public_url=settings.public_url)
    stack.push_async_callback(pulse.close)
    jobs.append(Job("heartbeat", timedelta(seconds=settings.outbound_heartbeat_interval), pulse.run_once))
    return pulse.ticked


@contextlib.asynccontextmanager
async def _taking_in(deps: Deps, collector: Ingest | None) -> AsyncIterator[Ingest]:
    """The way in for what the jobs log: the collector of this process, or one of its own."""
    if collector is not None:
        yield collector
        return
    ingest = Ingest(deps)
    await ingest.start()
    try:
        yield ingest
    finally:
        await ingest.close()


@contextlib.asynccontextmanager
async def _calling(deps: Deps, ingest: Ingest) -> AsyncIterator[Runner]:
    """Who calls agents that are due."""
    settings = deps.settings
    runner = Runner(
        deps.db,
        ingest,
        clock=deps.clock,
        rng=SystemRandom(),
        allowed=Allowed.of(settings.webhook_allow),
        secret=settings.webhook_secret,
        seconds=settings.run_timeout,
        registry=deps.registry,
        live=deps.live,
    )
    try:
        yield runner
    finally:
        await runner.close()


async def alert_until_stopped(settings: Settings, *, host: str, port: int | None) -> None:
    """The alerter alone, until SIGTERM or Ctrl-C; with a `port`, its health and figures are served there."""
    async with contextlib.AsyncExitStack() as stack:
        listening = None if port is None else stack.enter_context(contextlib.closing(listen(host, port)))
        deps = make_deps(settings, open_database(settings))
        stack.push_async_callback(deps.close)
        if listening is not None:
            await stack.enter_async_context(serving(create_health_app(deps), listening))
        await stack.enter_async_context(alerting(deps))
        await stop_signal()


async def stop_signal() -> None:
    """Return when SIGTERM or Ctrl-C comes; a second one changes nothing."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopped.set))
    await stopped.wait()


def check_serving() -> Settings:
    """The settings of `serve`, checked before any worker starts. Raises ConfigError."""
    settings = load()
    open_database(settings)
    if not settings.secret_keys:
        raise ConfigError("AGENT_MONITOR_SECRET_KEYS is not set: workers and restarts must share it")
    return settings


def serve_app() -> FastAPI:
    """The collector's application from the environment alone: what each worker of `serve` runs."""
    settings = check_serving()
    configure_logs(settings)
    deps = make_deps(settings, open_database(settings))
    return create_app(deps, Ingest(deps), closing=deps.close)
