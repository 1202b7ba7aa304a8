"""Groups of errors as people see them: the top ones of a window, one with its occurrences, its status."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import NotFound
from monitor.ids import uuid7_floor
from monitor.runs.errors import Failing


class GroupStatus(StrEnum):
    """Set by people, but for `regressed`: resolved, and seen again after that."""

    OPEN = "open"
    RESOLVED = "resolved"
    IGNORED = "ignored"
    REGRESSED = "regressed"


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group. `count` is of the window; `total`, `first_seen_at` and `last_seen_at` are of all time."""

    fingerprint: str
    error_type: str | None
    message: str | None
    status: GroupStatus
    status_by: str | None
    status_at: datetime | None
    count: int
    total: int
    agents: list[str]
    versions: list[str]
    first_seen_at: datetime
    last_seen_at: datetime
    first_version: str | None


@dataclass(frozen=True, slots=True)
class OccurrenceRow:
    """One failure. `id` is the task's, tool execution's or log's, as `kind` says."""

    id: UUID
    kind: Failing
    at: datetime
    agent: str
    agent_version: str | None
    task_id: UUID | None
    trace_id: str | None
    error_type: str | None
    message: str | None


_GROUPS = """
    WITH seen AS (
        SELECT o.fingerprint, count(*) AS count, array_agg(DISTINCT o.agent_id) AS agent_ids,
               coalesce(array_agg(DISTINCT o.agent_version) FILTER (WHERE o.agent_version IS NOT NULL), '{}')
                   AS versions
        FROM error_occurrences o
        WHERE o.tenant_id = :tenant_id AND o.id >= :low
          AND (CAST(:agent_id AS uuid) IS NULL OR o.agent_id = :agent_id)
          AND (CAST(:fingerprint AS text) IS NULL OR o.fingerprint = :fingerprint)
        GROUP BY o.fingerprint
    )
    SELECT g.fingerprint, g.error_type, g.message, g.status, g.status_by, g.status_at,
           coalesce(s.count, 0) AS count, g.count AS total, coalesce(s.versions, '{}') AS versions,
           ARRAY(SELECT a.external_id FROM agents a WHERE a.tenant_id = g.tenant_id AND a.id = ANY (s.agent_ids)
                 ORDER BY a.external_id) AS agents,
           g.first_seen_at, g.last_seen_at, g.first_version
    FROM error_groups g {join} seen s ON s.fingerprint = g.fingerprint
    WHERE g.tenant_id = :tenant_id
"""
_TOP = _GROUPS.replace("{join}", "JOIN")
_ONE = text(_GROUPS.replace("{join}", "LEFT JOIN") + " AND g.fingerprint = :fingerprint")
_OCCURRENCES = """
    SELECT o.id, o.kind, o.at, coalesce(a.external_id, '') AS agent, o.agent_version, o.task_id, o.trace_id,
           o.error_type, o.message
    FROM error_occurrences o LEFT JOIN agents a ON a.tenant_id = o.tenant_id AND a.id = o.agent_id
    WHERE o.tenant_id = :tenant_id AND o.fingerprint = :fingerprint
"""
_STATUS = text("""
    UPDATE error_groups SET status = :status, status_by = :by, status_at = :at
    WHERE tenant_id = :tenant_id AND fingerprint = :fingerprint
""")


def _group(row: Any) -> GroupRow:
    return GroupRow(**{**row, "status": GroupStatus(row["status"])})


async def list_groups(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    since: datetime,
    limit: int,
    agent_id: UUID | None = None,
    status: GroupStatus | None = None,
    after: tuple[int, str] | None = None,
) -> list[GroupRow]:
    """`limit + 1` groups that were seen since then, most frequent first; those after `after` (count and
    fingerprint). `agent_id`: as that agent alone saw them."""
    values: dict[str, Any] = {
        "tenant_id": tenant_id, "low": uuid7_floor(since), "agent_id": agent_id, "fingerprint": None,
        "limit": limit + 1,
    }  # fmt: skip
    sql = _TOP
    if status is not None:
        sql += " AND g.status = :status"
        values["status"] = status.value
    if after is not None:
        sql += " AND (s.count, g.fingerprint) < (:after_count, :after_fingerprint)"
        values |= {"after_count": after[0], "after_fingerprint": after[1]}
    rows = await connection.execute(text(f"{sql} ORDER BY s.count DESC, g.fingerprint DESC LIMIT :limit"), values)
    return [_group(row) for row in rows.mappings()]


async def get_group(connection: AsyncConnection, tenant_id: UUID, fingerprint: str, *, since: datetime) -> GroupRow:
    """One group, counted since then. Raises NotFound."""
    values = {
        "tenant_id": tenant_id, "fingerprint": fingerprint, "agent_id": None, "low": uuid7_floor(since),
    }  # fmt: skip
    row = (await connection.execute(_ONE, values)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such error")
    return _group(row)


async def list_occurrences(
    connection: AsyncConnection, tenant_id: UUID, fingerprint: str, *, limit: int, before: UUID | None = None
) -> list[OccurrenceRow]:
    """`limit + 1` failures of a group, newest first, as far back as runs are kept."""
    values: dict[str, Any] = {"tenant_id": tenant_id, "fingerprint": fingerprint, "limit": limit + 1}
    sql = _OCCURRENCES
    if before is not None:
        sql += " AND o.id < :before"
        values["before"] = before
    rows = await connection.execute(text(f"{sql} ORDER BY o.id DESC LIMIT :limit"), values)
    return [OccurrenceRow(**{**row, "kind": Failing(row["kind"])}) for row in rows.mappings()]


async def set_status(
    connection: AsyncConnection, tenant_id: UUID, fingerprint: str, status: GroupStatus, *, by: str, now: datetime
) -> None:
    """Set what people say of a group. Raises NotFound."""
    values = {"tenant_id": tenant_id, "fingerprint": fingerprint, "status": status.value, "by": by, "at": now}
    if (await connection.execute(_STATUS, values)).rowcount == 0:
        raise NotFound("there is no such error")
