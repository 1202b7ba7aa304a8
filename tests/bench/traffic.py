"""What agents send in a bench: the same points as HTTP bodies and as columns, a log of an ordinary size."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np

from monitor.ids import microseconds
from monitor.series.catalogue import Catalogue
from monitor.series.store import Columns, SeriesName
from tests.points import Point, columns_of

AGENTS, METRICS, STEPS = 10, 10, 10
POINTS = AGENTS * METRICS * STEPS
GROUPS = 10
TAGS = {"model": "small"}
_MARK = "1000000000.{:06d}"


class Batches:
    """Bodies of 1,000 points: 10 agents x 10 metrics x 10 times a millisecond apart, 1,000 series in all.

    Every body carries times of its own, so that nothing is overwritten.
    """

    def __init__(self, since: datetime) -> None:
        """`since`: the first time; 1,000 bodies fill 10 s for each of the 10 groups of agents."""
        self._first_us = microseconds(since)
        self._numbers = itertools.count()
        self._bodies = [_body(group) for group in range(GROUPS)]

    def times_us(self, number: int) -> list[int]:
        """The times of a body, in microseconds since the epoch."""
        start = self._first_us + number // GROUPS * STEPS * 1000
        return [start + step * 1000 for step in range(STEPS)]

    def body(self) -> bytes:
        """The next one."""
        number = next(self._numbers)
        body = self._bodies[number % GROUPS]
        for step, at_us in enumerate(self.times_us(number)):
            text = f"{at_us // 1_000_000}.{at_us % 1_000_000:06d}"
            body = body.replace(_MARK.format(step).encode(), text.encode())
        return body

    def prepared(self, columns: list[Columns]) -> Columns:
        """The next one as columns, from those of `series_columns`."""
        number = next(self._numbers)
        at = np.tile(np.array(self.times_us(number), np.int64), AGENTS * METRICS)
        group = columns[number % GROUPS]
        return Columns(group.series_ids, at, group.values)


def names(group: int) -> list[tuple[str, str]]:
    """Agent and metric of each series in a group's body."""
    agents = [f"agent-{group * AGENTS + number:03d}" for number in range(AGENTS)]
    return [(agent, f"metric_{number}") for agent in agents for number in range(METRICS)]


def _body(group: int) -> bytes:
    rows = [
        f'{{"agent":"{agent}","metric":"{metric}","value":{number + step / 8 + 0.5},'
        f'"timestamp":{_MARK.format(step)},"tags":{json.dumps(TAGS)}}}'
        for number, (agent, metric) in enumerate(names(group))
        for step in range(STEPS)
    ]
    return f"[{','.join(rows)}]".encode()


async def series_columns(catalogue: Catalogue, tenant_id: UUID, agents: dict[str, UUID]) -> list[Columns]:
    """Ids and values of each group's batch, the series found by the product's own code."""
    columns = []
    for group in range(GROUPS):
        points = [
            Point(SeriesName(agents[agent], metric, tuple(TAGS.items()), None, None), step, number + step / 8 + 0.5)
            for number, (agent, metric) in enumerate(names(group))
            for step in range(STEPS)
        ]
        prepared, refused = await columns_of(catalogue, tenant_id, points)
        assert refused == []
        columns.append(prepared)
    return columns


def log(agent: str, *, status: str = "success", at: datetime | None = None) -> bytes:
    """One execution with about 200 bytes of details."""
    completed = at or datetime.now(UTC)
    row = {
        "agent": agent,
        "status": status,
        "message": "reviewed pull request 1482",
        "started_at": (completed - timedelta(milliseconds=842)).isoformat(),
        "completed_at": completed.isoformat(),
        "duration": 842,
        "details": {
            "model": "claude-opus-4-1",
            "repository": "platform/payments",
            "branch": "feature/retry-idempotency",
            "files": 14,
            "tokens": {"input": 18211, "output": 2120},
            "cost_usd": 0.4328,
            "tools": ["read", "grep", "edit"],
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        },
    }
    return json.dumps(row, separators=(",", ":")).encode()
