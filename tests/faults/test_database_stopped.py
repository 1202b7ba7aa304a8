"""The database is stopped for half a minute under load: 503s meanwhile, then everything goes on by itself."""

import asyncio
import time

import aiohttp
import pytest
from sqlalchemy import text

from tests.factories import TenantMade
from tests.faults.clients import Fleet, check_all_kept_once
from tests.faults.receivers import HeldMailbox
from tests.faults.test_alerter_killed import post, report
from tests.stage import Stage, until

OUTAGE = 30.0
SETTLE = 20.0

pytestmark = pytest.mark.accept

QUIET = (
    {"name": "Still alive", "agent": "beating", "conditions": {"heartbeat": "missed", "after": "60s"}},
    {
        "name": "Few errors",
        "conditions": {"rate": "error", "window": "1m", "op": ">", "threshold": 0.95, "min_count": 20},
    },
    {
        "name": "Load",
        "conditions": {"metric": "load", "reduce": "max", "window": "10s", "op": ">", "threshold": 5000},
    },
)
OPEN = {"name": "Fails", "agent": "failing", "conditions": {"status": "error", "consecutive_failures": 3}}
CHANNELS = {"channels": {"email": "ops@example.com"}}
_ALERTS = text("SELECT rule, status FROM alerts ORDER BY 1")


async def beat(session: aiohttp.ClientSession) -> None:
    """A heartbeat every second, whatever is answered."""
    while True:
        async with session.post("/api/v1/heartbeats", json={"agent": "beating", "status": "active"}):
            await asyncio.sleep(1)


async def alerts(stage: Stage) -> list[tuple[str, str]]:
    """Rule and status of every alert there is."""
    async with stage.db.alerter() as connection:
        return [(row.rule, row.status) for row in await connection.execute(_ALERTS)]


async def test_half_a_minute_without_a_database(stage: Stage, tenant: TenantMade, mailbox: HeldMailbox) -> None:
    collector = await stage.collector().start()
    alerter = await stage.alerter(evaluation_interval="1s", smtp_url=mailbox.url).start()
    pids = (collector.pid, alerter.pid)
    async with aiohttp.ClientSession(collector.url, headers=tenant.headers) as session:
        for rule in (*QUIET, OPEN):
            await post(session, "/api/v1/alert-configs", {**rule, **CHANNELS})
        await report(session, "failing", "error", 3)
        beats = asyncio.create_task(beat(session))
        await until_alerts(stage, [("Fails", "open")])
        async with Fleet(collector.url, tenant.key, pause=0.05) as fleet:
            await asyncio.sleep(3)
            refused, accepted = await outage(stage, fleet)
            await asyncio.sleep(SETTLE)
            await fleet.finish()
            beats.cancel()
            assert await alerts(stage) == [("Fails", "open")]
            await report(session, "failing", "success", 1)
            await until_alerts(stage, [("Fails", "resolved")])
    await until(lambda: len(mailbox.mails) >= 2)
    await asyncio.sleep(3)
    assert len(mailbox.mails) == 2, "one mail for the failure, one for its end"
    assert (collector.pid, alerter.pid) == pids
    collector.check()
    alerter.check()
    ledger = fleet.ledger
    assert refused > 10
    assert accepted < 10, f"accepted again only {accepted:.1f} s after the database was back"
    assert (ledger.odd, ledger.refused_without_when, ledger.broken) == ([], 0, 0)
    await check_all_kept_once(stage.db, tenant.id, ledger)


async def outage(stage: Stage, fleet: Fleet) -> tuple[int, float]:
    """Stop the server and start it again; how many requests were refused, and how long the first success took."""
    before = fleet.ledger.answers[503]
    await stage.server.stop()
    await asyncio.sleep(OUTAGE)
    refused = fleet.ledger.answers[503] - before
    await stage.server.start()
    back = time.monotonic()
    # This test's own connections are from before; those of the programs are their business.
    await stage.db.close()
    await until(lambda: fleet.ledger.last_accepted >= back)
    return refused, fleet.ledger.last_accepted - back


async def until_alerts(stage: Stage, wanted: list[tuple[str, str]]) -> None:
    """Wait until the alerts are these."""

    async def there() -> bool:
        return await alerts(stage) == wanted

    await until(there)
