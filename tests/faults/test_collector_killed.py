"""The collector is killed under load, again and again: what it acknowledged is there, once."""

import asyncio
import random

import pytest

from tests.factories import TenantMade
from tests.faults.clients import Fleet, check_all_kept_once
from tests.stage import Stage

KILLS = 20

pytestmark = pytest.mark.accept


async def test_nothing_acknowledged_is_lost_or_doubled_by_twenty_kills(stage: Stage, tenant: TenantMade) -> None:
    chance = random.Random(20)
    collector = await stage.collector().start()
    async with Fleet(collector.url, tenant.key) as fleet:
        for _ in range(KILLS):
            before = fleet.ledger.acknowledged
            await asyncio.sleep(chance.uniform(0.2, 1.0))
            assert fleet.ledger.acknowledged > before
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
            assert await collector.stop() == 0
            await collector.start()
        await fleet.finish()
    assert fleet.ledger.odd == []
    await check_all_kept_once(stage.db, tenant.id, fleet.ledger)
