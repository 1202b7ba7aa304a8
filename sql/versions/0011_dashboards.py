"""What Grafana may read: views in a schema of their own, and the one role that may use it.

The views belong to the schema's owner, so they show every tenant; none shows a key, a token, a channel or a message's
text. The role has no right on any table behind them. The functions are plain enough to be planned as part of the
query that calls them, so that the bounds they are given prune partitions.
"""

from alembic import op

revision = "0011"
down_revision = "0010"

VIEWS = (
    """
    CREATE VIEW dashboards.tenants AS
    SELECT id, slug, name, status FROM public.tenants WHERE deleted_at IS NULL
    """,
    # What an agent is doing, as monitor/agents/status.py computes it.
    """
    CREATE VIEW dashboards.agents AS
    SELECT a.tenant_id, a.id AS agent_id, a.external_id AS agent, a.name, a.agent_type, a.status, a.version,
           l.last_seen_at, l.last_heartbeat_at, l.heartbeat_interval, l.expected, l.last_status,
           l.consecutive_failures,
           CASE
               WHEN l.last_seen_at IS NULL THEN 'unknown'
               WHEN l.expected AND now() - l.last_seen_at
                    > greatest(90, 3 * coalesce(l.heartbeat_interval, 0)) * interval '1 second' THEN 'dead'
               WHEN l.last_status = 'error' THEN 'error'
               WHEN now() - l.last_seen_at <= interval '60 seconds' THEN 'working'
               ELSE 'idle'
           END AS state
    FROM public.agents a LEFT JOIN public.agent_live l ON l.tenant_id = a.tenant_id AND l.agent_id = a.id
    WHERE a.deleted_at IS NULL AND a.retired_at IS NULL
    """,
    """
    CREATE VIEW dashboards.alerts AS
    SELECT t.tenant_id, t.id AS alert_id, t.rule, t.severity, t.status, t.value, t.labels, t.triggered_at,
           t.acknowledged_at, t.resolved_at, coalesce(a.external_id, '') AS agent, coalesce(a.agent_type, '') AS agent_type
    FROM public.alerts t LEFT JOIN public.agents a ON a.tenant_id = t.tenant_id AND a.id = t.agent_id
    """,
    """
    CREATE VIEW dashboards.logs AS
    SELECT l.tenant_id, l.id, coalesce(l.completed_at, l.started_at, l.received_at) AS at, l.kind, l.status, l.duration,
           a.external_id AS agent, a.agent_type
    FROM public.agent_logs l JOIN public.agents a ON a.tenant_id = l.tenant_id AND a.id = l.agent_id
    """,
    """
    CREATE VIEW dashboards.series AS
    SELECT s.tenant_id, s.id AS series_id, s.metric, s.kind, s.unit, s.tags, coalesce(s.tags ->> 'model', '') AS model,
           a.external_id AS agent, a.agent_type
    FROM public.series s JOIN public.agents a ON a.tenant_id = s.tenant_id AND a.id = s.agent_id
    """,
    """
    CREATE VIEW dashboards.samples AS
    SELECT tenant_id, series_id, at, value FROM public.samples
    """,
    """
    CREATE VIEW dashboards.sample_chunks AS
    SELECT tenant_id, series_id, hour, t, v FROM public.sample_chunks
    """,
    """
    CREATE VIEW dashboards.rollups_hour AS
    SELECT tenant_id, series_id, at, count, sum, min, max FROM public.rollups_hour
    """,
)

FUNCTIONS = (
    # The smallest UUIDv7 of a millisecond (RFC 9562, 5.7).
    """
    CREATE FUNCTION dashboards.first_id(at timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT (lpad(to_hex(floor(extract(epoch FROM first_id.at) * 1000)::bigint), 12, '0')
                || '70008000000000000000')::uuid
    $$
    """,
    """
    CREATE FUNCTION dashboards.executions(of_tenant uuid, low timestamptz, high timestamptz)
    RETURNS TABLE (at timestamptz, status text, duration bigint, agent text, agent_type text)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
        SELECT l.at, l.status, l.duration, l.agent, l.agent_type
        FROM dashboards.logs l
        WHERE l.tenant_id = of_tenant AND l.kind = 'execution'
          AND l.id >= dashboards.first_id(low) AND l.id < dashboards.first_id(high + interval '1 millisecond')
          AND l.at >= low AND l.at <= high
    $$
    """,
    # Points of open hours and points that came late are samples; the others lie in chunks, an hour of a series each,
    # as microseconds from the middle of the hour. A sample replaces the chunk's point of the same time.
    """
    CREATE FUNCTION dashboards.points(of_tenant uuid, of_metric text, low timestamptz, high timestamptz)
    RETURNS TABLE (at timestamptz, value double precision, metric text, agent text, agent_type text, model text)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
        SELECT p.at, p.value, s.metric, s.agent, s.agent_type, s.model
        FROM (
            SELECT x.series_id, x.at, x.value FROM dashboards.samples x
            WHERE x.tenant_id = of_tenant AND x.at >= low AND x.at <= high
            UNION ALL
            SELECT c.series_id, c.at, c.value
            FROM (
                SELECT k.series_id, k.hour + interval '30 minutes' + u.t * interval '1 microsecond' AS at, u.v AS value
                FROM dashboards.sample_chunks k, unnest(k.t, k.v) AS u (t, v)
                WHERE k.tenant_id = of_tenant AND k.hour > low - interval '1 hour' AND k.hour <= high
                  AND k.series_id IN (
                      SELECT w.series_id FROM dashboards.series w
                      WHERE w.tenant_id = of_tenant AND w.metric ~ of_metric)
            ) c
            WHERE c.at >= low AND c.at <= high AND NOT EXISTS (
                SELECT FROM dashboards.samples y
                WHERE y.tenant_id = of_tenant AND y.series_id = c.series_id AND y.at = c.at
                  AND y.at >= low AND y.at <= high)
        ) p
        JOIN dashboards.series s ON s.tenant_id = of_tenant AND s.series_id = p.series_id
        WHERE s.metric ~ of_metric
    $$
    """,
    """
    CREATE FUNCTION dashboards.hours(of_tenant uuid, of_metric text, low timestamptz, high timestamptz)
    RETURNS TABLE (at timestamptz, count bigint, sum double precision, min double precision, max double precision,
                   agent text, agent_type text, model text)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
        SELECT r.at, r.count, r.sum, r.min, r.max, s.agent, s.agent_type, s.model
        FROM dashboards.rollups_hour r JOIN dashboards.series s ON s.tenant_id = r.tenant_id AND s.series_id = r.series_id
        WHERE r.tenant_id = of_tenant AND s.metric ~ of_metric AND r.at >= low AND r.at <= high
    $$
    """,
    # InfluxDB knows agents by name alone: which names the choice of types and agents comes to is asked here. A
    # character that monitor/series/influx_line.py writes as % and its code is looked for in that form.
    r"""
    CREATE FUNCTION dashboards.agent_pattern(of_tenant uuid, types text, names text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
        SELECT CASE WHEN types = '^(.*)$' AND names = '^(.*)$' THEN '.*' ELSE (
            SELECT coalesce(string_agg(replace(
                       regexp_replace(
                           regexp_replace(a.agent, '[\x01-\x1f\x7f-\x9f\u2028\u2029\ufffd\\]|^#', E'\x01', 'g'),
                           '([][^$.*+?(){}|/])', '\\\1', 'g'),
                       E'\x01', '%[0-9A-F]+'), '|' ORDER BY a.agent), '')
            FROM dashboards.agents a WHERE a.tenant_id = of_tenant AND a.agent_type ~ types AND a.agent ~ names
        ) END
    $$
    """,
)


def upgrade() -> None:
    """Make the schema, its views and functions, and let Grafana's role in. The role is made by sql/roles.sql."""
    op.execute("CREATE SCHEMA dashboards")
    for statement in (*VIEWS, *FUNCTIONS):
        op.execute(statement)
    op.execute("GRANT USAGE ON SCHEMA dashboards TO agent_monitor_grafana")
    op.execute("GRANT SELECT ON ALL TABLES IN SCHEMA dashboards TO agent_monitor_grafana")
    # Databases that are older than the role: public may not connect.
    op.execute(
        "DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO agent_monitor_grafana', current_database()); END $$"
    )


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP SCHEMA dashboards CASCADE")
