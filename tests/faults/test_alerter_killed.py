"""The alerter is killed between save and send, and between send and mark: every alert is told, hardly any twice."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from sqlalchemy import text

from tests.factories import TenantMade
from tests.faults.receivers import HeldMailbox, HeldSlack
from tests.stage import Program, Stage, until

KILLS = 20

pytestmark = pytest.mark.accept

RULE = {
    "name": "Fails",
    "conditions": {"status": "error", "consecutive_failures": 3},
    "channels": {"email": "ops@example.com", "slack": "#ops"},
}
_WAITING = text("SELECT count(*) FROM notifications WHERE status IN ('pending', 'sending')")
_COUNT = text("SELECT count(*) FROM notifications")
_UNSENT = text("SELECT reason, channel, status, last_error FROM notifications WHERE status <> 'sent'")
# What a dead process holds expires by itself after two minutes at most: as if they had gone by.
_LATER = (text("UPDATE leases SET expires_at = now()"), text("UPDATE notifications SET claimed_until = now()"))


class Watch:
    """The alerter under test, what it has to do, and how it dies."""

    def __init__(self, stage: Stage, alerter: Program, mailbox: HeldMailbox, slack: HeldSlack) -> None:
        self._db = stage.db
        self._alerter = alerter
        self._holds = (mailbox.hold, slack.hold)

    async def _number(self, statement: object) -> int:
        async with self._db.alerter() as connection:
            return int((await connection.execute(statement)).scalar() or 0)  # type: ignore[call-overload]

    async def kill_during(self, number: int, cause: Callable[[], Awaitable[None]]) -> None:
        """Kill it while it tells of what `cause` does: in turn after the save, after the mail, after Slack's message;
        then start it again and wait until everything is sent."""
        before = await self._number(_COUNT)
        if number % 3 == 0:
            await cause()
            await self._until(lambda: self._more_than(before), every=0.0005)
            self._alerter.kill()
        else:
            hold = self._holds[number % 3 - 1]
            with hold:
                await cause()
                await self._until(lambda: hold.taken)
                self._alerter.kill()
        async with self._db.alerter() as connection:
            for statement in _LATER:
                await connection.execute(statement)
        await self._alerter.start()
        await self._until(self._idle)

    async def _more_than(self, before: int) -> bool:
        return await self._number(_COUNT) > before

    async def _idle(self) -> bool:
        return await self._number(_WAITING) == 0

    async def _until(self, check: Callable[[], bool | Awaitable[bool]], *, every: float = 0.02) -> None:
        self._alerter.check()
        await until(check, every=every)
        self._alerter.check()


async def test_every_alert_is_told_at_most_once_too_often_per_kill(
    stage: Stage, tenant: TenantMade, mailbox: HeldMailbox, slack: HeldSlack
) -> None:
    collector = await stage.collector().start()
    where = {"smtp_url": mailbox.url, "slack_api_url": f"{slack.url}api/", "slack_bot_token": "xoxb-for-tests"}
    alerter = await stage.alerter(evaluation_interval="500ms", **where).start()
    watch = Watch(stage, alerter, mailbox, slack)
    agents = [f"agent-{number:02d}" for number in range(KILLS // 2)]
    async with aiohttp.ClientSession(collector.url, headers=tenant.headers) as session:
        await post(session, "/api/v1/alert-configs", RULE)
        for number, agent in enumerate(agents):
            await watch.kill_during(2 * number, lambda: report(session, agent, "error", 3))  # noqa: B023
            await watch.kill_during(2 * number + 1, lambda: report(session, agent, "success", 1))  # noqa: B023
    async with stage.db.alerter() as connection:
        assert (await connection.execute(_UNSENT)).all() == []
    mails = [(str(mail["Subject"]), str(mail["Message-ID"])) for mail in mailbox.mails]
    copies = Counter(identifier for _subject, identifier in mails)
    assert len(copies) == 2 * len(agents)
    assert sum(copies.values()) - len(copies) <= KILLS
    assert max(copies.values()) <= 2
    for agent in agents:
        check_story([subject for subject, _ in mails if agent in subject], "[FIRING]", "[RESOLVED]")
        calls = [(method, json.dumps(said)) for method, said in slack.calls]
        check_story([method for method, said in calls if agent in said], "chat.postMessage", "chat.update")


async def report(session: aiohttp.ClientSession, agent: str, status: str, times: int) -> None:
    """Executions of one agent."""
    for _ in range(times):
        await post(session, "/api/v1/logs", {"agent": agent, "status": status})


async def post(session: aiohttp.ClientSession, path: str, body: object) -> None:
    """A request that must succeed."""
    async with session.post(path, json=body) as answer:
        assert answer.status in {201, 202}, await answer.text()


def check_story(told: list[str], first: str, last: str) -> None:
    """Told of the failure, once or twice, then of its end, once or twice, and nothing in between or after."""
    kinds = [first if item.startswith(first) else last if item.startswith(last) else item for item in told]
    assert kinds in ([first] * n + [last] * m for n in (1, 2) for m in (1, 2)), told
