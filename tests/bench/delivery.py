"""From the third failure of an agent to the mail that tells of it, at 100 alerts a minute."""

import asyncio
import time
from email import message_from_bytes
from email.policy import default

import numpy as np

from tests.bench.alerting import TimedMailbox, add_agents, add_rule, mail_server
from tests.bench.client import Connection, request
from tests.bench.figure import Figure
from tests.bench.traffic import log
from tests.factories import TenantMade, make_tenant
from tests.stage import Program, Stage, until

A_MINUTE = 100
FAILURES = 3
RULE = {
    "name": "fails",
    "conditions": {"status": "error", "consecutive_failures": FAILURES},
    "channels": {"email": "ops@example.com"},
}


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """Agents fail one after the other, evenly; those of the first passes, which settle, do not count."""
    agents, interval = (50, 2.0) if quick else (300, 10.0)
    tenant = await make_tenant(stage.db)
    names = [f"agent-{number:05d}" for number in range(agents)]
    await add_agents(stage, tenant.id, names)
    await add_rule(stage, tenant.id, RULE)
    collector = await stage.collector().start()
    async with mail_server() as mailbox:
        alerter = await stage.alerter(smtp_url=mailbox.url, evaluation_interval=f"{interval}s").start()
        await asyncio.sleep(5 * interval)
        failed = await _fail(collector, tenant, names)
        arrived = await _arrived(mailbox, names)
        alerter.check()
    spans = [arrived[name] - failed[name] for name in names]
    return [
        Figure(f"{agents} alerts, a pass each {interval:.0f} s: median", float(np.median(spans)), "s"),
        Figure("99 %", float(np.percentile(spans, 99, method="inverted_cdf")), "s", most=interval + 1),
        Figure("slowest", max(spans), "s"),
        Figure("mails", len(mailbox.arrived)),
    ]


async def _fail(collector: Program, tenant: TenantMade, names: list[str]) -> dict[str, float]:
    """When each agent's last failure was posted."""
    connection = await Connection.open(collector.url)
    failed = {}
    started = time.monotonic()
    for number, name in enumerate(names):
        await asyncio.sleep(max(0.0, started + number * 60 / A_MINUTE - time.monotonic()))
        for _ in range(FAILURES):
            failed[name] = time.monotonic()
            status, body = await connection.send(
                request(collector.url, "/api/v1/logs", tenant.key, log(name, status="error"))
            )
            assert status == 202, body
    await connection.close()
    return failed


async def _arrived(mailbox: TimedMailbox, names: list[str]) -> dict[str, float]:
    """When the first mail came that names each agent."""
    told: dict[str, float] = {}
    read = 0

    def everybody() -> bool:
        nonlocal read
        while read < len(mailbox.envelopes):
            said = _text(mailbox.envelopes[read])
            for name in names:
                if name in said:
                    told.setdefault(name, mailbox.arrived[read])
            read += 1
        return len(told) == len(names)

    await until(everybody, seconds=120, every=0.2)
    return told


def _text(raw: bytes) -> str:
    body = message_from_bytes(raw, policy=default).get_body(("plain",))
    assert body is not None
    return str(body.get_content())
