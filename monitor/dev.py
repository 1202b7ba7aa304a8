"""`agent-monitor dev`: the database, the collector, the alerter and the console in one process."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import structlog

from monitor import clock, compose, firsttime, host, partitions
from monitor.app import create_app
from monitor.db import Role
from monitor.demo import Demo
from monitor.devdir import DevDir
from monitor.embedded import EmbeddedPostgres
from monitor.errors import ConfigError
from monitor.firsttime import Owner
from monitor.http.deps import Deps
from monitor.identity.links import Links
from monitor.ingest import Ingest
from monitor.pgroles import BACKUP
from monitor.sdk import AsyncMonitor
from monitor.series import choice
from monitor.series.retention import retention_of
from monitor.serving import listen, serving
from monitor.settings import Settings
from monitor.usage import plans, prices
from sql import migrate

LOOPBACK = ("127.0.0.0/8", "::1", "localhost")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line said."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 4318
    demo: bool = False
    fresh: bool = False


async def run(options: Options, settings: Settings) -> None:
    """Run until a signal comes. Raises ConfigError when it cannot start, with nothing left running."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if not stopping and task is not None:  # a second signal must not interrupt the stopping
            stopping = True
            loop.call_soon_threadsafe(task.cancel)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        async with running(options, settings) as server:
            await asyncio.wait({server})  # which, unlike `await server`, leaves it alone when we are cancelled
            await server
            raise ConfigError("the HTTP server ended by itself: see the log")
    except asyncio.CancelledError:
        if not stopping:
            raise


@contextlib.asynccontextmanager
async def running(options: Options, settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    """Everything, started in order and stopped in the opposite one. Yields the HTTP server's task."""
    directory = DevDir(options.data.expanduser().absolute())
    directory.claim(fresh=options.fresh)
    compose.configure_logs(settings, directory.log)
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(contextlib.closing(listen(options.host, options.port)))
        url = _url(options.host, listening.getsockname()[1])
        settings = _completed(settings, directory, url)
        postgres = await stack.enter_async_context(EmbeddedPostgres(directory.path))
        settings = _with_database(settings, postgres)
        db = compose.open_database(settings)
        stack.push_async_callback(db.close)
        await migrate.upgrade(db)
        await partitions.apply(db, clock.now(), retention=retention_of(settings))
        await prices.load_shipped(db)
        await plans.load_shipped(db)
        await choice.prepare(settings)
        deps = compose.make_deps(settings, db)
        stack.push_async_callback(deps.live.close)
        stack.push_async_callback(deps.series.close)
        owner = await firsttime.prepare(deps, known_key=directory.read().get("api_key"))
        ingest = Ingest(deps)
        server = await stack.enter_async_context(serving(create_app(deps, ingest), listening))
        await stack.enter_async_context(compose.alerting(deps, collector=ingest))
        said = {
            "url": url,
            "api_key": owner.key,
            "tenant_id": str(owner.tenant_id),
            "database_url": postgres.tcp_url(Role.APP),
        }
        directory.write({**said, "pid": os.getpid()})
        stack.callback(directory.write, {**said, "pid": None})
        link = firsttime.link(Links(settings.secret_keys), owner.tenant_id, owner.user_id, url=url)
        _say_ready(url, link, owner, directory)
        await stack.enter_async_context(_reporting(deps, url, owner, directory))
        if options.demo:
            await stack.enter_async_context(_playing(deps, url, owner))
        try:
            yield server
        finally:
            _say("Stopping …")


def _completed(settings: Settings, directory: DevDir, url: str) -> Settings:
    """Settings with what `dev` brings by itself: the address, a key ring, a folder in the place of a mail server,
    and webhooks to programs on this machine.
    """
    default = Settings()
    return replace(
        settings,
        data_dir=directory.path,
        public_url=url if settings.public_url == default.public_url else settings.public_url,
        secret_keys=settings.secret_keys or directory.secret_keys(),
        webhook_allow=settings.webhook_allow or LOOPBACK,
        smtp_url=settings.smtp_url or f"maildir://{directory.mail.as_posix()}",
    )


def _with_database(settings: Settings, postgres: EmbeddedPostgres) -> Settings:
    return replace(
        settings,
        database_url=postgres.url(Role.APP),
        database_alerter_url=postgres.url(Role.ALERTER),
        database_doorman_url=postgres.url(Role.DOORMAN),
        database_owner_url=postgres.url(Role.OWNER),
        database_backup_url=postgres.url(BACKUP),
    )


def _url(bound: str, port: int) -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(bound, bound)
    return f"http://[{name}]:{port}" if ":" in name and not name.startswith("[") else f"http://{name}:{port}"


@contextlib.asynccontextmanager
async def _reporting(deps: Deps, url: str, owner: Owner, directory: DevDir) -> AsyncIterator[None]:
    """This machine as an agent."""
    await host.register(deps.db, owner.tenant_id, deps.clock)
    async with AsyncMonitor(url, key=owner.key, agent=host.name()) as monitor:
        agent = host.HostAgent(monitor, deps.db, deps.registry, data=directory.path)
        task = asyncio.create_task(agent.run(), name="host")
        task.add_done_callback(_tell_of_a_fault)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            monitor.heartbeat("stopped")


@contextlib.asynccontextmanager
async def _playing(deps: Deps, url: str, owner: Owner) -> AsyncIterator[None]:
    """The demo's fleet."""
    channels = {"email": owner.email}
    if deps.settings.slack_bot_token is not None:
        channels["slack"] = "#alerts"
    demo = Demo(url, owner.key, channels=channels)
    try:
        await demo.start()
        yield
    finally:
        await demo.stop()


def _tell_of_a_fault(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (fault := task.exception()) is not None:
        _log.error("this machine is not reported any more", exc_info=fault)


def _say(line: str = "") -> None:
    print(line, flush=True)


def _say_ready(url: str, link: str, owner: Owner, directory: DevDir) -> None:
    body = '{"agent":"akira-001","status":"success","message":"Hello"}'
    _say("Agent Monitor is ready. Ctrl-C stops it.")
    _say()
    _say(f"  Console   {url}/")
    _say(f"  Sign in   {link}")
    _say(f"  API key   {owner.key}")
    _say(f"  Data      {directory.path}")
    _say()
    _say(
        f"  curl -X POST {url}/api/v1/logs -H 'Authorization: Bearer {owner.key}'"
        f" -H 'Content-Type: application/json' -d '{body}'"
    )
    _say()
