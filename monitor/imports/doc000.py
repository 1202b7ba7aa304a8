"""Document 000: one platform of agents, their tasks and conversations, without tenants."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.tables import AgentConfiguration
from monitor.identity.digests import digest
from monitor.identity.tables import ApiKey
from monitor.ids import uuid7
from monitor.imports import agents, points, runs, talks
from monitor.imports.into import Into, Step, known, mended
from monitor.imports.report import Report
from monitor.imports.source import Row
from monitor.imports.writing import Writing
from monitor.principal import Scope
from monitor.runs.model import Task
from monitor.runs.names import RunKind

_PRIORITIES = frozenset({"low", "normal", "high", "critical"})
_STATUSES = {"active": "active", "idle": "active", "ended": "completed"}
"""That one is idle follows from when anything was said last."""
_SHOWN = 8
"""Of a key that long enough ones show to be told apart."""


def _agent(row: Row, report: Report, key: str) -> Mapping[str, Any]:
    return {
        "external_id": row["id"],
        "name": row["name"],
        "agent_type": row["agent_type"],
        "status": agents.status_of(row["status"], report, key),
        "capabilities": row["capabilities"],
        "metadata": runs.metadata_of(row, {}, report, key),
        "last_heartbeat": row["last_heartbeat"],
    }


async def _agents(into: Into, rows: list[Row], report: Report) -> Writing:
    return await agents.take(into, rows, report, _agent)


async def _tasks(into: Into, rows: list[Row], report: Report) -> Writing:
    drafts = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        if row["agent_id"] not in into.agents or not 1 <= len(key) <= 200:
            report.note("left out: its agent was left out, or its id is longer than 200 characters", key[:200])
            continue
        status = runs.status_of(row, report, key)
        times, imported = runs.times_of(row, status, report, key)
        if row["priority"] not in _PRIORITIES:
            report.note(f"the priority {row['priority']!r} is not known here: imported as normal", key)
            imported["priority"] = row["priority"]
        values = {
            "agent_id": into.agents[row["agent_id"]],
            "task_type": row["task_type"],
            "status": status,
            "priority": "normal" if "priority" in imported else row["priority"],
            "input": row["payload"],
            "output": row.get("result"),
            "error_message": row.get("error"),
            "metadata": runs.metadata_of(row, imported, report, key),
            **times,
        }
        at = times["started_at"] or row["created_at"]
        drafts.append(runs.Draft(row["id"], at, Task, values, created_at=row["created_at"]))
    await into.cover(runs.TABLES, [draft.at for draft in drafts])
    return runs.taken(into, RunKind.TASK, drafts, report)


async def _keys(into: Into, rows: list[Row], report: Report) -> Writing:
    """The digest is stored, so that a key goes on working; words that are no scope here grant nothing."""
    made: dict[str, dict[str, Any]] = {}
    for row in rows:
        text, hashed = row["api_key"], digest(row["api_key"])
        shown = text[:_SHOWN] if len(text) >= 4 * _SHOWN else hashed[:_SHOWN]
        known = [word for word in row["permissions"] if word in set(Scope)]
        if len(known) < len(row["permissions"]):
            report.note("permissions that are no scope here grant nothing; they stand in the key's metadata", shown)
        made[hashed] = {
            "tenant_id": into.tenant_id,
            "id": uuid7(row["created_at"]),
            "name": row["owner_id"],
            "prefix": shown,
            "key_hash": hashed,
            "scopes": known,
            "status": "active" if row["is_active"] else "revoked",
            "expires_at": row.get("expires_at"),
            "metadata": {"owner_id": row["owner_id"], "permissions": row["permissions"]},
            "created_at": row["created_at"],
        }
    report.kept += len(made)

    async def write(connection: AsyncConnection) -> None:
        await connection.execute(insert(ApiKey).on_conflict_do_nothing(), list(made.values()))

    return Writing(rows=write if made else None)


async def _metrics(into: Into, rows: list[Row], report: Report) -> Writing:
    """By the name of their agent, which the document does not refer to."""
    drafts = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        agent_id = into.by_name.get(row["agent_name"]) or into.agents.get(row["agent_name"])
        if agent_id is None:
            report.note(f"left out: there is no agent {row['agent_name']!r}", key)
            continue
        said = (row["metric_name"], row["metric_value"], row["timestamp"], None, row.get("tags"))
        drafts.append(points.Draft(key, agent_id, *said))
    return await points.taken(into, drafts, report)


async def _configurations(into: Into, rows: list[Row], report: Report) -> Writing:
    """By the name of an agent, which the document does not refer to: an unknown one becomes an agent."""
    new: dict[str, dict[str, Any]] = {}
    made = []
    for given in rows:
        key = f"{given['agent_name']}/{given['config_key']}"
        row = mended(given, into, report, key)
        name = row["agent_name"]
        if not talks.fits(row["config_key"], report) or not talks.fits(name, report):
            continue
        agent_id = into.by_name.get(name) or into.agents.get(name)
        if agent_id is None:
            report.note(f"there was no agent {name!r}: it was made", key)
            agent_id = uuid7(row["last_updated"])
            new[name] = {"id": agent_id, "external_id": name, "name": name, "created_at": row["last_updated"]}
            into.knows(agent_id, name, name)
        times = dict.fromkeys(("created_at", "updated_at"), row["last_updated"])
        said = {"key": row["config_key"], "value": row["config_value"], "active": row["is_active"]}
        made.append({"tenant_id": into.tenant_id, "agent_id": agent_id, **said, **times})
    report.kept += len(made)

    async def write(connection: AsyncConnection) -> None:
        if new:
            await agents.put(connection, into.tenant_id, list(new.values()), {})
        await connection.execute(insert(AgentConfiguration).on_conflict_do_nothing(), made)

    return Writing(rows=write if made else None)


async def _sessions(into: Into, rows: list[Row], report: Report) -> Writing:
    made = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        if not talks.fits(key, report):
            continue
        status, imported = _STATUSES.get(row["status"], "active"), {}
        if row["status"] not in _STATUSES:
            report.note(f"the status {row['status']!r} is not known here: imported as active", key)
            imported["status"] = row["status"]
        ended = row.get("ended_at")
        if ended is not None and ended < row["created_at"]:
            report.note("an end before the start was left out; it stands in metadata.imported", key)
            imported["ended_at"], ended = ended.isoformat(), None
        made.append(
            {
                "external_id": row["id"],
                "conversation_type": row["session_type"],
                "title": row["title"],
                "summary": row.get("conversation_summary") or "",
                "status": status,
                "participants": row["participants"],
                "context": row.get("context") or {},
                "settings": row.get("settings") or {},
                "metadata": {"imported": imported} if imported else {},
                "started_at": row["created_at"],
                "last_activity_at": row["last_activity"],
                "completed_at": ended,
                "created_at": row["created_at"],
                "updated_at": row["created_at"],
            }
        )
    return talks.opened(into, made, report)


async def _messages(into: Into, rows: list[Row], report: Report) -> Writing:
    said = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        if not talks.fits(key, report) or not talks.fits(row["session_id"], report):
            continue
        imported: dict[str, Any] = {}
        said.append(
            talks.Said(
                conversation=row["session_id"],
                name=row["id"],
                role=talks.role_of(row["message_type"], imported, report, key),
                content=row["content"],
                at=row["timestamp"],
                user=row["user_id"],
                attachments=talks.attached(row.get("attachments")),
                reply_to=row.get("replied_to"),
                edited_at=row.get("edited_at"),
                metadata=runs.metadata_of(row, imported, report, key),
            )
        )
    return await talks.taken(into, said, report)


look = known
STEPS = (
    Step("agents", ("id",), _agents),
    Step("agent_configurations", ("agent_name", "config_key"), _configurations),
    Step("tasks", ("id",), _tasks),
    # The key itself must not stand where it says how far the import is.
    Step("api_keys", ("api_key",), _keys, order="encode(sha256(convert_to(api_key, 'UTF8')), 'hex')"),
    Step("chat_sessions", ("id",), _sessions),
    # In the order in which they are numbered.
    Step("chat_messages", ("session_id", "timestamp", "id"), _messages),
    Step("metrics", ("id",), _metrics),
)
LEFT_OUT: dict[str, str] = {}
