"""Three collectors and two alerters, killed at random for two minutes, with every server real.

What was acknowledged is there, once; every alert is told; each scheduled run is called once, and at most once more
for each alerter that was killed.
"""

import asyncio
import contextlib
import csv
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import aiohttp
import pytest
from sqlalchemy import text

from monitor.db import Database, Role
from tests.channels.servers import Stub, serving
from tests.factories import TenantMade, make_tenant
from tests.faults.clients import Fleet, Ledger, check_logs_kept_once
from tests.faults.receivers import HeldMailbox
from tests.stack.running import Ours
from tests.stack.stack import Stack, running
from tests.stage import until

SECONDS = 120.0
CALLED = 10
FAILING = 12
SETTLE = 240.0
"""Seconds that what a killed process had claimed may take: claims expire after two minutes."""

pytestmark = pytest.mark.accept

RULE = {
    "name": "Fails",
    "conditions": {"status": "error", "consecutive_failures": 3},
    "selector": {"agent_type": "failing"},
    "channels": {"email": "ops@example.com"},
}
_WAITING = text("SELECT count(*) FROM notifications WHERE status IN ('pending', 'sending')")
_TOLD = text("SELECT id::text, reason, alert_ids FROM notifications WHERE status = 'sent'")
_UNSENT = text("SELECT reason, channel, status, last_error FROM notifications WHERE status <> 'sent'")
_RUNS = text("""
    SELECT r.id::text, r.due_at, r.status, a.external_id AS agent
    FROM scheduled_runs r JOIN agents a ON a.tenant_id = r.tenant_id AND a.id = r.agent_id ORDER BY due_at
""")
_SPOOLED = text("SELECT count(*) FROM spool")
_NO_MORE = text("UPDATE agent_schedules SET next_run_at = NULL")


@pytest.fixture
async def stack(data_dir: Path, mailbox: HeldMailbox) -> AsyncIterator[Stack]:
    """All of it, with webhooks on this machine allowed."""
    more = {"evaluation_interval": "1s", "webhook_allow": "127.0.0.0/8", "run_timeout": "3s"}
    async with running(data_dir, mailbox, collectors=3, alerters=2, **more) as made:
        yield made


@pytest.fixture
async def db(stack: Stack) -> AsyncIterator[Database]:
    """PostgreSQL itself, for the test."""
    made = Database({role: stack.database_url(role) for role in Role}, pool_size=2)
    yield made
    await made.close()


async def post(stack: Stack, tenant: TenantMade, path: str, body: object) -> None:
    """By whichever collector takes it, again until one does."""
    async with aiohttp.ClientSession(headers=tenant.headers, timeout=aiohttp.ClientTimeout(total=30)) as session:
        for collector in (collector for _ in range(1000) for collector in stack.collectors):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.post(f"{collector.url}{path}", json=body) as answer:
                    if answer.status in {201, 202}:
                        return
                    assert answer.status == 503, await answer.text()
            await asyncio.sleep(0.1)
    pytest.fail(f"nobody took {body}")


async def kill_at_random(stack: Stack, chance: Random) -> Counter[str]:
    """For two minutes; how many of each were killed."""
    kills: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    end = loop.time() + SECONDS

    async def one_of(programs: list[Ours], kind: str) -> None:
        while loop.time() < end:
            await asyncio.sleep(chance.uniform(1, 8))
            victim = chance.choice(programs)
            victim.kill()
            kills[kind] += 1
            await asyncio.sleep(chance.uniform(0, 2))
            await victim.start()

    await asyncio.gather(one_of(stack.collectors, "collector"), one_of(stack.alerters, "alerter"))
    return kills


async def fail_and_recover(stack: Stack, tenant: TenantMade) -> list[str]:
    """Agents that fail one after the other, each later well again; their names."""
    names = [f"failing-{number:02d}" for number in range(FAILING)]
    for name in names:
        for number in range(3):
            log = {"agent": name, "id": f"{name}-{number}", "status": "error"}
            await post(stack, tenant, "/api/v1/logs", log)
        await asyncio.sleep(SECONDS / FAILING)
    for name in names:
        await post(stack, tenant, "/api/v1/logs", {"agent": name, "id": f"{name}-well", "status": "success"})
    return names


async def test_nothing_is_lost_and_nobody_is_told_too_often(stack: Stack, db: Database, mailbox: HeldMailbox) -> None:
    tenant, senders = await make_tenant(db), await make_tenant(db)
    async with serving(Stub()) as hooks, contextlib.AsyncExitStack() as fleets:
        await post(stack, tenant, "/api/v1/alert-configs", RULE)
        await register(stack, tenant, hooks.url)
        sending = [
            await fleets.enter_async_context(Fleet(one.url, senders.key, agents=3, pause=0.1, name=f"sender-{number}"))
            for number, one in enumerate(stack.collectors)
        ]
        kills, failing = await asyncio.gather(kill_at_random(stack, Random(4)), fail_and_recover(stack, tenant))
        for fleet in sending:
            await fleet.finish(seconds=120)
        async with db.owner() as owner:
            await owner.execute(_NO_MORE)
        await check_alerts(db, mailbox, failing=failing, kills=kills["alerter"])
        await check_runs(db, hooks, kills=kills["alerter"])
    ledgers = [fleet.ledger for fleet in sending]
    print("killed:", dict(kills), "acknowledged:", sum(ledger.acknowledged for ledger in ledgers))
    assert min(kills["collector"], kills["alerter"]) >= 5
    assert [ledger.odd for ledger in ledgers] == [[], [], []]
    await check_logs_kept_once(db, senders.id, ledgers)
    await check_points_kept_once(stack, db, senders.id, ledgers)


async def register(stack: Stack, tenant: TenantMade, hook: str) -> None:
    """Agents that will fail, and agents that are called every minute."""
    for number in range(FAILING):
        agent = {"external_id": f"failing-{number:02d}", "agent_type": "failing"}
        await post(stack, tenant, "/api/v1/agents", agent)
    for number in range(CALLED):
        agent = {"external_id": f"called-{number:02d}", "schedule": "* * * * *", "webhook_url": f"{hook}hook"}
        await post(stack, tenant, "/api/v1/agents", agent)


async def check_alerts(db: Database, mailbox: HeldMailbox, *, failing: list[str], kills: int) -> None:
    """Every failure and every recovery is told; a mail comes again at most once for each alerter that was killed."""

    async def settled() -> bool:
        async with db.alerter() as connection:
            waiting = (await connection.execute(_WAITING)).scalar()
            over = {
                alert for row in await connection.execute(_TOLD) if row.reason == "RESOLVED" for alert in row.alert_ids
            }
            return waiting == 0 and len(over) == len(failing)

    await until(settled, seconds=SETTLE, every=1)
    async with db.alerter() as connection:
        assert (await connection.execute(_UNSENT)).all() == []
        told = (await connection.execute(_TOLD)).all()
    # Alerts that come together are one mail: what counts is that each is in a first one and in one that ends it.
    for reason in ("FIRST", "RESOLVED"):
        assert len({alert for row in told if row.reason == reason for alert in row.alert_ids}) == len(failing)
    copies = Counter(str(mail["Message-ID"]).strip("<").partition("@")[0] for mail in mailbox.mails)
    assert set(copies) == {row.id for row in told}
    assert max(copies.values()) <= 1 + kills
    print("mails:", len(mailbox.mails), "for", len(copies), "notifications of", len(failing), "alerts")


async def check_runs(db: Database, hooks: Stub, *, kills: int) -> None:
    """Each minute of each agent is one run, which succeeded; a call was repeated at most once for each kill."""

    async def done() -> bool:
        async with db.alerter() as connection:
            return all(row.status == "succeeded" for row in await connection.execute(_RUNS))

    await until(done, seconds=SETTLE, every=1)
    async with db.alerter() as connection:
        runs = (await connection.execute(_RUNS)).all()
    minutes: dict[str, list[datetime]] = {}
    for run in runs:
        minutes.setdefault(run.agent, []).append(run.due_at)
    assert len(minutes) == CALLED
    for due in minutes.values():
        assert due == [due[0] + timedelta(minutes=number) for number in range(len(due))]
        assert len(due) >= 2
    calls = Counter(request.headers["Idempotency-Key"] for request, _ in hooks.requests)
    assert len(calls) == len(runs)
    assert max(calls.values()) <= 1 + kills
    print("runs:", len(runs), "calls:", sum(calls.values()))


async def check_points_kept_once(stack: Stack, db: Database, tenant: UUID, ledgers: list[Ledger]) -> None:
    """Every acknowledged point is in InfluxDB, by one series."""

    async def drained() -> bool:
        async with db.owner() as owner:
            return (await owner.execute(_SPOOLED)).scalar() == 0

    await until(drained, seconds=SETTLE, every=1)
    flux = (
        'from(bucket: "agent_monitor_raw") |> range(start: -1h) '
        f'|> filter(fn: (r) => r._measurement == "load" and r.tenant == "{tenant}") '
        '|> keep(columns: ["_time", "agent"]) |> group(columns: ["agent"])'
    )
    token = {"Authorization": f"Token {stack.at.secret('influx_token')}", "Content-Type": "application/vnd.flux"}
    async with (
        aiohttp.ClientSession(stack.influx_url, headers=token) as session,
        session.post("/api/v2/query", params={"org": "agent-monitor"}, data=flux) as answer,
    ):
        assert answer.status == 200, await answer.text()
        rows = list(csv.DictReader((await answer.text()).splitlines()))
    found = Counter(
        (row["agent"], _milliseconds(row["_time"])) for row in rows if row.get("agent") not in {None, "agent"}
    )
    assert found == {(agent, ms): 1 for one in ledgers for agent, times in one.points.items() for ms in times}


def _milliseconds(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000)
