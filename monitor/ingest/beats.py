"""Rows of POST /api/v1/heartbeats: checked, and brought together by agent."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import msgspec

from monitor.agents.live import Beats
from monitor.ingest import points, values
from monitor.ingest.decode import Rows
from monitor.ingest.payloads import BeatIn, MetricIn, Outcome
from monitor.ingest.points import PointDraft, Shapes
from monitor.ingest.values import Fault, Window
from monitor.signals import FAREWELLS

STATUS_LIMIT = 50
DEFAULT_STATUS = "active"


@dataclass(frozen=True, slots=True)
class BeatDraft:
    """A good heartbeat whose agent is still a name, and its metrics as points."""

    index: int
    agent: str
    status: str
    interval_us: int | None
    metrics: dict[str, float]
    points: list[PointDraft]

    def beats(self, agent_id: UUID, received_us: int) -> Beats:
        """What is stored of it."""
        metrics = msgspec.json.encode(self.metrics) if self.metrics else None
        return Beats(agent_id, received_us, 1, self.status, self.interval_us, is_farewell(self.status), metrics)


def is_farewell(status: str) -> bool:
    """Whether a heartbeat says that the agent stops on purpose."""
    return status.lower() in FAREWELLS


def drafts(rows: Rows[BeatIn], window: Window, outcome: Outcome, shapes: Shapes) -> list[BeatDraft]:
    """The good heartbeats; the others, and single metrics that are not kept, are named in `outcome`."""
    kept: list[BeatDraft] = []
    for index, row in enumerate(rows.rows):
        if isinstance(row, str):
            outcome.reject(index, row)
            continue
        try:
            kept.append(_draft(index, row, window, outcome, shapes))
        except Fault as fault:
            outcome.reject(index, str(fault))
            continue
        # A heartbeat with a field too many is still a sign of life.
        for key in rows.extra.get(index, ()):
            outcome.warnings.append((index, f"{values.clean(key[: values.NAME_LIMIT])}: an unknown field, not kept"))
    return kept


def _draft(index: int, row: BeatIn, window: Window, outcome: Outcome, shapes: Shapes) -> BeatDraft:
    agent = values.name(row.agent, "agent")
    status = DEFAULT_STATUS if row.status is None else values.name(row.status, "status", limit=STATUS_LIMIT)
    interval = None if row.interval is None else int(values.seconds(row.interval, "interval") * 1e6)
    made: list[PointDraft] = []
    if row.metrics is not None:
        if type(row.metrics) is not dict:
            raise Fault(f"metrics: an object is expected, not {values.kind_of(row.metrics)}")
        if row.metrics:
            wide = MetricIn(agent=agent, metrics=row.metrics, timestamp=row.timestamp, tags=row.tags)
            inner = Outcome()
            made = [draft._replace(row=index) for draft in points.drafts(Rows([wide]), window, inner, shapes)]
            outcome.rejected += [(index, error) for _, error in inner.rejected]
            outcome.warnings += [(index, text) for _, text in inner.warnings]
    return BeatDraft(index, agent, status, interval, {draft.shape.metric: draft.value for draft in made}, made)


def together(beats: Iterable[Beats]) -> list[Beats]:
    """One entry for each agent: the last word wins, counts add up, metrics are merged."""
    found: dict[UUID, Beats] = {}
    for beat in beats:
        before = found.get(beat.agent_id)
        found[beat.agent_id] = beat if before is None else _merge(before, beat)
    return list(found.values())


def _merge(before: Beats, after: Beats) -> Beats:
    metrics = after.metrics or before.metrics
    if before.metrics and after.metrics:
        metrics = msgspec.json.encode(msgspec.json.decode(before.metrics) | msgspec.json.decode(after.metrics))
    return Beats(
        before.agent_id,
        max(before.at_us, after.at_us),
        before.count + after.count,
        after.status or before.status,
        after.interval_us or before.interval_us,
        after.farewell,
        metrics,
    )
