"""Searches in collections, and scores that people and evaluations give."""

from dashboards.queries.base import AGENTS, BY_ID, IN_SPAN, MOST_LINES, STEP, TENANT, Format, Query

# A search that names no agent counts as long as all are chosen.
_SEARCHES = f"dashboards.searches WHERE {IN_SPAN} AND {AGENTS}"
_TENTHS = ", ".join(
    f'count(*) FILTER (WHERE top_score > {low / 10:g} AND top_score <= {(low + 1) / 10:g}) AS "{(low + 1) / 10:.1f}"'
    for low in range(1, 10)
)

SEARCHES = Query(
    "Searches, by collection",
    f"SELECT {STEP}, collection AS metric, count(*) AS value FROM {_SEARCHES} GROUP BY 1, 2 ORDER BY 1, 2",
)
SEARCH_TIMES = Query(
    "How long searches take: percentiles by nearest rank",
    f"""SELECT {STEP}, percentile_disc(0.5) WITHIN GROUP (ORDER BY latency_ms) AS p50,
  percentile_disc(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95,
  percentile_disc(0.99) WITHIN GROUP (ORDER BY latency_ms) AS p99
FROM {_SEARCHES} AND latency_ms IS NOT NULL GROUP BY 1 ORDER BY 1""",
)
BEST_SCORES = Query(
    "How well the best chunk found fits, in tenths",
    f"""SELECT {STEP}, count(*) FILTER (WHERE top_score <= 0.1) AS "0.1", {_TENTHS}
FROM {_SEARCHES} AND top_score IS NOT NULL GROUP BY 1 ORDER BY 1""",
)
POOR = Query(
    "The share of searches whose best chunk fits by less than a half",
    f"SELECT avg(CASE WHEN top_score >= 0.5 THEN 0.0 ELSE 1.0 END)::float8 AS poor FROM {_SEARCHES}",
    format=Format.TABLE,
)
RATINGS = Query(
    "How searches were rated",
    f"""SELECT count(*) FILTER (WHERE feedback_rating > 0) AS good, count(*) FILTER (WHERE feedback_rating < 0) AS bad
FROM {_SEARCHES}""",
    format=Format.TABLE,
)
COLLECTIONS = Query(
    "Collections, and what is in them",
    f"""SELECT collection, name, document_count AS documents, chunk_count AS chunks, status
FROM dashboards.collections WHERE tenant_id = {TENANT} ORDER BY 4 DESC, 1 LIMIT 200""",
    format=Format.TABLE,
)
SCORES = Query(
    "The mean of each score",
    f"""WITH given AS (SELECT at, score, value FROM dashboards.scores WHERE {BY_ID} AND {AGENTS} AND value IS NOT NULL),
most AS (SELECT score FROM given GROUP BY score ORDER BY count(*) DESC, score LIMIT {MOST_LINES})
SELECT {STEP}, score AS metric, avg(value) AS value FROM given JOIN most USING (score) GROUP BY 1, 2 ORDER BY 1, 2""",
)
