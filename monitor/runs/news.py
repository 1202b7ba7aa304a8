"""The job that follows runs: errors into their groups, traces into their sums, versions into deploy markers.

What writes runs tells of them in `run_news`, one row a statement, in its own transaction. One alerter at a time takes
these rows and looks at the runs as they stand, so it neither misses a commit nor minds the order.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from monitor.db import Database
from monitor.runs import deployments, errors, search
from monitor.runs.errors import Failing, Told
from monitor.runs.search import Stirred

AT_ONCE = 200
"""Rows of news in one transaction."""
ROUNDS = 50
"""Transactions of one call; what is left waits for the next."""

# Any fixed number. Whoever looks holds it, so that nobody writes what an older look said.
_ALONE = text("SELECT pg_try_advisory_xact_lock(7305311829014115)")
_TAKE = text("""
    DELETE FROM run_news WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM run_news ORDER BY id LIMIT :at_most)
    RETURNING tenant_id, kind, run_ids, agent_ids, trace_ids, first_id, last_id
""")


async def run_once(db: Database, now: datetime) -> int:
    """Take what there is; returns the number of rows of news. Nothing while another alerter is at it."""
    taken = 0
    for _ in range(ROUNDS):
        count = await _round(db, now)
        taken += count
        if count < AT_ONCE:
            break
    return taken


async def _round(db: Database, now: datetime) -> int:
    async with db.alerter() as connection:
        if not (await connection.execute(_ALONE)).scalar():
            return 0
        news = (await connection.execute(_TAKE, {"at_most": AT_ONCE})).all()
        await errors.note(connection, _told(news))
        tasks = [(row.tenant_id, run_id) for row in news if row.kind == Failing.TASK for run_id in row.run_ids]
        await deployments.see(connection, tasks, now)
        await search.sum_up(
            connection,
            [Stirred(row.tenant_id, one, row.first_id, row.last_id) for row in news for one in row.trace_ids],
        )
    return len(news)


def _told(news: Sequence[Row[Any]]) -> list[Told]:
    told: list[Told] = []
    for row in news:
        agents = row.agent_ids or [None] * len(row.run_ids)
        told += [
            Told(Failing(row.kind), row.tenant_id, run_id, agent)
            for run_id, agent in zip(row.run_ids, agents, strict=True)
        ]
    return told
