"""Agent Monitor itself: what comes in, what waits, what is down. Of every tenant that the asking role may see."""

from dashboards.queries.base import ROLLUPS, STEP, TENANT, WINDOW, Format, Query, line, rollups

WAITING = Query(
    "What waits to be done, and since when",
    """SELECT what, count(*) AS waiting, extract(epoch FROM now() - min(since))::float8 AS oldest
FROM dashboards.waiting GROUP BY 1 ORDER BY 2 DESC, 1""",
    format=Format.TABLE,
)
BACKLOG = Query(
    "How much waits to be done",
    """SELECT count(*) FILTER (WHERE what = 'messages to be sent') AS messages,
  count(*) FILTER (WHERE what = 'rules to be judged') AS rules,
  count(*) FILTER (WHERE what = 'runs to be put together') AS runs,
  count(*) FILTER (WHERE what = 'hours to be rolled up again') AS hours,
  count(*) FILTER (WHERE what = 'batches of points in the spool') AS spool
FROM dashboards.waiting""",
    format=Format.TABLE,
)
BEHIND = Query(
    "How far rollups are behind",
    "SELECT level, extract(epoch FROM now() - until)::float8 AS behind FROM dashboards.progress ORDER BY 1",
    format=Format.TABLE,
)
LEASES = Query(
    "Which process does what only one may do",
    """SELECT name, holder, extract(epoch FROM expires_at - now())::float8 AS "expires in"
FROM dashboards.leases ORDER BY 1""",
    format=Format.TABLE,
)
OUTAGES = Query(
    "What Agent Monitor needs and could not reach",
    """SELECT what, seen_at, began_at, ended_at FROM dashboards.outages
ORDER BY (ended_at IS NULL AND began_at IS NOT NULL) DESC, began_at DESC NULLS LAST, what LIMIT 100""",
    format=Format.TABLE,
)
TAKEN_IN = Query(
    "Executions and lines of log that came in, per minute",
    f"""SELECT {STEP}, kind AS metric, count(*) * 60000.0 / $__interval_ms AS value
FROM dashboards.logs WHERE tenant_id = {TENANT} AND id >= dashboards.first_id($__timeFrom())
  AND id < dashboards.first_id($__timeTo()) GROUP BY 1, 2 ORDER BY 1, 2""",
)
POINTS = Query(
    "Points in each hour that is over",
    f"""SELECT {STEP}, 'points' AS metric, sum(count)::float8 AS value
FROM {rollups("''")} GROUP BY 1 ORDER BY 1""",
    f"""from(bucket: {ROLLUPS})
  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> filter(fn: (r) => r.tenant == ${{tenant:doublequote}})
  |> filter(fn: (r) => r._field == "count")
  |> group()
  |> aggregateWindow(every: v.windowPeriod, fn: sum, {WINDOW})
{line('"points"')}""",
)
REQUESTS = Query(
    "Requests in each day of UTC, by tenant",
    f"""SELECT {STEP}, name AS metric, sum(requests)::float8 AS value
FROM dashboards.requests r JOIN dashboards.tenants t ON t.id = r.tenant_id
WHERE $__timeFilter(at) GROUP BY 1, 2 ORDER BY 1, 2""",
)
