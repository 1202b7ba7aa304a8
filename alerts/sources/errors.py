"""Groups of errors that are new to an agent's version, or that have come again after people resolved them."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from alerts.core.condition import ErrorGroupLeaf
from alerts.core.reading import Reading
from alerts.core.terms import ErrorNews
from alerts.sources.base import Agent, Batch, Shape, Source
from monitor.ids import uuid7_floor

LONGEST_TASK = timedelta(days=1)
"""Failures of tasks that took longer than this are not seen."""

_SHOWN = 120
"""Characters of an error's message that a page shows."""

# The id of a task's failure carries when the task began, `at` when it failed.
_GROUPS = """
    WITH news AS MATERIALIZED (
        SELECT g.tenant_id, g.fingerprint, g.error_type, g.message, g.first_version
        FROM error_groups g
        WHERE g.tenant_id = ANY (CAST(:tenants AS uuid[])) AND g.last_seen_at >= :start AND {wanted}
    )
    SELECT o.tenant_id, o.agent_id, n.fingerprint, n.error_type, n.message, n.first_version, count(*) AS times,
           max(o.at) AS last_at, bool_or({new}) AS new
    FROM news n
    JOIN error_occurrences o ON o.tenant_id = n.tenant_id AND o.fingerprint = n.fingerprint
    WHERE o.id >= :floor AND o.at >= :start AND o.agent_id = ANY (CAST(:agents AS uuid[])) AND {seen}
    GROUP BY o.tenant_id, o.agent_id, n.fingerprint, n.error_type, n.message, n.first_version
"""
_OPEN = "g.status IN ('open', 'regressed')"
_SINCE_VERSION = text(
    _GROUPS.format(
        wanted=_OPEN,
        # Where neither has a version, nobody can say whether it is new.
        new="coalesce(o.agent_version = n.first_version, false)",
        seen="(o.agent_version = n.first_version OR coalesce(o.agent_version, n.first_version) IS NULL)",
    )
)
_SINCE = text(_GROUPS.format(wanted=f"{_OPEN} AND g.first_seen_at >= :since", new="true", seen="true"))
_REGRESSED = text(_GROUPS.format(wanted="g.status = 'regressed'", new="true", seen="true"))


async def _read(batch: Batch[ErrorGroupLeaf]) -> None:
    leaf = batch.leaf
    start = batch.now - leaf.window
    given: dict[str, Any] = {"start": start, "floor": uuid7_floor(start - LONGEST_TASK)}
    statement = _REGRESSED if leaf.error is ErrorNews.REGRESSED else _SINCE_VERSION
    if leaf.since is not None:
        statement = _SINCE
        given["since"] = batch.now - leaf.since
    found: dict[Agent, list[Any]] = defaultdict(list)
    for row in await batch.rows(statement, batch.agents | given):
        found[row.tenant_id, row.agent_id].append(row)
    for agent in batch.by_agent:
        batch.put(agent, _reading(found.get(agent, [])))


def _reading(rows: list[Any]) -> Reading:
    """An agent that did not fail has no new error: that is known."""
    if not rows:
        return Reading(0.0, 1)
    last_at = max(row.last_at for row in rows)
    new = [row for row in rows if row.new]
    if not new:
        return Reading(None, sum(row.times for row in rows), last_at, note="its errors name no version")
    newest = max(new, key=lambda row: (row.last_at, row.fingerprint))
    return Reading(float(len(new)), sum(row.times for row in new), last_at, note=_said(newest))


def _said(row: Any) -> str:
    message = " ".join((row.message or "").split())
    message = message if len(message) <= _SHOWN else f"{message[:_SHOWN]}…"
    what = ": ".join(part for part in (row.error_type, message) if part) or row.fingerprint
    version = f", first seen in version {row.first_version}" if row.first_version else ""
    return f"{what} ({row.times} time{'' if row.times == 1 else 's'}{version})"


def _shape(leaf: ErrorGroupLeaf) -> Shape:
    return (ErrorGroupLeaf, leaf.error, leaf.since, leaf.window)


SOURCE = Source(_shape, _read)
