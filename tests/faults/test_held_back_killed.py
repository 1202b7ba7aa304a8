"""The alerter is killed while messages are held back, and again while they are released: each is told, once."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from sqlalchemy import text

from tests.factories import TenantMade, make_tenant
from tests.faults.receivers import HeldMailbox
from tests.faults.test_alerter_killed import post, report
from tests.stage import Program, Stage, until

pytestmark = pytest.mark.accept

KILLS = 2
SETTINGS = {
    "group": {"group": {"by": ["rule"], "wait": "20s"}, "settle": "0s"},
    "digest": {"digest": [{"channels": {"email": "digest@example.com"}, "every": "20s"}], "settle": "0s"},
    "budget": {"budget": 1, "settle": "0s"},
    "settling": {"settle": "30s"},
}
"""What holds a tenant's messages back, by what its alerts' timelines call it."""

_SHARDS = text("SELECT count(*) FROM outages WHERE what LIKE 'alerter %'")
_AWAY = text("UPDATE outages SET seen_at = seen_at - interval '10 min'")
# What a dead process holds expires by itself after two minutes at most: as if they had gone by.
_LATER = (text("UPDATE leases SET expires_at = now()"), text("UPDATE notifications SET claimed_until = now()"))
_HELD = text("SELECT DISTINCT details->>'by' FROM alert_events WHERE kind = 'withheld'")
_TOLD = text("SELECT count(*) FROM notifications")
_SENT = text("SELECT count(*) FROM notifications WHERE status = 'sent'")
# A budget is for an hour: as if it had gone by.
_HOUR_LATER = text("""
    UPDATE paces SET due_at = now(), state = jsonb_set(state, '{digests,budget,due_at}', to_jsonb(now()::text))
    WHERE state->'digests' ? 'budget' RETURNING 1
""")


class Killed:
    """The alerter, and its database as its successor finds it."""

    def __init__(self, stage: Stage, alerter: Program) -> None:
        self._stage = stage
        self._alerter = alerter

    async def again(self, *also: object) -> list[int]:
        """Kill it, change the time by these statements, start it anew; returns how many rows each changed."""
        self._alerter.kill()
        changed = []
        async with self._stage.db.owner() as connection:
            for statement in (*_LATER, *also):
                changed.append((await connection.execute(statement)).rowcount)  # type: ignore[call-overload]
        await self._alerter.start()
        return changed[len(_LATER) :]

    async def number(self, statement: object) -> int:
        """What a statement counts."""
        async with self._stage.db.owner() as connection:
            return int((await connection.execute(statement)).scalar() or 0)  # type: ignore[call-overload]

    async def held(self) -> set[str]:
        """By what messages were held back so far."""
        async with self._stage.db.owner() as connection:
            return set((await connection.execute(_HELD)).scalars())


@asynccontextmanager
async def _told_by(stage: Stage, url: str) -> AsyncIterator[dict[str, aiohttp.ClientSession]]:
    """A tenant for each thing that holds back, with its settings and a rule that mails to an address of its own."""
    async with AsyncExitStack() as stack:
        sessions = {}
        for name, settings in SETTINGS.items():
            made: TenantMade = await make_tenant(stage.db)
            session = await stack.enter_async_context(aiohttp.ClientSession(url, headers=made.headers))
            async with session.put("/api/v1/alert-settings", json=settings) as answer:
                assert answer.status == 200, await answer.text()
            rule = {"name": "Fails", "conditions": {"status": "error"}, "channels": {"email": f"{name}@example.com"}}
            await post(session, "/api/v1/alert-configs", rule)
            sessions[name] = session
        yield sessions


async def test_what_is_held_back_outlives_its_alerter_and_is_told_once(stage: Stage, mailbox: HeldMailbox) -> None:
    collector = await stage.collector().start()
    alerter = await stage.alerter(evaluation_interval="500ms", smtp_url=mailbox.url).start()
    killed = Killed(stage, alerter)
    async with _told_by(stage, collector.url) as sessions:
        await until(lambda: _any(killed, _SHARDS))
        await killed.again(_AWAY)
        await report(sessions["budget"], "before", "error", 1)
        await until(lambda: bool(mailbox.mails))
        for session in sessions.values():
            await report(session, "agent", "error", 1)
        await until(lambda: _all_held(killed))
        assert len(mailbox.mails) == 1
        told = await killed.number(_TOLD)
        assert await killed.again(_HOUR_LATER) == [1]
        await until(lambda: _more(killed, _TOLD, told), every=0.0005)
        await killed.again()
        await until(lambda: _more(killed, _SENT, len(SETTINGS)))
    copies = Counter((str(mail["To"]), str(mail["Message-ID"])) for mail in mailbox.mails)
    assert Counter(to for to, _ in copies) == {f"{name}@example.com": 1 for name in SETTINGS} | {
        "budget@example.com": 2
    }
    assert sum(copies.values()) - len(copies) <= KILLS


async def _any(killed: Killed, statement: object) -> bool:
    return await killed.number(statement) > 0


async def _more(killed: Killed, statement: object, than: int) -> bool:
    return await killed.number(statement) > than


async def _all_held(killed: Killed) -> bool:
    return await killed.held() == set(SETTINGS)
