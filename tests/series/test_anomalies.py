"""What is unusual against the same hour of earlier days, read from each kind of history."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from alerts.core.condition import AnomalyLeaf, MetricLeaf
from alerts.core.reading import Reading
from alerts.core.terms import Direction, Reducer
from alerts.sources import Sources
from alerts.sources.base import Agent, Facts, Fault
from monitor.errors import SeriesDown
from monitor.series.store import Tags
from tests.factories import make_agent, make_tenant
from tests.points import Point
from tests.series.conftest import History, point

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LEAF = AnomalyLeaf("latency_ms", baseline=3 * DAY, direction=Direction.ABOVE, reduce=Reducer.MEAN)


@contextlib.contextmanager
def guard(doing: str) -> Iterator[Fault]:
    """Faults are kept."""
    fault = Fault()
    try:
        yield fault
    except SeriesDown as error:
        fault.error = error


def points(agent_id: UUID, at: datetime, values: Sequence[float], tags: Tags = ()) -> list[Point]:
    """Values five minutes apart, each in a window of its own."""
    return [
        point(agent_id, at + number * timedelta(minutes=5), value, metric="latency_ms", tags=tags)
        for number, value in enumerate(values)
    ]


async def read(sources: Sources, leaf: AnomalyLeaf, agent: Agent, now: datetime) -> Facts:
    """One leaf for one agent."""
    return await sources.read({leaf: [agent]}, now=now, guard=guard)


async def test_a_window_is_held_against_the_same_hour_of_earlier_days(history: History, day: datetime) -> None:
    tenant = await make_tenant(history.db)
    agent = (tenant.id, await make_agent(history.db, tenant.id, "akira-001"))
    hour = day + 2 * DAY + 12 * HOUR
    for ago in (1, 2, 3):
        # The hour before was ten times as slow each day: that is none of this one.
        await history.write(tenant.id, points(agent[1], hour - ago * DAY - HOUR, [1000.0] * 12))
        await history.write(tenant.id, points(agent[1], hour - ago * DAY, [90.0, 100.0, 110.0] * 4))
    await history.write(tenant.id, points(agent[1], hour + timedelta(minutes=6), [180.0]))
    sources = Sources(history.db, history.store)
    now = hour + timedelta(minutes=10)
    reading = (await read(sources, LEAF, agent, now)).sets[LEAF, agent][()]
    assert reading.value is not None
    assert 5.3 < reading.value < 5.5  # 80 away, and a deviation is 1.4826 times 10
    assert reading.count == 1
    assert "180, usually 100 ± 14.826 at this hour (36 windows of 3 days)" in reading.note


async def test_two_earlier_days_are_not_enough_and_a_later_look_takes_what_was_read(
    history: History, day: datetime
) -> None:
    tenant = await make_tenant(history.db)
    agent = (tenant.id, await make_agent(history.db, tenant.id, "akira-001"))
    hour = day + 2 * DAY + 12 * HOUR
    for ago in (1, 2):
        await history.write(tenant.id, points(agent[1], hour - ago * DAY, [100.0] * 12))
    await history.write(tenant.id, points(agent[1], hour + timedelta(minutes=6), [180.0]))
    sources = Sources(history.db, history.store)
    now = hour + timedelta(minutes=10)
    reading = (await read(sources, LEAF, agent, now)).sets[LEAF, agent][()]
    assert (reading.value, reading.count) == (None, 1)
    assert "24 windows of 2 earlier days" in reading.note
    # The past is read once an hour: what comes late is seen in the next one, or by an alerter that starts.
    await history.write(tenant.id, points(agent[1], hour - 3 * DAY, [100.0] * 12))
    assert (await read(sources, LEAF, agent, now)).sets[LEAF, agent][()].value is None
    fresh = Sources(history.db, history.store)
    assert (await read(fresh, LEAF, agent, now)).sets[LEAF, agent][()].value is not None


async def test_each_label_set_has_a_past_of_its_own(history: History, day: datetime) -> None:
    tenant = await make_tenant(history.db)
    agent = (tenant.id, await make_agent(history.db, tenant.id, "akira-001"))
    leaf = AnomalyLeaf("latency_ms", baseline=3 * DAY, by=("model",))
    hour = day + 2 * DAY + 12 * HOUR
    slow, fast = (("model", "slow"),), (("model", "fast"),)
    for ago in (1, 2, 3):
        await history.write(tenant.id, points(agent[1], hour - ago * DAY, [990.0, 1000.0, 1010.0], slow))
        await history.write(tenant.id, points(agent[1], hour - ago * DAY, [9.0, 10.0, 11.0], fast))
    await history.write(tenant.id, points(agent[1], hour + timedelta(minutes=6), [1000.0], slow))
    await history.write(tenant.id, points(agent[1], hour + timedelta(minutes=6), [100.0], fast))
    sets = (await read(Sources(history.db, history.store), leaf, agent, hour + timedelta(minutes=10))).sets[leaf, agent]
    values = {labels: reading.value or 0.0 for labels, reading in sets.items()}
    assert values[slow] == 0.0
    assert values[fast] > 50


async def test_a_metric_that_nobody_sends_has_no_reading(history: History, day: datetime) -> None:
    tenant = await make_tenant(history.db)
    agent = (tenant.id, await make_agent(history.db, tenant.id, "akira-001"))
    facts = await read(Sources(history.db, history.store), LEAF, agent, day)
    assert facts.of([LEAF, MetricLeaf("x", 1.0)], agent)[LEAF] == {}
    assert Reading() not in facts.sets[LEAF, agent].values()
    assert facts.history_read
