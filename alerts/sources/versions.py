"""The newest version or model of an agent against the one before, over their finished tasks."""

from typing import Final

from alerts.core.condition import CompareLeaf
from alerts.core.reading import Reading
from alerts.core.terms import Compared
from alerts.core.wording import number
from alerts.sources.base import Batch, Shape, Source
from monitor.runs import sides
from monitor.runs.compare import Metric, Verdict
from monitor.runs.sides import Side

_AT_ONCE = 200
"""Agents whose tasks are read by one statement: the values of each are compared here."""

NEWEST = 2_000
"""Tasks of each side whose values are compared."""

_METRICS: Final = {
    Compared.ERROR_RATE: Metric.SUCCESS_RATE,
    Compared.DURATION: Metric.DURATION,
    Compared.TOKENS: Metric.TOKENS,
    Compared.COST: Metric.COST,
}


async def _read(batch: Batch[CompareLeaf]) -> None:
    leaf = batch.leaf
    ordered = sorted(batch.by_agent)
    for start in range(0, len(ordered), _AT_ONCE):
        agents = ordered[start : start + _AT_ONCE]
        async with batch.db.alerter() as connection:
            found = await sides.read_sides(
                connection,
                agents,
                by=leaf.compare.value,
                since=batch.now - leaf.window,
                limit=2,
                environment=leaf.environment,
                newest=NEWEST,
            )
        for agent in agents:
            for each in batch.by_agent[agent]:
                batch.facts.sets[each, agent][()] = reading(each, found.get(agent, []))


def reading(leaf: CompareLeaf, found: list[Side]) -> Reading:
    """What the two newest sides come to, the newer one first."""
    if len(found) < 2:
        return Reading(note=f"its tasks name {'one' if found else 'no'} {leaf.compare}")
    new, old = found
    metric = _METRICS[leaf.of]
    finding = sides.compare(old, new, metric, floor=leaf.min_count)
    if finding.verdict is Verdict.TOO_FEW:
        tasks = f"{new.key} has {new.tasks} finished tasks, {old.key} {old.tasks}"
        return Reading(last_at=new.last_seen_at, note=f"{tasks}; {leaf.min_count} each are needed")
    worse = 0.0
    if finding.verdict is Verdict.WORSE and finding.difference is not None:
        worse = abs(finding.difference)
        before = sides.median_of(old, metric)
        # From nothing to something is all of it.
        worse = worse if leaf.of is Compared.ERROR_RATE else worse / before if before else 1.0
    return Reading(worse, new.tasks + old.tasks, new.last_seen_at, note=_said(leaf, new, old))


def _said(leaf: CompareLeaf, new: Side, old: Side) -> str:
    def side(one: Side) -> str:
        if leaf.of is Compared.ERROR_RATE:
            what = f"{number(round((1 - one.succeeded / one.tasks) * 100, 1))} % failed"
        else:
            what = f"median {leaf.of} {number(sides.median_of(one, _METRICS[leaf.of]))}"
        return f"{leaf.compare} {one.key}: {what} of {one.tasks} tasks"

    return f"{side(new)}, {side(old)}"


def _shape(leaf: CompareLeaf) -> Shape:
    return (CompareLeaf, leaf.compare, leaf.window, leaf.environment)


SOURCE = Source(_shape, _read)
