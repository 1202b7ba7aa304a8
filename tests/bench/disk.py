"""What one task leaves on disk: a log and ten points, after rollup and compaction, indexes included."""

import json
import random
from datetime import datetime, timedelta

from sqlalchemy import text

from monitor import clock as wall
from monitor.series import rollup
from tests.bench.client import closed, request
from tests.bench.figure import Figure
from tests.bench.traffic import log
from tests.factories import make_tenant
from tests.stage import Stage

AGENTS = 20
TASKS_AN_HOUR = 60
METRICS = (
    "latency_ms", "tokens_in", "tokens_out", "cost_usd", "tool_calls",
    "files_read", "retries", "queue_ms", "cache_hits", "context_tokens",
)  # fmt: skip
DATA = (
    "agent_logs", "agent_log_ids", "samples", "sample_chunks", "rollups_minute", "rollups_hour", "rollups_day",
    "series", "agents", "agent_live", "idempotency_keys", "touched",
)  # fmt: skip
_SIZES = text("""
    SELECT split_part(c.relname, '_p2', 1) AS name, sum(pg_total_relation_size(c.oid))::bigint AS bytes
    FROM pg_class c WHERE c.relkind = 'r' AND split_part(c.relname, '_p2', 1) = ANY (:names) GROUP BY 1
""")


async def sizes(stage: Stage) -> dict[str, int]:
    """Bytes of each table with its partitions, indexes and TOAST."""
    async with stage.db.owner() as owner:
        return {row.name: row.bytes for row in await owner.execute(_SIZES, {"names": list(DATA)})}


def tasks(start: datetime, hours: int) -> list[list[tuple[str, datetime]]]:
    """Agent and end of each task, an hour at a time, in order of time, at irregular seconds."""
    chance = random.Random(7)
    made = []
    for hour in range(hours):
        spread = 3600 / TASKS_AN_HOUR
        ends = [
            (f"agent-{agent:03d}", start + timedelta(seconds=hour * 3600 + (task + chance.random()) * spread))
            for agent in range(AGENTS)
            for task in range(TASKS_AN_HOUR)
        ]
        made.append(sorted(ends, key=lambda item: item[1]))
    return made


def bodies(hour: list[tuple[str, datetime]], chance: random.Random) -> tuple[bytes, bytes]:
    """One request of logs and one of metrics for an hour's tasks."""
    logs = b"[" + b",".join(log(agent, at=at) for agent, at in hour) + b"]"
    points = [
        {
            "agent": agent,
            "timestamp": at.isoformat(),
            "metrics": {m: round(chance.lognormvariate(5, 1), 2) for m in METRICS},
        }
        for agent, at in hour
    ]
    return logs, json.dumps(points).encode()


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """The product's own way in and its own compaction, the time shifted into the past."""
    hours = 12 if quick else 48
    tenant = await make_tenant(stage.db)
    collector = await stage.collector(evaluation_interval="1h").start()
    now = wall.now()
    # Whole days: a partition of samples is given back when its day is over.
    start = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=4)
    before = await sizes(stage)
    chance = random.Random(11)
    requests = []
    for hour in tasks(start, hours):
        logs, points = bodies(hour, chance)
        requests.append(request(collector.url, "/api/v1/logs", tenant.key, logs))
        requests.append(request(collector.url, "/api/v1/metrics", tenant.key, points))
    pending = iter(requests)
    load = await closed(collector.url, lambda: next(pending), connections=1, until=lambda sent: sent >= len(requests))
    load.expect(202)
    await collector.stop()
    while (await rollup.run_once(stage.db, now)).batches:
        pass
    async with stage.db.owner() as owner:
        await owner.execute(text("DELETE FROM touched"))
    await stage.vacuum()
    after = await sizes(stage)
    count = hours * AGENTS * TASKS_AN_HOUR
    grown = {name: (after[name] - before.get(name, 0)) / count for name in after}
    parts = [
        Figure(f"of which {name}", size, "B") for name, size in sorted(grown.items(), key=lambda g: -g[1]) if size > 5
    ]
    return [Figure("a task", sum(grown.values()), "B", most=1200), *parts, Figure("tasks", count)]
