"""Windows of a metric against the same hour of earlier days, which is read once an hour."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from alerts.core.condition import AnomalyLeaf
from alerts.core.labels import Labels, make_labels
from alerts.core.reading import Reading
from alerts.core.unusual import Usual, deviations, usual
from alerts.core.wording import number
from alerts.sources.base import Agent, Batch, Shape, Source
from monitor.series.store import Query, Reduction

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_NOBODY = Usual(0, 0, 0.0, 0.0)

_NAMES = text("""
    SELECT a.tenant_id, a.id, a.external_id
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:agents AS uuid[])) AS d (tenant_id, agent_id)
    JOIN agents a ON a.tenant_id = d.tenant_id AND a.id = d.agent_id
""")


async def _read(batch: Batch[AnomalyLeaf]) -> None:
    leaf = batch.leaf
    reduction = Reduction(metric=leaf.metric, reduce=leaf.reduce, window=leaf.window, by=leaf.by, where=leaf.where)
    rows = await batch.series.reduce(reduction, batch.by_tenant, now=batch.now)
    baseline = await _baseline(batch, {(row.tenant_id, row.agent_id) for row in rows})
    for row in rows:
        labels = make_labels(zip(leaf.by, row.labels, strict=True))
        known = baseline[row.tenant_id, row.agent_id].get(labels, _NOBODY)
        for each in batch.by_agent[row.tenant_id, row.agent_id]:
            reading = reading_of(each, row.value, row.count, row.last_at, known)
            batch.facts.sets[each, (row.tenant_id, row.agent_id)][labels] = reading


def reading_of(leaf: AnomalyLeaf, value: float, count: int, last_at: datetime, known: Usual) -> Reading:
    """The reading of a window's value against what is usual at its hour."""
    if not known.enough:
        note = f"{number(value)} now, and {known.values} windows of {known.days} earlier days at this hour"
        return Reading(None, count, last_at, note=note)
    spread = f"{number(known.middle)} ± {number(known.deviation)}"
    note = f"{number(value)}, usually {spread} at this hour ({known.values} windows of {known.days} days)"
    return Reading(deviations(value, known, leaf.direction), count, last_at, note=note)


async def _baseline(batch: Batch[AnomalyLeaf], agents: set[Agent]) -> dict[Agent, dict[Labels, Usual]]:
    """What was usual for these agents; it is read for those whose past was not read in this hour yet."""
    hour = batch.now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    shape, known = _shape(batch.leaf), batch.memory.of(hour)
    missing = sorted(agent for agent in agents if (shape, agent) not in known)
    if missing:
        given = {"tenants": [tenant for tenant, _ in missing], "agents": [agent for _, agent in missing]}
        names: dict[UUID, dict[str, UUID]] = defaultdict(dict)
        for row in await batch.rows(_NAMES, given):
            names[row.tenant_id][row.external_id] = row.id
        for tenant_id, agents_of in names.items():
            past = await _past(batch, tenant_id, agents_of, hour)
            for agent_id in agents_of.values():
                sets = past.get(agent_id, {})
                known[shape, (tenant_id, agent_id)] = {labels: usual(days) for labels, days in sets.items()}
    return {agent: known.get((shape, agent), {}) for agent in agents}


async def _past(
    batch: Batch[AnomalyLeaf], tenant_id: UUID, agents: dict[str, UUID], hour: datetime
) -> dict[UUID, dict[Labels, list[Sequence[float]]]]:
    """The windows of that hour on each earlier day, by agent and label set."""
    leaf = batch.leaf
    past: dict[UUID, dict[Labels, list[Sequence[float]]]] = defaultdict(lambda: defaultdict(list))
    for ago in range(1, leaf.baseline // _DAY + 1):
        start = hour - ago * _DAY
        query = Query(
            metric=leaf.metric,
            reduce=leaf.reduce,
            start=start,
            end=start + _HOUR,
            step=leaf.window,
            by=("agent", *leaf.by),
            where=dict(leaf.where),
            agent_ids=tuple(agents.values()),
        )
        for line in await batch.series.query(tenant_id, query):
            labels = make_labels((name, line.labels[name]) for name in leaf.by)
            past[agents[line.labels["agent"]]][labels].append([value for _, value in line.points])
    return past


def _shape(leaf: AnomalyLeaf) -> Shape:
    return (AnomalyLeaf, leaf.metric, leaf.reduce, leaf.window, leaf.baseline, leaf.by, leaf.where)


SOURCE = Source(_shape, _read, history=True)
