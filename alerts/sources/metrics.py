"""Points of metrics, reduced over windows by the history store."""

from alerts.core.condition import MetricLeaf
from alerts.core.labels import make_labels
from alerts.core.reading import Reading
from alerts.sources.base import Batch, Shape, Source
from monitor.series.store import Reduction


def reduction_of(leaf: MetricLeaf) -> Reduction:
    """What the leaf asks of the history store."""
    return Reduction(metric=leaf.metric, reduce=leaf.reduce, window=leaf.window, by=leaf.by, where=leaf.where)


async def _read(batch: Batch[MetricLeaf]) -> None:
    leaf = batch.leaf
    for row in await batch.series.reduce(reduction_of(leaf), batch.by_tenant, now=batch.now):
        labels = make_labels(zip(leaf.by, row.labels, strict=True))
        batch.put((row.tenant_id, row.agent_id), Reading(row.value, row.count, row.last_at), labels)


def _shape(leaf: MetricLeaf) -> Shape:
    return (MetricLeaf, leaf.metric, leaf.reduce, leaf.window, leaf.by, leaf.where)


SOURCE = Source(_shape, _read, history=True)
