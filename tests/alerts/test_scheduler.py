"""The loop: it judges and sends by itself, survives what raises, and stops cleanly."""

import asyncio
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry

from alerts import system
from alerts.core.vocabulary import Reason
from alerts.meters import Meters
from alerts.scheduler import Alerter, Job
from monitor import clock as wall
from monitor.errors import DatabaseDown
from tests.alerts.timeline import PUBLIC_URL, Timeline


async def test_it_pages_by_itself_and_a_job_that_raises_does_not_stop_it(t: Timeline) -> None:
    registry = CollectorRegistry()
    ran: list[datetime] = []

    async def breaks(now: datetime) -> None:
        ran.append(now)
        raise ZeroDivisionError

    async def waits(now: datetime) -> None:
        raise DatabaseDown(f"at {now}")

    # The scheduler goes by the wall's clock, and so does what happens here.
    t.start = t.clock.time = wall.now()
    every = timedelta(milliseconds=100)
    alerter = Alerter(
        t.evaluator,
        t.deliverer,
        interval=timedelta(seconds=0.2),
        clock=wall.now,
        meters=Meters(registry),
        jobs=[
            Job("breaks", every, breaks),
            Job("waits", every, waits),
            Job("later", timedelta(hours=1), breaks, False),
        ],
    )
    await t.rule({"status": "error"})
    await alerter.start()
    try:
        await t.log("akira-001", "error", "0s")
        for _ in range(400):
            if t.unheard:
                break
            await asyncio.sleep(0.05)
    finally:
        await alerter.stop()
    t.expect("email", Reason.FIRST)
    count = len(ran)
    await asyncio.sleep(0.3)
    assert len(ran) == count > 1
    assert registry.get_sample_value("agent_monitor_failed_runs_total", {"job": "breaks"}) == count
    assert (registry.get_sample_value("agent_monitor_failed_runs_total", {"job": "waits"}) or 0) >= 1
    other = t.another_evaluator("alerter-2")
    assert (await other.run_once(t.clock.time)).shards


async def test_the_disk_page_is_opened_once_and_resolved_when_over(t: Timeline) -> None:
    await t.request("PUT", "channels/fallback", {"email": "fallback@example.com"})
    for moment in ("1s", "10s"):
        now = t.at(moment)
        await system.report_disk(t.db, active=True, free_bytes=5 << 20, now=now, public_url=PUBLIC_URL)
        await t.deliver(moment)
    sent = t.expect("email", Reason.FIRST, target="fallback@example.com")
    assert sent.message.lines[0].summary.startswith("5 MiB free")
    t.expect_silence()
    await system.report_disk(t.db, active=False, free_bytes=5 << 30, now=t.at("20s"), public_url=PUBLIC_URL)
    await t.deliver("20s")
    t.expect("email", Reason.RESOLVED)
    t.expect_silence()
    assert await t.alerts() == []
