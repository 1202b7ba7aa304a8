"""Alerts, and how well people are told of them."""

from dashboards.queries.base import AGENTS, IN_SPAN, STEP, TENANT, Format, Query

_ALERTS = (
    "(SELECT triggered_at AS at, acknowledged_at - triggered_at AS taken, resolved_at - triggered_at AS lasted, "
    f"rule, severity FROM dashboards.alerts WHERE tenant_id = {TENANT} AND $__timeFilter(triggered_at) "
    f"AND {AGENTS}) a"
)
_MESSAGES = f"dashboards.notifications WHERE {IN_SPAN}"


def _seconds(column: str) -> str:
    return f"extract(epoch FROM {column})::float8"


ACKNOWLEDGED = Query(
    "How long it took until somebody acknowledged: mean and 95th percentile",
    f"""SELECT avg({_seconds("taken")}) AS mean,
  percentile_disc(0.95) WITHIN GROUP (ORDER BY {_seconds("taken")}) AS p95 FROM {_ALERTS} WHERE taken IS NOT NULL""",
    format=Format.TABLE,
)
RESOLVED = Query(
    "How long it took until alerts were over: mean and 95th percentile",
    f"""SELECT avg({_seconds("lasted")}) AS mean,
  percentile_disc(0.95) WITHIN GROUP (ORDER BY {_seconds("lasted")}) AS p95 FROM {_ALERTS} WHERE lasted IS NOT NULL""",
    format=Format.TABLE,
)
FIRED = Query(
    "Alerts that fired, by severity",
    f"SELECT {STEP}, severity AS metric, count(*) AS value FROM {_ALERTS} GROUP BY 1, 2 ORDER BY 1, 2",
)
RESPONSE = Query(
    "How long acknowledging and resolving take, by when the alert fired",
    f"""SELECT {STEP}, avg({_seconds("taken")}) AS acknowledged, avg({_seconds("lasted")}) AS resolved
FROM {_ALERTS} GROUP BY 1 ORDER BY 1""",
)
NOISE = Query(
    "Rules by how often they fire, and how much of that was over within five minutes or that nobody took",
    f"""SELECT rule, count(*) AS fired,
  avg(CASE WHEN lasted < interval '5 minutes' THEN 1.0 ELSE 0.0 END)::float8 AS brief,
  avg(CASE WHEN taken IS NULL THEN 1.0 ELSE 0.0 END)::float8 AS untaken, avg({_seconds("lasted")}) AS lasted
FROM {_ALERTS} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50""",
    format=Format.TABLE,
)
DELIVERY = Query(
    "How long messages take from the decision to the service: percentiles by nearest rank",
    f"""SELECT {STEP}, percentile_disc(0.5) WITHIN GROUP (ORDER BY {_seconds("sent_at - at")}) AS p50,
  percentile_disc(0.95) WITHIN GROUP (ORDER BY {_seconds("sent_at - at")}) AS p95
FROM {_MESSAGES} AND sent_at IS NOT NULL GROUP BY 1 ORDER BY 1""",
)
CHANNELS = Query(
    "Messages by channel: sent, given up, withheld, and how many attempts",
    f"""SELECT channel, count(*) FILTER (WHERE status = 'sent') AS sent,
  count(*) FILTER (WHERE status = 'dead') AS dead,
  count(*) FILTER (WHERE status = 'withheld') AS withheld, avg(attempts)::float8 AS attempts
FROM {_MESSAGES} GROUP BY 1 ORDER BY dead DESC, sent DESC, 1""",
    format=Format.TABLE,
)
FAILURES = Query(
    "Messages that were given up, by channel",
    f"""SELECT channel, count(*) FILTER (WHERE status = 'dead') AS dead FROM {_MESSAGES}
GROUP BY 1 ORDER BY 2 DESC, 1""",
    format=Format.TABLE,
)
TIMELINE = Query(
    "What happened to alerts, line by line",
    f"""SELECT at AS time, kind || ': ' || rule || CASE WHEN agent = '' THEN '' ELSE ' (' || agent || ')' END AS body,
  CASE WHEN kind = 'resolved' THEN 'info' ELSE severity END AS level
FROM dashboards.transitions WHERE {IN_SPAN} AND {AGENTS} ORDER BY 1 DESC LIMIT 500""",
    format=Format.TABLE,
)
RULES = Query(
    "The rules, and what each compares",
    f"""SELECT rule, severity, agent, metric, op, threshold, enabled, failing, rule_id
FROM dashboards.rules WHERE tenant_id = {TENANT} AND agent ~ $re$^(${{agent:regex}}|)$$re$
ORDER BY failing DESC, rule, metric LIMIT 200""",
    format=Format.TABLE,
)
