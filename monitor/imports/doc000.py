"""Document 000: one platform of agents, their tasks and conversations, without tenants."""

from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.tables import AgentConfiguration
from monitor.conversations.tables import Conversation
from monitor.identity.tables import ApiKey
from monitor.ids import uuid7
from monitor.imports import agents, keys, points, runs, talks
from monitor.imports.given import Given, LeftOut
from monitor.imports.into import Into
from monitor.imports.report import Report
from monitor.imports.source import Source
from monitor.imports.step import Made, Step, Values, row, rows_of, same, store
from monitor.imports.writing import Writing
from monitor.runs.model import Task
from monitor.runs.names import RunKind

_PRIORITIES = frozenset({"low", "normal", "high", "critical"})
_STATUSES = {"active": "active", "idle": "active", "ended": "completed"}
"""That one is idle follows from when anything was said last."""


async def look(into: Into, _source: Source) -> None:
    """Learn which agents there are."""
    await into.look()


def _configuration(given: Given) -> Values:
    """By the name of an agent, which the document does not refer to: an unknown one becomes an agent, too."""
    name, at, into = given.name("agent_name"), given["last_updated"], given.into
    said = {"key": given.name("config_key"), "value": given["config_value"], "active": given["is_active"]}
    agent_id, new = agents.by_display_name(given), None
    if agent_id is None:
        given.note(f"there was no agent {name!r}: it was made")
        agent_id = uuid7(at)
        new = {"id": agent_id, "external_id": name, "name": name, "created_at": at}
        into.knows(agent_id, name, name)
    return {"agent_id": agent_id, **said, "created_at": at, "updated_at": at, "new": new}


async def _put_configurations(into: Into, made: Made[Values], report: Report) -> Writing:
    report.kept += len(made)
    rows = [{"tenant_id": tenant_id, **values} for tenant_id, values in made]
    new = [(values["tenant_id"], one) for values in rows if (one := values.pop("new")) is not None]

    async def write(connection: AsyncConnection) -> None:
        if new:
            await agents.store(connection, into, new)
        await store(connection, AgentConfiguration, rows)

    return Writing(rows=write if rows else None)


def _point(given: Given) -> points.Draft:
    """By the name of its agent, which the document does not refer to."""
    agent_id = agents.by_display_name(given)
    if agent_id is None:
        raise LeftOut(f"there is no agent {given['agent_name']!r}")
    said = (given["metric_name"], given["metric_value"], given["timestamp"])
    return points.draft(given, agent_id, *said, tags=given["tags"])


def _key(given: Given) -> Values:
    """Words that are no scope here grant nothing."""
    said = list(given["permissions"] or [])
    return {
        **keys.of(given["api_key"], given["created_at"]),
        "name": given["owner_id"],
        "scopes": keys.scopes(given, said),
        "status": "active" if given["is_active"] else "revoked",
        "expires_at": given["expires_at"],
        "metadata": {"owner_id": given["owner_id"], "permissions": said},
    }


STEPS = (
    Step("agents", agents.columns(agents.named, {
        **same("agent_type", "capabilities"),
        "last_heartbeat": "last_heartbeat",
        "status": agents.status,
        "metadata": Given.metadata,
    }), agents.put),
    Step("agent_configurations", _configuration, _put_configurations, key=("agent_name", "config_key")),
    Step("tasks", runs.draft(Task, {
        **same("task_type"),
        "agent_id": agents.reference(),
        "priority": lambda given: given.word("priority", _PRIORITIES, "normal"),
        "input": "payload",
        "output": "result",
        "error_message": "error",
        "metadata": Given.metadata,
    }), runs.put(RunKind.TASK)),
    # The key itself must stand neither where it says how far the import is nor in the report.
    Step("api_keys", _key, rows_of(ApiKey), key=("api_key",),
         order="encode(sha256(convert_to(api_key, 'UTF8')), 'hex')", named=lambda given: keys.shown(given["api_key"])),
    Step("chat_sessions", row({
        "id": lambda given: uuid7(given["created_at"]),
        "external_id": lambda given: given.name("id"),
        "conversation_type": "session_type",
        **same("title", "participants"),
        "summary": lambda given: given["conversation_summary"] or "",
        "status": lambda given: given.word("status", _STATUSES, "active"),
        "context": lambda given: given.object("context"),
        "settings": lambda given: given.object("settings"),
        "started_at": "created_at",
        "last_activity_at": "last_activity",
        "completed_at": lambda given: given.ended(given["created_at"], "ended_at"),
        "created_at": "created_at",
        "updated_at": "created_at",
        "metadata": Given.metadata,
    }), rows_of(Conversation)),
    # In the order in which they are numbered.
    Step("chat_messages", talks.saying({
        "conversation": lambda given: given.name("session_id"),
        "name": lambda given: given.name("id"),
        "role": talks.role("message_type"),
        **same("content", "edited_at"),
        "at": "timestamp",
        "user": "user_id",
        "attachments": lambda given: talks.attached(given["attachments"]),
        "reply_to": "replied_to",
        "metadata": Given.metadata,
    }), talks.put, key=("session_id", "timestamp", "id"), named=lambda given: str(given["id"])),
    Step("metrics", _point, points.put),
)  # fmt: skip
LEFT_OUT: dict[str, str] = {}
NOT_READ: dict[str, str] = {}
