"""A collector that is killed without a word: what it held of the day's requests is lost, and no more than that."""

import asyncio
import signal
import sys
from pathlib import Path

from monitor.db import Database, Role
from monitor.embedded import EmbeddedPostgres
from monitor.usage.meter import Meter
from tests.conftest import SettableClock, urls
from tests.usage.stage import Stage
from tests.usage.test_meter import enter, limit, used

ROOT = Path(__file__).parent.parent.parent
LIMIT = 200
PROGRAM = """
import asyncio, sys, uuid
from monitor import clock
from monitor.db import Database, Role
from monitor.usage.meter import Meter

async def main():
    db = Database({Role.APP: sys.argv[1], Role.ALERTER: sys.argv[2]}, pool_size=2)
    meter, tenant = Meter(db, clock.now), uuid.UUID(sys.argv[3])
    for _ in range(40):
        await meter.enter(tenant, clock.now())
    # Its rate is known now: it takes more than it needs.
    await meter.settle()
    for _ in range(2):
        await meter.enter(tenant, clock.now())
    print("42 let through", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_a_killed_collector_loses_what_it_held_and_never_lets_others_beyond_the_limit(
    postgres: EmbeddedPostgres, database_name: str, db: Database, clock: SettableClock
) -> None:
    stage = await Stage.of(db, clock.time)
    await limit(db, stage, daily_requests=LIMIT)
    found = urls(postgres, database_name)
    app, alerter = found[Role.APP], found[Role.ALERTER]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, app, alerter, str(stage.tenant.id), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()).decode() == "42 let through\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()
    counted = await used(stage)
    lost = counted - 42
    # A sixteenth of what was left.
    assert 0 < lost <= (LIMIT - 40) // 16
    survivor = Meter(db, clock)
    through = 0
    for _ in range(LIMIT):
        through += await enter(survivor, stage, 1, clock)
    await survivor.close()
    assert 42 + through == LIMIT - lost
    assert await used(stage) == LIMIT
