"""Agents that are brought here, with when they were last heard of."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.registry import TOKEN_BYTES
from monitor.agents.tables import Agent, AgentLive, Touched
from monitor.ids import uuid7
from monitor.imports.into import Into, mended
from monitor.imports.report import Report
from monitor.imports.source import Row
from monitor.imports.writing import Writing
from monitor.signals import Touch

STATUSES = frozenset({"active", "inactive", "maintenance", "archived"})
Made = Callable[[Row, Report, str], Mapping[str, Any]]
"""From a source's row to the columns of `agents`; `external_id` and `name` at least."""


async def take(into: Into, rows: Sequence[Row], report: Report, made: Made) -> Writing:
    """Agents that are not here yet. Those that are stay as they are."""
    new: list[dict[str, Any]] = []
    heard: dict[UUID, datetime] = {}
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        values = dict(made(row, report, key))
        name = values["external_id"]
        if not 1 <= len(name) <= 200:
            report.note("left out: an id of 1 to 200 characters is expected", key)
            continue
        if name in into.agents:
            report.note("left out: an agent of this id is here already and stays as it is", key)
            continue
        at = values.pop("last_heartbeat", None)
        created = row.get("created_at") or into.now
        values |= {"created_at": created, "updated_at": row.get("updated_at") or created}
        agent_id = values.setdefault("id", uuid7(created))
        into.knows(agent_id, name, values["name"])
        if at is not None:
            heard[agent_id] = at
        new.append(values)
    report.kept += len(new)

    async def write(connection: AsyncConnection) -> None:
        await put(connection, into.tenant_id, new, heard)

    return Writing(rows=write if new else None)


async def put(
    connection: AsyncConnection, tenant_id: UUID, new: Sequence[Mapping[str, Any]], heard: Mapping[UUID, datetime]
) -> None:
    """Agents that are new, by the columns of their table, with when each was heard of, if ever."""
    tokens = [{"tenant_id": tenant_id, "ping_token": secrets.token_urlsafe(TOKEN_BYTES)} for _ in new]
    await connection.execute(insert(Agent), [token | dict(one) for token, one in zip(tokens, new, strict=True)])
    live = [
        {"tenant_id": tenant_id, "agent_id": one["id"], "last_heartbeat_at": heard.get(one["id"]),
         "last_seen_at": heard.get(one["id"])} for one in new
    ]  # fmt: skip
    await connection.execute(insert(AgentLive), live)
    ids = [one["id"] for one in new]
    news = {"tenant_id": tenant_id, "agent_ids": ids, "kinds": [int(Touch.AGENT)] * len(ids)}
    await connection.execute(insert(Touched).values(news))


def status_of(given: str | None, report: Report, key: str) -> str:
    """What people set; a word that is none of theirs says what was observed."""
    if given is None or given in STATUSES:
        return given or "active"
    report.note(f"the status {given!r} is nothing that people set: imported as active", key)
    return "active"
