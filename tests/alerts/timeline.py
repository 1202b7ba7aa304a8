"""Alerting told as a timeline: what agents send and when, when the rules are judged, and what people hear.

Real ingest, real database, real rules; only the clock is moved by hand and the channels write down what they send.
"""

import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from alerts import routes as alert_routes
from alerts.core.message import Message, Reference
from alerts.core.vocabulary import ChannelKind, Reason
from alerts.deliver import Deliverer
from alerts.evaluate import Evaluator, Pass
from alerts.meters import Meters
from alerts.settings import put_settings
from alerts.settings_bodies import AlertSettings
from monitor.agents import patience_routes
from monitor.agents import routes as agent_routes
from monitor.calendar import routes as calendar_routes
from monitor.console import routes as console_routes
from monitor.db import Database
from monitor.errors import ChannelError
from monitor.http import problems
from monitor.http.deps import Deps
from monitor.identity import member_routes
from monitor.ingest import Ingest
from monitor.ingest import routes as ingest_routes
from monitor.sealing import Ring
from monitor.series.store import SeriesStore
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.http.collector import make_deps

INTERVAL = timedelta(seconds=10)
PUBLIC_URL = "https://monitor.example"


def span(said: str) -> timedelta:
    """`1m10s`, `4h`, `0s` as a duration."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    parts = re.findall(r"(\d+)([dhms])", said)
    assert "".join(f"{number}{unit}" for number, unit in parts) == said, f"not a duration: {said}"
    return timedelta(seconds=sum(int(number) * units[unit] for number, unit in parts))


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that a channel took."""

    channel: ChannelKind
    target: str
    message: Message
    previous: Reference | None

    @property
    def agents(self) -> list[str]:
        """The agents that it lists."""
        return [line.agent for line in self.message.lines]


@dataclass(slots=True)
class Recorder:
    """A channel that writes down what it sends, and fails where `failing` says how, by target."""

    kind: ChannelKind
    lists: list[list[Sent]]
    failing: dict[str, ChannelError] = field(default_factory=dict)
    attempts: int = 0

    async def send(self, target: str, message: Message, previous: Reference | None) -> Reference:
        """Take a message, or raise what was asked for."""
        self.attempts += 1
        if target in self.failing:
            raise self.failing[target]
        for sent in self.lists:
            sent.append(Sent(self.kind, target, message, previous))
        return {"first": previous["first"] if previous else str(message.notification_id)}

    async def close(self) -> None:
        """Nothing to let go of."""


class Timeline:
    """One tenant's day. Times are counted from its start: `0s`, `1m10s`, `4h`."""

    def __init__(self, deps: Deps, clock: SettableClock, tenant: TenantMade, client: httpx.AsyncClient) -> None:
        self.deps = deps
        self.db: Database = deps.db
        self.clock = clock
        self.start = clock.time
        self.tenant = tenant
        self.client = client
        self.sent: list[Sent] = []
        self.unheard: list[Sent] = []
        self.channels = {kind: Recorder(kind, [self.sent, self.unheard]) for kind in ChannelKind}
        self.evaluator = self.another_evaluator("alerter-1")
        self.deliverer = self.another_deliverer("alerter-1")

    def read_from(self, series: SeriesStore) -> None:
        """Let the alerter read history from another store."""
        self.evaluator = self.another_evaluator("alerter-1", series)

    def another_evaluator(self, holder: str, series: SeriesStore | None = None) -> Evaluator:
        """An alerter process' judge, which reads history from `series` if that is given."""
        meters = Meters(CollectorRegistry())
        series = series or self.deps.series
        return Evaluator(self.db, series, holder=holder, interval=INTERVAL, public_url=PUBLIC_URL, meters=meters)

    def another_deliverer(self, holder: str, seed: int = 1) -> Deliverer:
        """An alerter process' messenger."""
        return Deliverer(
            self.db,
            self.channels,
            holder=holder,
            clock=self.clock,
            rng=Random(seed),
            public_url=PUBLIC_URL,
            meters=Meters(CollectorRegistry()),
            ring=Ring(self.deps.settings.secret_keys),
        )

    def at(self, said: str) -> datetime:
        """Move the clock there; it never goes back."""
        moment = self.start + span(said)
        self.clock.time = max(self.clock.time, moment)
        return moment

    async def request(self, method: str, path: str, body: Any = None, *, expect: int | None = None) -> Any:
        """Call the API with the tenant's key; `expect` is the status that must come back."""
        # Not the client's own JSON: it cannot write half of a character pair, which others can.
        content = None if body is None else json.dumps(body)
        headers = self.tenant.headers | {"Content-Type": "application/json"}
        answer = await self.client.request(method, f"/api/v1/{path}", content=content, headers=headers)
        if expect is not None:
            assert answer.status_code == expect, answer.text
        elif answer.status_code >= 400:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    async def rule(self, conditions: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Make a rule for akira-001 that mails to ops@example.com, unless said otherwise."""
        body = {"name": "Akira fails", "agent": "akira-001", "channels": {"email": "ops@example.com"}}
        if "selector" in more or more.get("agent", "") is None:
            body.pop("agent")
        sent = {name: value for name, value in {**body, **more}.items() if value is not None}
        made: dict[str, Any] = await self.request("POST", "alert-configs", sent | {"conditions": conditions})
        return made

    async def settings(self, **body: Any) -> None:
        """How the tenant wants to be told; nothing settles unless said."""
        await self.request("PUT", "alert-settings", {"settle": "0s"} | body)

    async def log(self, agent: str, status: str, at: str, **more: Any) -> None:
        """One execution that ended then, or a line."""
        body = {"agent": agent, "status": status, "completed_at": self.at(at).isoformat(), **more}
        await self.request("POST", "logs", body, expect=202)

    async def metric(self, agent: str, metric: str, value: float, at: str, **more: Any) -> None:
        """One point."""
        body = {"agent": agent, "metric": metric, "value": value, "timestamp": self.at(at).isoformat(), **more}
        await self.request("POST", "metrics", body, expect=202)

    async def heartbeat(self, agent: str, at: str, **more: Any) -> None:
        """A sign of life, received then."""
        self.at(at)
        await self.request("POST", "heartbeats", {"agent": agent, "status": "active", **more}, expect=202)

    async def tick(self, at: str) -> Pass:
        """Judge the rules and send what there is to send."""
        done = await self.evaluate(at)
        await self.deliver(at)
        return done

    async def ticks(self, start: str, end: str, step: timedelta = INTERVAL) -> None:
        """A tick at every step from `start` up to `end`."""
        moment = span(start)
        while moment <= span(end):
            await self.tick(f"{int(moment.total_seconds())}s")
            moment += step

    async def evaluate(self, at: str) -> Pass:
        """Judge the rules, send nothing."""
        return await self.evaluator.run_once(self.at(at))

    async def deliver(self, at: str) -> int:
        """Send until nothing is due; returns how many were claimed."""
        moment, total = self.at(at), 0
        while claimed := await self.deliverer.run_once(moment):
            total += claimed
            # A channel of Slack takes one message a second.
            moment = max(moment, self.clock.time) + timedelta(seconds=1)
        return total

    def expect(self, channel: str, reason: Reason, *, target: str | None = None, agents: Sequence[str] = ()) -> Sent:
        """The next message of this channel (and target) that was not looked at yet must be for this reason."""
        waiting = [one for one in self.unheard if one.channel == channel and target in (None, one.target)]
        assert waiting, f"nothing was sent, {channel} {reason} was expected"
        sent = waiting[0]
        self.unheard.remove(sent)
        assert sent.message.reason == reason, sent.message.why
        assert not agents or sent.agents == list(agents)
        return sent

    def expect_silence(self) -> None:
        """Nothing more was sent."""
        more = [f"{one.channel} {one.message.reason} {one.target}" for one in self.unheard]
        assert more == []

    async def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """What a query finds in the tenant."""
        async with self.db.tenant(self.tenant.id) as connection:
            return [dict(row) for row in (await connection.execute(text(sql), values)).mappings()]

    async def all_rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """What a query finds in all tenants, or what it changes."""
        async with self.db.owner() as connection:
            found = await connection.execute(text(sql), values)
            return [dict(row) for row in found.mappings()] if found.returns_rows else []

    async def alerts(self, **filters: Any) -> list[dict[str, Any]]:
        """Alerts as the API tells them, newest first."""
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        found: list[dict[str, Any]] = (await self.request("GET", f"alerts?{query}"))["items"]
        return found

    async def agent_id(self, agent: str) -> UUID:
        """The id of an agent."""
        found: UUID = (await self.rows("SELECT id FROM agents WHERE external_id = :agent", agent=agent))[0]["id"]
        return found


@contextlib.asynccontextmanager
async def timeline(db: Database, clock: SettableClock, settings: Settings | None = None) -> AsyncIterator[Timeline]:
    """A tenant with a running collector and an alerter that ticks when told."""
    # Ahead of the real time, which defaults in the database read: what exists was made before the start.
    clock.time = (clock.time + timedelta(minutes=2)).replace(microsecond=0)
    if clock.time.minute >= 58:
        # The first minutes are in one hour, and so in one day: what is spent in a period is added up by its hours.
        clock.time = clock.time.replace(minute=0, second=0) + timedelta(hours=1)
    deps = make_deps(db, clock, settings or Settings(public_url=PUBLIC_URL))
    ingest = Ingest(deps)
    app = FastAPI()
    app.state.deps = deps
    problems.install(app)
    agents = (agent_routes.router, patience_routes.router)
    others = (*agents, calendar_routes.router, member_routes.router, console_routes.router)
    for router in (ingest_routes.router(ingest), alert_routes.router, *others):
        app.include_router(router)
    tenant = await make_tenant(db)
    async with db.tenant(tenant.id) as connection:
        # A jump in a timeline is no outage, unless a test says so.
        await put_settings(connection, tenant.id, AlertSettings(settle=timedelta(0)))
    await ingest.start()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        try:
            yield Timeline(deps, clock, tenant, client)
        finally:
            await ingest.close()
