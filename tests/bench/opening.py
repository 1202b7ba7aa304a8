"""10,000 alerts that open in one pass: until they are saved, until the first message is out, and the alerter's memory;
told in one message, then each in one of its own."""

import asyncio
import json
import time

from sqlalchemy import TextClause, text

from alerts.settings import put_settings
from alerts.settings_bodies import AlertSettings
from tests.bench.alerting import Figures, TimedMailbox, add_agents, add_rule, mail_server
from tests.bench.client import closed, request
from tests.bench.figure import Figure
from tests.factories import TenantMade, make_tenant
from tests.servers.process import free_port
from tests.stage import Program, Stage, until

AGENTS, QUICK = 10_000, 2000
AT_ONCE = 1000
"""Rows of a request."""
WELL, BAD = 1.0, 99.0
SETTLED = 3
"""Passes after which nothing is due that has no news."""
RULE = {
    "name": "load",
    "conditions": {"metric": "load", "reduce": "last", "window": "5m", "op": ">", "threshold": 10},
    "channels": {"email": "ops@example.com"},
}
ALONE = AlertSettings.model_validate({"group": {"by": ["agent"], "wait": "0s"}})
_TARGETS = text("SELECT count(*) FROM alert_targets WHERE tenant_id = :tenant")
_OPEN = text("SELECT count(*) FROM alerts WHERE tenant_id = :tenant AND resolved_at IS NULL")
_UNSENT = text("SELECT count(*) FROM notifications WHERE tenant_id = :tenant AND status IN ('pending', 'sending')")
POLL = 0.1


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """Two fleets, one after the other, by one alerter."""
    collector = await stage.collector().start()
    figures = []
    async with mail_server() as mailbox:
        alerter = await stage.alerter(free_port(), smtp_url=mailbox.url).start()
        memory = _Memory(alerter)
        watching = asyncio.create_task(memory.watch())
        for how, settings in (("one message", AlertSettings()), ("a message each", ALONE)):
            fleet = _Fleet(stage, collector, await make_tenant(stage.db), QUICK if quick else AGENTS)
            figures += await _open(fleet, how, settings, alerter, mailbox)
            # The second fleet opens when nothing of the first is open any more.
            await fleet.post(WELL)
            await until(fleet.over, seconds=600, every=0.5)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await alerter.stop()
    return [*figures, Figure("memory of the alerter at most", memory.most / 1e6, "MB", most=500)]


class _Memory:
    """The most that a program has held."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.most = 0

    async def watch(self) -> None:
        """Look again and again until cancelled."""
        while True:
            self.most = max(self.most, self._program.memory())
            await asyncio.sleep(0.1)


class _Fleet:
    """A tenant's agents, which are well or fail all at once."""

    def __init__(self, stage: Stage, collector: Program, tenant: TenantMade, agents: int) -> None:
        self.stage, self.tenant = stage, tenant
        self.names = [f"agent-{number:05d}" for number in range(agents)]
        self._collector = collector

    async def post(self, value: float) -> None:
        """A point of each agent."""
        now = time.time()
        rows = [{"agent": name, "metric": "load", "value": value, "timestamp": now} for name in self.names]
        bodies = iter([json.dumps(rows[at : at + AT_ONCE]).encode() for at in range(0, len(rows), AT_ONCE)])
        url, key = self._collector.url, self.tenant.key
        load = await closed(
            url, lambda: request(url, "/api/v1/metrics", key, next(bodies)), connections=1,
            until=lambda sent: sent >= len(rows) / AT_ONCE,
        )  # fmt: skip
        load.expect(202)

    async def number(self, statement: TextClause) -> int:
        """What a statement counts of this tenant."""
        async with self.stage.db.alerter() as connection:
            return int((await connection.execute(statement, {"tenant": self.tenant.id})).scalar_one())

    async def known(self) -> bool:
        """Whether the alerter has a target for each."""
        return await self.number(_TARGETS) == len(self.names)

    async def failed(self) -> bool:
        """Whether an alert is open for each."""
        return await self.number(_OPEN) == len(self.names)

    async def told(self) -> bool:
        """Whether nothing is left to be sent."""
        return await self.number(_UNSENT) == 0

    async def over(self) -> bool:
        """Whether all is well again, and told."""
        return await self.number(_OPEN) == 0 and await self.told()


async def _open(
    fleet: _Fleet, how: str, settings: AlertSettings, alerter: Program, mailbox: TimedMailbox
) -> list[Figure]:
    """The fleet is well for some passes, then all of it fails between two."""
    stage, tenant = fleet.stage, fleet.tenant
    await add_agents(stage, tenant.id, fleet.names)
    async with stage.db.tenant(tenant.id) as connection:
        await put_settings(connection, tenant.id, settings)
    await fleet.post(WELL)
    await add_rule(stage, tenant.id, RULE)
    await until(fleet.known, seconds=600, every=0.5)
    figures = Figures(alerter)
    async with figures.watching():
        await until(lambda: len(figures.passes) >= SETTLED, seconds=600)
        await stage.vacuum()
        passed = len(figures.passes)
        await until(lambda: len(figures.passes) > passed, seconds=600)
        passed, mails = len(figures.passes), len(mailbox.arrived)
        await fleet.post(BAD)
        assert len(figures.passes) == passed, "the next pass began before all of it had failed"
        await until(fleet.failed, seconds=600, every=POLL)
        saved = time.monotonic()
        await until(lambda: len(mailbox.arrived) > mails, seconds=600, every=POLL)
        await until(fleet.told, seconds=600, every=0.5)
        told = time.monotonic()
        await until(lambda: len(figures.passes) > passed, seconds=600)
    messages = len(mailbox.arrived) - mails
    return [
        Figure(f"{len(fleet.names):,} open, {how}: the pass", figures.passes[passed], "s", most=5),
        Figure("the first message after the save", max(0.0, mailbox.arrived[mails] - saved), "s", most=2),
        Figure("messages a second", messages / (told - saved), "/s"),
        Figure("messages", messages),
    ]
