"""Logs and what is known of an agent right now, written together: the SQL of the hot path.

Everything here is added to the caller's transaction, whose tenant is set. Whoever writes for an agent holds its
`agent_live` row first, so two collectors take turns; rows are locked in order of their ids, so they cannot deadlock.

An agent's streak is defined by its executions in order of their ids, which carry event time: the number of errors
after the newest success or warning. What an agent is doing is not stored: status.py computes it from this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from monitor import arrays
from monitor.agents.status import BUSY
from monitor.pipeline import Pipeline, Statement

_LOCK = Statement("SELECT 1 FROM agent_live WHERE agent_id = ANY(:agents::uuid[]) ORDER BY agent_id FOR NO KEY UPDATE")

# The count of stored errors sees what was committed before this statement began, and this statement began after
# the agent's row was locked; the rows that it inserts itself are not among them and are counted from `news`.
# The count is a function of its own because it is seldom needed, and a plan that names agent_logs opens every
# partition each time it starts.
# Null where nothing was stored: then it is not newer either.
_NEWER = "news.id > coalesce(l.last_execution_id, '00000000-0000-0000-0000-000000000000'::uuid)"
_LOGS = Statement(f"""
WITH n AS MATERIALIZED (
    SELECT * FROM unnest(
        :agents::uuid[], :ids::uuid[], :received::timestamptz[], :started::timestamptz[], :completed::timestamptz[],
        :durations::bigint[], :kinds::text[], :statuses::text[], :levels::text[], :names::text[], :messages::text[],
        :details::jsonb[]
    ) AS n (agent_id, id, received_at, started_at, completed_at, duration,
            kind, status, level, external_id, message, details)
), named AS (
    INSERT INTO agent_log_ids (tenant_id, agent_id, external_id, log_id)
    SELECT :tenant::uuid, agent_id, external_id, id FROM n WHERE external_id IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING agent_id, external_id, log_id
), stored AS (
    INSERT INTO agent_logs (tenant_id, agent_id, id, received_at, started_at, completed_at, duration,
                            kind, status, level, external_id, message, details)
    SELECT :tenant::uuid, n.* FROM n
    WHERE n.external_id IS NULL OR EXISTS (
        SELECT FROM named
        WHERE named.agent_id = n.agent_id AND named.external_id = n.external_id AND named.log_id = n.id
    )
    ON CONFLICT DO NOTHING
    RETURNING agent_id, id, kind, status, message, duration
), sums AS (
    SELECT agent_id,
           (array_agg(id ORDER BY id DESC) FILTER (WHERE status <> 'error'))[1] AS ok_id,
           (array_agg(id ORDER BY id DESC))[1] AS last_id,
           array_agg(id) FILTER (WHERE status = 'error') AS errors
    FROM stored WHERE kind = 'execution' GROUP BY agent_id
), seen AS (
    SELECT agent_id, max(received_at) AS at FROM n GROUP BY agent_id
), news AS (
    SELECT seen.agent_id, seen.at, sums.ok_id, sums.errors, newest.id, newest.status, newest.message, newest.duration
    FROM seen
    LEFT JOIN sums ON sums.agent_id = seen.agent_id
    LEFT JOIN stored newest ON newest.agent_id = sums.agent_id AND newest.id = sums.last_id
), lived AS (
    UPDATE agent_live l SET
        last_seen_at = greatest(l.last_seen_at, news.at),
        last_active_at = greatest(l.last_active_at, news.at),
        active_by = 'log',
        last_execution_id = greatest(l.last_execution_id, news.id),
        last_ok_id = greatest(l.last_ok_id, news.ok_id),
        last_status = CASE WHEN {_NEWER} THEN news.status ELSE l.last_status END,
        last_message = CASE WHEN {_NEWER} THEN left(news.message, 2000) ELSE l.last_message END,
        last_duration = CASE WHEN {_NEWER} THEN news.duration ELSE l.last_duration END,
        consecutive_failures = CASE
            WHEN news.ok_id > l.last_ok_id OR (news.ok_id IS NOT NULL AND l.last_ok_id IS NULL) THEN
                (SELECT count(*) FROM unnest(news.errors) AS e (id) WHERE e.id > news.ok_id)
                + CASE WHEN l.last_execution_id > news.ok_id
                       THEN errors_after(:tenant::uuid, l.agent_id, news.ok_id) ELSE 0 END
            ELSE l.consecutive_failures + (
                SELECT count(*) FROM unnest(news.errors) AS e (id) WHERE l.last_ok_id IS NULL OR e.id > l.last_ok_id
            )
        END
    FROM news
    WHERE l.tenant_id = :tenant::uuid AND l.agent_id = news.agent_id
)
SELECT log_id FROM named
""")

# The interval is learned from the times of receipt: a moving average in which one long gap counts as four at most.
_GAP = "(extract(epoch FROM b.at - l.last_heartbeat_at) / b.count)"
_BUSY = ", ".join(f"'{status}'" for status in sorted(BUSY))
_BEATS = Statement(f"""
UPDATE agent_live l SET
    last_seen_at = greatest(l.last_seen_at, b.at),
    last_heartbeat_at = greatest(l.last_heartbeat_at, b.at),
    last_active_at = CASE WHEN lower(b.status) IN ({_BUSY}) THEN greatest(l.last_active_at, b.at)
                          ELSE l.last_active_at END,
    active_by = CASE WHEN lower(b.status) IN ({_BUSY}) THEN 'heartbeat' ELSE l.active_by END,
    heartbeat_count = l.heartbeat_count + b.count,
    heartbeat_status = coalesce(b.status, l.heartbeat_status),
    heartbeat_interval = CASE
        WHEN b.interval_us IS NOT NULL THEN b.interval_us / 1e6
        WHEN coalesce({_GAP}, 0) <= 0 THEN l.heartbeat_interval
        WHEN l.heartbeat_interval IS NULL THEN {_GAP}
        ELSE l.heartbeat_interval + 0.25 * (least({_GAP}, 4 * l.heartbeat_interval) - l.heartbeat_interval)
    END,
    expected = CASE
        WHEN b.farewell = 1 OR a.ephemeral OR a.retired_at IS NOT NULL THEN false
        ELSE l.expected OR b.interval_us IS NOT NULL OR l.heartbeat_count + b.count >= 3
    END,
    metrics = CASE
        WHEN b.metrics IS NULL THEN l.metrics
        WHEN pg_column_size(l.metrics) > 16384 THEN b.metrics
        ELSE l.metrics || b.metrics
    END
FROM unnest(:agents::uuid[], :at::timestamptz[], :counts::bigint[], :statuses::text[], :intervals::bigint[],
            :farewells::smallint[], :metrics::jsonb[])
         AS b (agent_id, at, count, status, interval_us, farewell, metrics)
JOIN agents a ON a.tenant_id = :tenant::uuid AND a.id = b.agent_id
WHERE l.tenant_id = :tenant::uuid AND l.agent_id = b.agent_id
""")

_SEEN = Statement("""
UPDATE agent_live l SET
    last_seen_at = greatest(l.last_seen_at, s.at), last_active_at = greatest(l.last_active_at, s.at), active_by = s.kind
FROM unnest(:agents::uuid[], :at::timestamptz[], :kinds::text[]) AS s (agent_id, at, kind)
WHERE l.tenant_id = :tenant::uuid AND l.agent_id = s.agent_id
""")

# Which executions failed, for the groups of errors: see monitor/runs/news.py.
_FAILED = Statement("INSERT INTO run_news (tenant_id, kind, run_ids, agent_ids) VALUES (:tenant, 'log', :ids, :agents)")

_TOUCHED = Statement("INSERT INTO touched (tenant_id, agent_ids, kinds) VALUES (:tenant, :agents, :kinds)")


class LogRow(NamedTuple):
    """One log, ready to store. Times are microseconds since the epoch, `duration` milliseconds, `details` JSON."""

    agent_id: UUID
    id: UUID
    received_us: int
    started_us: int | None
    completed_us: int | None
    duration: int | None
    kind: str
    status: str
    level: str | None
    external_id: str | None
    message: str | None
    details: bytes | None


@dataclass(frozen=True, slots=True)
class Beats:
    """What the heartbeats of one agent in one batch come to.

    `interval_us`: as the agent said, else None. `farewell`: the last one was a clean
    shutdown, which ends the expectation. `metrics`: a JSON object, merged over what is there.
    """

    agent_id: UUID
    at_us: int
    count: int
    status: str | None
    interval_us: int | None
    farewell: bool
    metrics: bytes | None


def lock(pipeline: Pipeline, agent_ids: Sequence[UUID]) -> None:
    """Take turns with everybody else who writes for these agents. `agent_ids` in any order, without repeats."""
    pipeline.add(_LOCK, agents=arrays.uuids(sorted(agent_ids)))


def write_logs(pipeline: Pipeline, tenant_id: UUID, logs: Sequence[LogRow]) -> None:
    """Store logs and bring their agents' rows, locked by the caller, up to date with what was really new.

    A log whose id (the caller's, or the row's own) is stored already changes nothing but `last_seen_at`. To be
    fetched: the id of each log with a caller's id that was new.
    """
    failed = [log for log in logs if log.status == "error" and log.kind == "execution"]
    if failed:
        ids, agents = arrays.uuids([log.id for log in failed]), arrays.uuids([log.agent_id for log in failed])
        pipeline.add(_FAILED, tenant=tenant_id, ids=ids, agents=agents)
    pipeline.add(
        _LOGS,
        tenant=tenant_id,
        agents=arrays.uuids([log.agent_id for log in logs]),
        ids=arrays.uuids([log.id for log in logs]),
        received=arrays.times_or_null([log.received_us for log in logs]),
        started=arrays.times_or_null([log.started_us for log in logs]),
        completed=arrays.times_or_null([log.completed_us for log in logs]),
        durations=arrays.int8s_or_null([log.duration for log in logs]),
        kinds=arrays.texts([log.kind for log in logs]),
        statuses=arrays.texts([log.status for log in logs]),
        levels=arrays.texts([log.level for log in logs]),
        names=arrays.texts([log.external_id for log in logs]),
        messages=arrays.texts([log.message for log in logs]),
        details=arrays.jsonbs([log.details for log in logs]),
    )


def write_beats(pipeline: Pipeline, tenant_id: UUID, beats: Sequence[Beats]) -> None:
    """Store heartbeats, one entry for each agent, whose rows the caller has locked."""
    pipeline.add(
        _BEATS,
        tenant=tenant_id,
        agents=arrays.uuids([beat.agent_id for beat in beats]),
        at=arrays.times_or_null([beat.at_us for beat in beats]),
        counts=arrays.int8s_or_null([beat.count for beat in beats]),
        statuses=arrays.texts([beat.status for beat in beats]),
        intervals=arrays.int8s_or_null([beat.interval_us for beat in beats]),
        farewells=arrays.int2s([int(beat.farewell) for beat in beats]),
        metrics=arrays.jsonbs([beat.metrics for beat in beats]),
    )


def write_seen(pipeline: Pipeline, tenant_id: UUID, seen: Mapping[UUID, tuple[int, str]]) -> None:
    """Note when agents were last heard of: microseconds of receipt, and by what, by agent. The caller holds their
    rows."""
    agents, at = arrays.uuids(list(seen)), arrays.times_or_null([at_us for at_us, _ in seen.values()])
    pipeline.add(_SEEN, tenant=tenant_id, agents=agents, at=at, kinds=arrays.texts([kind for _, kind in seen.values()]))


def touch(pipeline: Pipeline, tenant_id: UUID, news: Mapping[UUID, int]) -> None:
    """Tell the alerter which agents have news of which kinds: bits of `monitor.signals.Touch`."""
    agents, kinds = arrays.uuids(list(news)), arrays.int2s(news.values())
    pipeline.add(_TOUCHED, tenant=tenant_id, agents=agents, kinds=kinds)
