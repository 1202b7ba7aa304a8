"""The collector is killed under load, again and again: what it acknowledged is there, once."""

import asyncio
import random
import signal

import pytest

from tests.factories import TenantMade
from tests.faults.clients import Fleet, check_all_kept_once
from tests.stage import Stage, until

KILLS = 20
AT_WORK = 100

pytestmark = pytest.mark.accept


async def test_nothing_acknowledged_is_lost_or_doubled_by_twenty_kills(stage: Stage, tenant: TenantMade) -> None:
    chance = random.Random(20)
    collector = await stage.collector().start()
    async with Fleet(collector.url, tenant.key) as fleet:
        for _ in range(KILLS):
            enough = fleet.ledger.acknowledged + AT_WORK
            await until(lambda: fleet.ledger.acknowledged >= enough)  # noqa: B023 - awaited at once
            await asyncio.sleep(chance.uniform(0, 0.5))
            collector.kill()
            await collector.start()
        await fleet.finish()
    ledger = fleet.ledger
    assert ledger.odd == []
    assert ledger.broken >= KILLS
    assert ledger.refused_without_when == 0
    await check_all_kept_once(stage.db, tenant.id, ledger)


async def test_a_clean_stop_under_load_answers_what_it_took(stage: Stage, tenant: TenantMade) -> None:
    collector = await stage.collector().start()
    async with Fleet(collector.url, tenant.key) as fleet:
        for _ in range(3):
            await asyncio.sleep(1)
            # uvicorn ends in order and then by the signal that asked for it.
            assert await collector.stop() in {0, -signal.SIGTERM}
            await collector.start()
        await fleet.finish()
    assert fleet.ledger.odd == []
    await check_all_kept_once(stage.db, tenant.id, fleet.ledger)
