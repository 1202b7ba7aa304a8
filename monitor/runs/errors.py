"""Errors as groups: what failed, under its fingerprint, from whichever way it came.

Tasks, tool executions and logs that fail, or do not any more, are told in `run_news` by what writes them; here each is
looked at again and its occurrence made equal to it. So it does not matter in which order, or how often, news comes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.runs.fingerprint import fingerprint
from monitor.signals import Touch
from monitor.touched import tell

MESSAGE_KEPT = 2_000


class Failing(StrEnum):
    """What an occurrence is of."""

    TASK = "task"
    TOOL = "tool"
    LOG = "log"


Key = tuple[UUID, UUID]
"""Tenant and id of a run."""

# Of each kind that is told: the row as it stands now, where it failed.
_READ = {
    Failing.TASK: text("""
        SELECT w.tenant_id, w.id, t.agent_id, t.agent_version, t.id AS task_id, t.trace_id, t.error_type,
               t.error_message AS message, t.traceback, t.error_fingerprint AS fingerprint,
               coalesce(t.completed_at, t.started_at, t.updated_at) AS at
        FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS w (tenant_id, id)
        JOIN tasks t ON t.tenant_id = w.tenant_id AND t.id = w.id
        WHERE t.status = 'failed'
    """),
    Failing.TOOL: text("""
        SELECT w.tenant_id, w.id, t.agent_id, k.agent_version, t.task_id, t.trace_id,
               concat_ws(' ', t.tool_name, coalesce(t.error_code, t.status)) AS error_type, t.error_message AS message,
               NULL AS traceback, NULL AS fingerprint, coalesce(t.completed_at, t.started_at) AS at
        FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS w (tenant_id, id)
        JOIN tool_executions t ON t.tenant_id = w.tenant_id AND t.id = w.id
        LEFT JOIN tasks k ON k.tenant_id = t.tenant_id AND k.id = t.task_id
        WHERE t.status IN ('error', 'timeout')
    """),
    Failing.LOG: text("""
        SELECT w.tenant_id, w.id, w.agent_id, coalesce(t.details ->> 'agent_version', a.version) AS agent_version,
               CAST(NULL AS uuid) AS task_id, t.details ->> 'trace_id' AS trace_id,
               t.details ->> 'error_type' AS error_type, t.message,
               coalesce(t.details ->> 'traceback', t.details ->> 'stacktrace') AS traceback, NULL AS fingerprint,
               coalesce(t.completed_at, t.started_at, t.received_at) AS at
        FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:agents AS uuid[]))
             AS w (tenant_id, id, agent_id)
        JOIN agent_logs t ON t.tenant_id = w.tenant_id AND t.agent_id = w.agent_id AND t.id = w.id
        JOIN agents a ON a.tenant_id = w.tenant_id AND a.id = w.agent_id
        WHERE t.status = 'error' AND t.kind = 'execution'
    """),
}
_KNOWN = text("""
    SELECT o.tenant_id, o.id, o.fingerprint, o.kind
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS w (tenant_id, id)
    JOIN error_occurrences o ON o.tenant_id = w.tenant_id AND o.id = w.id
""")
_FORGET = text("""
    DELETE FROM error_occurrences o USING unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS w (tenant_id, id)
    WHERE o.tenant_id = w.tenant_id AND o.id = w.id
""")
_KEEP = text("""
    INSERT INTO error_occurrences (tenant_id, id, fingerprint, kind, agent_id, agent_version, task_id, trace_id,
                                   error_type, message, at)
    VALUES (:tenant_id, :id, :fingerprint, :kind, :agent_id, :agent_version, :task_id, :trace_id, :error_type,
            :message, :at)
    ON CONFLICT (tenant_id, id) DO UPDATE SET
        fingerprint = excluded.fingerprint, kind = excluded.kind, agent_id = excluded.agent_id,
        agent_version = excluded.agent_version, task_id = excluded.task_id, trace_id = excluded.trace_id,
        error_type = excluded.error_type, message = excluded.message, at = excluded.at
""")
# What is newest tells how it reads; what is oldest since when. People's word stands, but for one: it is not resolved
# when it comes again.
_GROUP = text("""
    INSERT INTO error_groups AS g (tenant_id, fingerprint, error_type, message, count, first_seen_at, last_seen_at,
                                   first_version)
    VALUES (:tenant_id, :fingerprint, :error_type, :message, :added, :first_seen_at, :last_seen_at, :first_version)
    ON CONFLICT (tenant_id, fingerprint) DO UPDATE SET
        count = g.count + :added,
        error_type = CASE WHEN :last_seen_at >= g.last_seen_at THEN excluded.error_type ELSE g.error_type END,
        message = CASE WHEN :last_seen_at >= g.last_seen_at THEN excluded.message ELSE g.message END,
        first_version = CASE WHEN :first_seen_at < g.first_seen_at THEN excluded.first_version
                             ELSE g.first_version END,
        first_seen_at = least(g.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(g.last_seen_at, excluded.last_seen_at),
        status = CASE WHEN g.status = 'resolved' AND :last_seen_at > g.status_at THEN 'regressed' ELSE g.status END
""")
_LESS = text(
    "UPDATE error_groups SET count = count - :gone WHERE tenant_id = :tenant_id AND fingerprint = :fingerprint"
)
# It never happened: a trace that was assembled anew says so.
_NEVER = text("""
    DELETE FROM error_groups
    WHERE tenant_id = :tenant_id AND fingerprint = :fingerprint AND count <= 0 AND status = 'open'
""")


@dataclass(frozen=True, slots=True)
class Told:
    """A run that failed, or did before. `agent_id` is known of logs."""

    kind: Failing
    tenant_id: UUID
    id: UUID
    agent_id: UUID | None = None


async def note(connection: AsyncConnection, told: Iterable[Told]) -> None:
    """Make occurrences and groups equal to the runs as they stand, in the alerter's transaction.

    The caller sees to it that nobody else does so at the same time.
    """
    wanted: dict[Key, dict[Failing, UUID | None]] = defaultdict(dict)
    for one in told:
        wanted[one.tenant_id, one.id][one.kind] = one.agent_id
    if not wanted:
        return
    keys = sorted(wanted)
    columns = {"tenants": [key[0] for key in keys], "ids": [key[1] for key in keys]}
    known = {(row.tenant_id, row.id): row for row in await connection.execute(_KNOWN, columns)}
    failed = await _failed(connection, wanted)
    less: dict[Key | tuple[UUID, str], int] = defaultdict(int)
    gone: list[Key] = []
    for key in keys:
        before, now = known.get(key), failed.get(key)
        if before is None or (now is not None and now["fingerprint"] == before.fingerprint):
            continue
        # A log's word says nothing of the task that it stands for.
        if now is None and before.kind not in wanted[key]:
            continue
        less[key[0], before.fingerprint] += 1
        if now is None:
            gone.append(key)
    if gone:
        await connection.execute(_FORGET, {"tenants": [key[0] for key in gone], "ids": [key[1] for key in gone]})
    if failed:
        await connection.execute(_KEEP, [failed[key] for key in sorted(failed)])
        new = {key for key in failed if key not in known or known[key].fingerprint != failed[key]["fingerprint"]}
        await connection.execute(_GROUP, _grouped(failed, new))
        await _tell(connection, failed.values())
    if less:
        rows = [{"tenant_id": key[0], "fingerprint": key[1], "gone": count} for key, count in sorted(less.items())]
        await connection.execute(_LESS, rows)
        await connection.execute(_NEVER, [{name: row[name] for name in ("tenant_id", "fingerprint")} for row in rows])


async def _tell(connection: AsyncConnection, failed: Iterable[Mapping[str, Any]]) -> None:
    """Let the rules look that ask for new errors."""
    agents: dict[UUID, set[UUID]] = defaultdict(set)
    for row in failed:
        agents[row["tenant_id"]].add(row["agent_id"])
    for tenant_id, named in sorted(agents.items()):
        await tell(connection, tenant_id, named, Touch.ERROR)


async def _failed(
    connection: AsyncConnection, wanted: Mapping[Key, Mapping[Failing, UUID | None]]
) -> dict[Key, dict[str, Any]]:
    """The occurrences of these runs as they are now; a task's rather than that of the log that stands for it."""
    made: dict[Key, dict[str, Any]] = {}
    for kind in (Failing.LOG, Failing.TOOL, Failing.TASK):
        keys = [key for key in wanted if kind in wanted[key]]
        if kind is Failing.TASK:
            # Logs may stand for tasks that were told before them.
            keys += [key for key in wanted if Failing.LOG in wanted[key] and Failing.TASK not in wanted[key]]
        if not keys:
            continue
        values: dict[str, Any] = {"tenants": [key[0] for key in keys], "ids": [key[1] for key in keys]}
        if kind is Failing.LOG:
            values["agents"] = [wanted[key][kind] for key in keys]
        for row in (await connection.execute(_READ[kind], values)).mappings():
            made[row["tenant_id"], row["id"]] = _occurrence(kind, row)
    return made


def _occurrence(kind: Failing, row: Mapping[Any, Any]) -> dict[str, Any]:
    values = dict(row)
    traceback = values.pop("traceback")
    values["fingerprint"] = values["fingerprint"] or fingerprint(values["error_type"], values["message"], traceback)
    values["message"] = None if values["message"] is None else values["message"][:MESSAGE_KEPT]
    return values | {"kind": kind.value}


def _grouped(failed: Mapping[Key, dict[str, Any]], new: Iterable[Key]) -> Sequence[dict[str, Any]]:
    """What each group is told: in order, so that it is the same for everyone."""
    added = set(new)
    groups: dict[tuple[UUID, str], list[tuple[datetime, Key]]] = defaultdict(list)
    for key, row in failed.items():
        groups[key[0], row["fingerprint"]].append((row["at"], key))
    made: list[dict[str, Any]] = []
    for (tenant_id, name), members in sorted(groups.items()):
        members.sort()
        first, last = failed[members[0][1]], failed[members[-1][1]]
        made.append(
            {
                "tenant_id": tenant_id, "fingerprint": name, "error_type": last["error_type"],
                "message": last["message"], "added": sum(key in added for _, key in members),
                "first_seen_at": first["at"], "last_seen_at": last["at"], "first_version": first["agent_version"],
            }
        )  # fmt: skip
    return made
