"""What dashboards read of long spans: days tell their metric, points are looked for under chosen agents only."""

from alembic import op

revision = "0050"
down_revision = "0049"

_BEFORE = "at timestamptz, count bigint, sum double precision, min double precision, max double precision"
_WHO = "agent text, agent_type text, model text"


def _days(columns: str, shown: str) -> str:
    return f"""
        CREATE FUNCTION dashboards.days(of_tenant uuid, of_metric text, low timestamptz, high timestamptz)
        RETURNS TABLE ({_BEFORE}, {columns}) LANGUAGE sql STABLE PARALLEL SAFE AS $$
            SELECT r.at, r.count, r.sum, r.min, r.max, {shown}
            FROM dashboards.rollups_day r
            JOIN dashboards.series s ON s.tenant_id = r.tenant_id AND s.series_id = r.series_id
            WHERE r.tenant_id = of_tenant AND s.metric ~ of_metric AND r.at >= low AND r.at <= high
        $$"""


def _points(parameters: str, chosen: str) -> str:
    return f"""
        CREATE FUNCTION dashboards.points(of_tenant uuid, of_metric text, {parameters} low timestamptz, high timestamptz)
        RETURNS TABLE (at timestamptz, value double precision, metric text, agent text, agent_type text, model text)
        LANGUAGE sql STABLE PARALLEL SAFE AS $$
            SELECT p.at, p.value, s.metric, s.agent, s.agent_type, s.model
            FROM (
                SELECT x.series_id, x.at, x.value FROM dashboards.samples x
                WHERE x.tenant_id = of_tenant AND x.at >= low AND x.at <= high
                UNION ALL
                SELECT c.series_id, c.at, c.value
                FROM (
                    SELECT k.series_id, u.v AS value,
                           k.hour + interval '30 minutes' + u.t * interval '1 microsecond' AS at
                    FROM dashboards.sample_chunks k, unnest(k.t, k.v) AS u (t, v)
                    WHERE k.tenant_id = of_tenant AND k.hour > low - interval '1 hour' AND k.hour <= high
                      AND k.series_id IN (
                          SELECT w.series_id FROM dashboards.series w
                          WHERE w.tenant_id = of_tenant AND w.metric ~ of_metric {chosen.format(s="w")})
                ) c
                WHERE c.at >= low AND c.at <= high AND NOT EXISTS (
                    SELECT FROM dashboards.samples y
                    WHERE y.tenant_id = of_tenant AND y.series_id = c.series_id AND y.at = c.at
                      AND y.at >= low AND y.at <= high)
            ) p
            JOIN dashboards.series s ON s.tenant_id = of_tenant AND s.series_id = p.series_id
            WHERE s.metric ~ of_metric {chosen.format(s="s")}
        $$"""


_SPAN = "timestamptz, timestamptz"
# Where all are chosen nothing is left of it: else the plan expects few rows, and takes a way that is slow for many.
_CHOSEN = "AND (of_types = '^(.*)$' OR {s}.agent_type ~ of_types) AND (of_agents = '^(.*)$' OR {s}.agent ~ of_agents)"


def upgrade() -> None:
    """A function cannot change what it takes and returns: it is made anew."""
    op.execute(f"DROP FUNCTION dashboards.days(uuid, text, {_SPAN})")
    op.execute(_days(f"{_WHO}, metric text", "s.agent, s.agent_type, s.model, s.metric"))
    op.execute(f"DROP FUNCTION dashboards.points(uuid, text, {_SPAN})")
    op.execute(_points("of_types text, of_agents text,", _CHOSEN))


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute(f"DROP FUNCTION dashboards.days(uuid, text, {_SPAN})")
    op.execute(_days(_WHO, "s.agent, s.agent_type, s.model"))
    op.execute(f"DROP FUNCTION dashboards.points(uuid, text, text, text, {_SPAN})")
    op.execute(_points("", ""))
