"""The whole application over a fresh database, in process and on a port, and a tenant with an alert in it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from playwright.async_api import Browser, Page
from sqlalchemy import insert, update

from alerts.tables import Alert, AlertEvent, Notification, NotificationGroup
from monitor import clock
from monitor.agents.tables import AgentLive
from monitor.app import create_app
from monitor.compose import make_deps
from monitor.db import Database
from monitor.identity.links import Links, Purpose
from monitor.ids import uuid7
from monitor.ingest import Ingest
from monitor.serving import QuietServer
from monitor.settings import Settings
from tests.console.browsing import open_browser, open_page
from tests.factories import TenantMade, make_agent, make_tenant

HOSTILE = "<script>window.hacked=1</script>\"'&<img src=x onerror=window.hacked=1>"
"""A name as an agent may send it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A tenant whose one agent has failed, and the alert about it."""

    tenant: TenantMade
    agent_id: UUID
    alert_id: UUID
    link: str

    @property
    def token(self) -> str:
        """The sign-in link's token."""
        return self.link.partition("token=")[2]


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    """As a small installation has them."""
    return Settings(
        data_dir=tmp_path, disk_reserve=0, secret_keys=("a key for tests only",), smtp_url=f"maildir://{tmp_path}/mail"
    )


@pytest.fixture
async def app(db: Database, settings: Settings) -> AsyncIterator[FastAPI]:
    """The collector as it is served."""
    deps = make_deps(settings, db)
    made = create_app(deps, Ingest(deps))
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without its eyes: keeps cookies, follows no redirects."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as made:
        yield made


@pytest.fixture
async def scene(db: Database, settings: Settings) -> Scene:
    """An alert with everything that a page tells of it, every text of it hostile."""
    tenant = await make_tenant(db)
    agent_id = await make_agent(db, tenant.id, HOSTILE)
    now, alert_id, group_id = clock.now(), uuid7(clock.now()), uuid7(clock.now())
    async with db.tenant(tenant.id) as connection:
        await connection.execute(
            update(AgentLive).values(
                last_seen_at=now, last_status="error", last_message=HOSTILE, consecutive_failures=3, last_duration=842
            )
        )
        await connection.execute(
            insert(Alert).values(
                tenant_id=tenant.id, id=alert_id, agent_id=agent_id, rule=f"Fails {HOSTILE}", fingerprint="",
                severity="critical", value=3.0, triggered_at=now - timedelta(minutes=3), labels={"model": HOSTILE},
                details={"summary": f"3 consecutive failures {HOSTILE}", "last_message": HOSTILE, "threshold": 3},
            )
        )  # fmt: skip
        await connection.execute(
            insert(AlertEvent).values(
                tenant_id=tenant.id, id=uuid7(now), alert_id=alert_id, kind="fired", details={"summary": HOSTILE}
            )
        )
        await connection.execute(
            insert(NotificationGroup).values(
                tenant_id=tenant.id, id=group_id, channel="email", target=HOSTILE, alert_ids=[alert_id]
            )
        )
        await connection.execute(
            insert(Notification).values(
                tenant_id=tenant.id, id=uuid7(now), group_id=group_id, channel="email", target=HOSTILE,
                reason="FIRST", why=HOSTILE, alert_ids=[alert_id], payload=[{"rule": HOSTILE, "agent": HOSTILE}],
                status="dead", attempts=3, last_error=HOSTILE,
            )
        )  # fmt: skip
    link = Links(settings.secret_keys).make(Purpose.SIGN_IN, tenant.id, tenant.user_id)
    return Scene(tenant, agent_id, alert_id, f"/sign-in?token={link}")


@pytest.fixture
async def address(app: FastAPI) -> AsyncIterator[str]:
    """The same application on a port of this machine, for a real browser."""
    with contextlib.closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        listening.setblocking(False)
        server = QuietServer(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        task = asyncio.create_task(server.serve(sockets=[listening]))
        await server.up.wait()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await task


@pytest.fixture
async def browser(address: str) -> AsyncIterator[Browser]:
    """A real Chromium. It ends before the server does, which waits for what browsers hold open."""
    async with open_browser() as made:
        yield made


@pytest.fixture
async def page(browser: Browser, address: str) -> AsyncIterator[Page]:
    """A wide and light page of it, in which nothing may go wrong. Others: `browsing.open_page`."""
    async with open_page(browser, address) as made:
        yield made
