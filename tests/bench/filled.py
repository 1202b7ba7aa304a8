"""Thirty days of a thousand agents, as they are stored: an execution of each and its use of a model every hour, sums of
its metrics by day, tasks and calls of tools every six hours, and a hundred alerts a day in all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from monitor.ids import uuid7
from monitor.series.catalogue import Catalogue
from monitor.series.store import Kind, SeriesName
from tests.factories import TenantMade, make_tenant
from tests.stage import Stage

AGENTS, DAYS = 1000, 30
STATUS = "execution_status"
HOURLY = ("execution_duration_ms", STATUS, "cpu_percent")
"""Metrics whose single points are stored, one an hour."""
METRICS = (*HOURLY, "memory_bytes", "load", "tokens_input", "tokens_output", "cost_usd")
_OF_MODEL = {"tokens_input", "tokens_output", "cost_usd"}

# The first 48 bits are milliseconds (RFC 9562); the rest need only be unique.
_ID = (
    "(lpad(to_hex(floor(extract(epoch FROM {at}) * 1000)::bigint), 12, '0') || '7' || substr(md5({seed}), 1, 3) || '8' "
    "|| substr(md5({seed}), 4, 15))::uuid"
)
_EACH = "FROM unnest(CAST(:agents AS uuid[])) WITH ORDINALITY AS a (id, n), generate_series(0, :count - 1) AS g (i), "
_AT = "LATERAL (SELECT CAST(:start AS timestamptz) + i * CAST(:step AS interval) + n * interval '1 second') AS t (at)"
_OWN = _ID.format(at="t.at", seed="a.id::text || i")
_STATUS = "CASE (i + n) % 20 WHEN 0 THEN '{bad}' WHEN 1 THEN '{odd}' ELSE '{good}' END"
_MS = "(100 + (hashint8(i * 1000 + n) & 1023) * (1 + n % 7))"
_LOGS = f"""
    INSERT INTO agent_logs (tenant_id, agent_id, id, completed_at, duration, kind, status, message, details)
    SELECT :tenant, a.id, {_OWN}, t.at, {_MS}, 'execution',
        {_STATUS.format(bad="error", odd="warning", good="success")}, 'reviewed pull request ' || i,
        jsonb_build_object('files', i % 100)
    {_EACH} {_AT}"""
_USAGE = f"""
    INSERT INTO usage_hours (tenant_id, hour, key, agent_id, model, workflow, environment, calls, failed, unpriced,
        input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd, folded)
    SELECT :tenant, CAST(:start AS timestamptz) + i * CAST(:step AS interval), {_OWN},
        a.id, 'model-' || n % 4, 'workflow-' || n % 20, 'prod', 4, i % 10 / 9, 0, 900, 120, 300, 0, 0, 0.0125, true
    {_EACH} {_AT}"""
_TASKS = f"""
    INSERT INTO tasks (tenant_id, id, agent_id, task_type, status, retry_count, started_at, completed_at, duration_ms,
        trace_id, created_at)
    SELECT :tenant, {_OWN}, a.id, 'review',
        {_STATUS.format(bad="failed", odd="failed", good="completed")}, n % 3, t.at, t.at + interval '2 s', 2000,
        md5(a.id::text || i), t.at
    {_EACH} {_AT}"""
_TOOLS = f"""
    INSERT INTO tool_executions (tenant_id, id, agent_id, tool_name, status, error_code, started_at, completed_at,
        duration_ms, created_at)
    SELECT :tenant, {_OWN}, a.id, 'tool-' || (i + n) % 30,
        {_STATUS.format(bad="error", odd="timeout", good="success")}, 'E' || n % 5, t.at,
        t.at + interval '1 s', {_MS}, t.at
    {_EACH} {_AT}"""
_TRACES = f"""
    INSERT INTO traces (tenant_id, trace_id, name, status, agent_ids, models, tasks, failed_tasks, tokens, cost_usd,
        started_at, ended_at, duration_ms, words, first_id, last_id)
    SELECT :tenant, md5(a.id::text || i), 'run ' || i, {_STATUS.format(bad="failed", odd="failed", good="completed")},
        ARRAY[a.id], '{{}}', 3, 0, 1000, 0.1, t.at, t.at + interval '9 s', {_MS}, '', a.id, a.id
    {_EACH} {_AT}"""
_HANDOFFS = f"""
    INSERT INTO agent_interactions (tenant_id, id, from_agent_id, to_agent_id, interaction_type, at)
    SELECT :tenant, {_OWN}, a.id,
        (CAST(:agents AS uuid[]))[1 + n % array_length(CAST(:agents AS uuid[]), 1)], 'handoff', t.at
    {_EACH} {_AT}"""
_ALERTS = f"""
    WITH made AS (
        INSERT INTO alerts (tenant_id, id, agent_id, rule, fingerprint, severity, status, triggered_at, acknowledged_at,
            resolved_at)
        SELECT :tenant, {_OWN}, a.id, 'rule ' || n % 50, 'f', 'warning',
            'resolved', t.at, t.at + interval '3 min', t.at + interval '1 h'
        {_EACH} {_AT} RETURNING tenant_id, id, triggered_at
    ), told AS (
        INSERT INTO notification_groups (tenant_id, id, channel, target, alert_ids)
        SELECT tenant_id, id, 'email', 'ops@example.com', ARRAY[id] FROM made RETURNING id
    ), said AS (
        INSERT INTO alert_events (tenant_id, id, alert_id, kind, at)
        SELECT tenant_id, id, id, 'acknowledged', triggered_at + interval '3 min' FROM made RETURNING id
    ) INSERT INTO notifications (tenant_id, id, group_id, channel, target, reason, why, alert_ids, status, attempts,
        created_at, sent_at)
    SELECT tenant_id, id, id, 'email', 'ops@example.com', 'FIRST', '', ARRAY[id], 'sent', 1, triggered_at,
        triggered_at + interval '2 s' FROM made"""
_SEARCHES = f"""
    INSERT INTO rag_queries (tenant_id, id, collection_id, agent_id, query_text, top_score, latency_ms, created_at)
    SELECT :tenant, {_OWN}, :collection, a.id, 'what', (n % 100) / 100.0, {_MS}, t.at
    {_EACH} {_AT}"""
_SCORES = f"""
    INSERT INTO scores (tenant_id, id, source, name, value, agent_id, at)
    SELECT :tenant, {_OWN}, 'evaluation', 'helpful', (n % 100) / 100.0, a.id, t.at
    {_EACH} {_AT}"""
# Of 24 points: 22 good, one warning, one error, which is what `execution_status` counts as 1, 0.5 and 0.
_DAYS = """
    INSERT INTO rollups_day (tenant_id, series_id, at, count, sum, sum_sq, min, max, last, last_at, histogram)
    SELECT :tenant, s.id, d.at, 24, 22.5 * s.scale, (22.25 - 22.5 * 22.5 / 24) * s.scale * s.scale, 0, s.scale, s.scale,
        d.at + interval '23 hours', decode(repeat(md5(s.id::text), 4), 'hex')
    FROM unnest(CAST(:series AS bigint[]), CAST(:scales AS float8[])) AS s (id, scale),
        generate_series(CAST(:start AS timestamptz), CAST(:last AS timestamptz), interval '1 day') AS d (at)"""
_CHUNKS = f"""
    INSERT INTO sample_chunks (tenant_id, series_id, hour, t, v)
    SELECT :tenant, s.id, CAST(:start AS timestamptz) + i * interval '1 hour', ARRAY[(n - 1800) * 1000000::int],
        ARRAY[CASE WHEN s.status THEN 1.0 - ((i + n) % 20 = 0)::int ELSE {_MS} END]
    FROM unnest(CAST(:series AS bigint[]), CAST(:status AS bool[]), CAST(:numbers AS int[])) AS s (id, status, n),
        generate_series(0, :count - 1) AS g (i)"""
_EVERY: tuple[tuple[str, timedelta, int], ...] = (
    (_LOGS, timedelta(hours=1), 1), (_USAGE, timedelta(hours=1), 1), (_TASKS, timedelta(hours=6), 1),
    (_TOOLS, timedelta(hours=6), 1), (_TRACES, timedelta(hours=6), 1), (_HANDOFFS, timedelta(hours=12), 1),
    (_ALERTS, timedelta(days=1), 10), (_SEARCHES, timedelta(days=1), 1), (_SCORES, timedelta(days=1), 1),
)  # fmt: skip
"""Each with its step, and of how many agents one has it."""


@dataclass(frozen=True, slots=True)
class Filled:
    """The tenant whose days these are, from `start`; its series by metric, in the order of its agents."""

    tenant: TenantMade
    agents: Sequence[UUID]
    names: Sequence[str]
    start: datetime
    series: dict[str, list[int]]

    @property
    def end(self) -> datetime:
        """When the last day is over."""
        return self.start + timedelta(days=DAYS)


async def fill(stage: Stage, now: datetime, *, agents: int = AGENTS) -> Filled:
    """Everything, up to the last midnight."""
    tenant = await make_tenant(stage.db)
    start = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
    names = [f"agent-{number:04d}" for number in range(agents)]
    ids = [uuid7(now) for _ in names]
    async with stage.db.owner() as owner:
        await owner.execute(
            text("INSERT INTO agents (tenant_id, id, external_id, name, agent_type, ping_token) "
                 "SELECT :tenant, n.id, n.name, n.name, 'coder', n.id "
                 "FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[])) n (id, name)"),
            {"tenant": tenant.id, "ids": ids, "names": names},
        )  # fmt: skip
        collection = uuid7(now)
        await owner.execute(
            text("INSERT INTO collections (tenant_id, id, slug, name, embedding_model) "
                 "VALUES (:tenant, :id, 'docs', 'docs', 'small')"), {"tenant": tenant.id, "id": collection},
        )  # fmt: skip
    given = {"tenant": tenant.id, "start": start, "collection": collection}
    for statement, step, share in _EVERY:
        known = given | {"agents": ids[::share], "step": step, "count": timedelta(days=DAYS) // step}
        async with stage.db.owner() as owner:
            await owner.execute(
                text(statement), {name: value for name, value in known.items() if f":{name}" in statement}
            )
    series = {metric: await _series(stage, tenant.id, ids, metric) for metric in METRICS}
    await _history(stage, tenant.id, start, series)
    await stage.vacuum()
    return Filled(tenant, ids, names, start, series)


async def _series(stage: Stage, tenant_id: UUID, agents: Sequence[UUID], metric: str) -> list[int]:
    named = [
        SeriesName(agent, metric, (("model", f"model-{n % 4}"),) if metric in _OF_MODEL else (), Kind.GAUGE, None)
        for n, agent in enumerate(agents)
    ]
    ids = await Catalogue(stage.db).resolve(tenant_id, named)
    return [one for one in ids if isinstance(one, int)]


def scale_of(metric: str, agent: int) -> float:
    """The greatest value of a day of an agent, by its number."""
    return 1.0 if metric == STATUS else 1.0 + agent


async def _history(stage: Stage, tenant_id: UUID, start: datetime, series: dict[str, list[int]]) -> None:
    ids = [one for made in series.values() for one in made]
    scales = [
        1.0 if metric == "execution_status" else 1.0 + n for metric, made in series.items() for n in range(len(made))
    ]
    points = [(one, metric == "execution_status", n + 1) for metric in HOURLY for n, one in enumerate(series[metric])]
    given = {"tenant": tenant_id, "start": start}
    days = given | {"last": start + timedelta(days=DAYS - 1), "series": ids, "scales": scales}
    numbered, status, numbers = (list(column) for column in zip(*points, strict=True))
    hours = given | {"count": DAYS * 24, "series": numbered, "status": status, "numbers": numbers}
    for statement, values in ((_DAYS, days), (_CHUNKS, hours)):
        async with stage.db.owner() as owner:
            await owner.execute(text(statement), values)
