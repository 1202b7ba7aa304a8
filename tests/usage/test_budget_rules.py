"""What rules on spending read of the ledger: periods that begin within an hour, labels, and what nobody can price."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from alerts.core.condition import BudgetLeaf
from alerts.core.labels import Labels
from alerts.core.reading import Reading
from alerts.core.terms import SpendingPeriod, SpendingUnit
from alerts.sources import Sources
from alerts.sources.base import Fault
from monitor.db import Database
from monitor.series.postgres import PostgresSeriesStore
from monitor.usage.model import Tokens
from tests.usage.stage import Stage


@contextlib.contextmanager
def unguarded(doing: str) -> Iterator[Fault]:
    """Whatever goes wrong is the test's."""
    yield Fault()


async def read(stage: Stage, leaf: BudgetLeaf, now: datetime) -> dict[Labels, Reading]:
    """What the first agent spent."""
    agent = (stage.tenant.id, stage.agents[0])
    sources = Sources(stage.db, PostgresSeriesStore(stage.db))
    return (await sources.read({leaf: [agent]}, now=now, guard=unguarded)).sets[leaf, agent]


async def test_a_day_that_begins_at_half_past_counts_that_half_of_the_hour(db: Database) -> None:
    # Midnight in India is half past six in the evening, UTC.
    today = datetime.now(UTC).replace(hour=18, minute=30, second=0, microsecond=0)
    midnight = today - timedelta(days=1)
    stage = await Stage.of(db, midnight)
    await stage.put(
        [
            stage.call(at=midnight - timedelta(minutes=1), given_cost=Decimal(100), model="old"),
            stage.call(at=midnight, given_cost=Decimal(1), model="m-1"),
            stage.call(at=midnight + timedelta(minutes=29), given_cost=Decimal(2), model="m-2"),
            stage.call(at=midnight + timedelta(hours=2), given_cost=Decimal(4), model="m-1"),
            stage.call(at=midnight + timedelta(hours=2), given_cost=Decimal(8), agent_id=stage.agents[1]),
        ]
    )
    now = midnight + timedelta(hours=3)
    whole = await read(stage, BudgetLeaf(SpendingUnit.COST_USD, 10.0, timezone="Asia/Kolkata"), now)
    assert (whole[()].value, whole[()].count, whole[()].changes_at) == (7.0, 3, today)
    by_model = await read(stage, BudgetLeaf(SpendingUnit.COST_USD, 10.0, timezone="Asia/Kolkata", by=("model",)), now)
    assert {labels: reading.value for labels, reading in by_model.items()} == {
        (("model", "m-1"),): 5.0,
        (("model", "m-2"),): 2.0,
    }
    tokens = BudgetLeaf(
        SpendingUnit.TOKENS, 10.0, SpendingPeriod.DAY, timezone="Asia/Kolkata", where=(("model", "m-2"),)
    )
    assert (await read(stage, tokens, now))[()].value == 1100.0


async def test_a_part_of_the_prices_is_known(db: Database) -> None:
    now = datetime.now(UTC).replace(minute=50, second=0, microsecond=0) - timedelta(hours=1)
    stage = await Stage.of(db, now)
    unknown = [stage.call(model="nobody-knows", tokens=Tokens(input=5)) for _ in range(2)]
    leaf = BudgetLeaf(SpendingUnit.COST_USD, 10.0, SpendingPeriod.HOUR)
    assert (await read(stage, leaf, now))[()].value == 0.0
    await stage.put(unknown)
    assert (await read(stage, leaf, now))[()].value is None
    await stage.put([stage.call(given_cost=Decimal("2.5"))])
    reading = (await read(stage, leaf, now))[()]
    assert reading.value == 2.5
    assert "the price of 2 of 3 calls is not known" in reading.note
