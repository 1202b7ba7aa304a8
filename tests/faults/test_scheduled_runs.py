"""Alerters killed while agents are being called: each run called once, once more a kill at most, logged once."""

import asyncio
from collections import Counter
from random import Random

import pytest
from sqlalchemy import text

from monitor import clock
from tests.channels.servers import Stub, serving
from tests.factories import TenantMade, make_agent
from tests.stage import Stage, until

KILLS = 6
AGENTS = 40

_ASK = text("""
    INSERT INTO scheduled_runs (tenant_id, id, agent_id, due_at, status, next_attempt_at)
    SELECT tenant_id, gen_random_uuid(), id, :now, 'pending', :now FROM agents
""")
_EXPIRE = text("UPDATE scheduled_runs SET claimed_until = now() WHERE claimed_until IS NOT NULL")
_LEFT = text("SELECT count(*) FROM scheduled_runs WHERE next_attempt_at IS NOT NULL")
_HOOK = text("UPDATE agents SET webhook_url = :url")
_LOGS = text("SELECT count(*), count(DISTINCT external_id) FROM agent_logs")
_STATUSES = text("SELECT status, count(*) FROM scheduled_runs GROUP BY status")


@pytest.mark.accept
async def test_each_run_is_called_once_and_once_more_per_kill_at_most(stage: Stage, tenant: TenantMade) -> None:
    rng = Random(4)
    async with serving(Stub()) as receiver:
        for number in range(AGENTS):
            await make_agent(stage.db, tenant.id, f"agent-{number:02d}")
        async with stage.db.owner() as owner:
            await owner.execute(_HOOK, {"url": receiver.url})
        where = {"webhook_allow": "127.0.0.0/8", "run_timeout": "2s"}
        alerters = [await stage.alerter(**where).start() for _ in range(2)]
        for kill in range(KILLS):
            seen = len(receiver.requests)
            async with stage.db.owner() as owner:
                await owner.execute(_ASK, {"now": clock.now()})
            await until(lambda: len(receiver.requests) > seen, every=0.002)  # noqa: B023
            await asyncio.sleep(rng.random() * 0.3)
            victim = alerters[kill % 2]
            victim.kill()
            # What it had claimed expires by itself in half a minute: as if that had gone by.
            async with stage.db.owner() as owner:
                await owner.execute(_EXPIRE)
            await victim.start()

            async def done() -> bool:
                async with stage.db.alerter() as connection:
                    return (await connection.execute(_LEFT)).scalar() == 0

            await until(done, seconds=90)
        async with stage.db.owner() as owner:
            assert (await owner.execute(_STATUSES)).all() == [("succeeded", KILLS * AGENTS)]
            assert (await owner.execute(_LOGS)).one() == (KILLS * AGENTS, KILLS * AGENTS)
        calls = Counter(request.headers["Idempotency-Key"] for request, _ in receiver.requests)
        assert len(calls) == KILLS * AGENTS
        assert max(calls.values()) <= 2
