"""Document 001: an assistant's conversations, what its agents keep in mind, and a calendar; times have no zone."""

from typing import Any

import msgspec
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.tables import AgentState
from monitor.calendar.tables import CalendarEventRow
from monitor.ids import microseconds, uuid7, uuid7_named
from monitor.imports import mend, talks
from monitor.imports.into import Into, Step, known, mended
from monitor.imports.report import Report
from monitor.imports.source import Row
from monitor.imports.writing import Writing

_IN_ORDER = """(
    coalesce(session_id, '') || chr(1) || coalesce(to_char("timestamp", 'YYYY-MM-DD HH24:MI:SS.US'), chr(126))
    || lpad(id::text, 10, '0')
) COLLATE "C" """
"""Of a conversation as it went, what has no time at its end; rows that belong to none come before."""


async def _sessions(into: Into, rows: list[Row], report: Report) -> Writing:
    made = []
    for given in rows:
        key = str(given["session_id"])
        row = mended(given, into, report, key)
        if not talks.fits(key, report):
            continue
        times = ("started_at", "last_activity_at", "created_at", "updated_at")
        made.append({"external_id": row["session_id"], **dict.fromkeys(times, row["created_at"] or into.now)})
    return talks.opened(into, made, report)


async def _messages(into: Into, rows: list[Row], report: Report) -> Writing:
    said = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        if row["session_id"] is None:
            report.note("left out: it belongs to no session", key)
        elif talks.fits(row["session_id"], report):
            said.append(
                talks.Said(
                    conversation=row["session_id"],
                    name=key,
                    role=talks.role_of(row["role"], {}, report, key),
                    content=row["content"],
                    at=row["timestamp"] or into.now,
                    agent_type=row["agent_type"] or None,
                )
            )
    return await talks.taken(into, said, report)


async def _states(into: Into, rows: list[Row], report: Report) -> Writing:
    made = []
    for given in rows:
        key = f"{given['session_id']}/{given['agent_type']}"
        row = mended(given, into, report, key)
        if not talks.fits(row["session_id"], report) or not talks.fits(row["agent_type"], report):
            continue
        at = row["updated_at"] or into.now
        made.append(
            {
                "tenant_id": into.tenant_id,
                "id": uuid7(at),
                "conversation": row["session_id"],
                "agent_type": row["agent_type"],
                "state": _state(row["state_data"], into, report, key),
                "created_at": at,
                "updated_at": at,
            }
        )
    report.kept += len(made)

    async def write(connection: AsyncConnection) -> None:
        await connection.execute(insert(AgentState).on_conflict_do_nothing(), made)

    return Writing(rows=write if made else None)


def _state(given: str | None, into: Into, report: Report, key: str) -> Any:
    """An object as it was meant; text that is no JSON, and JSON that is no object, within one."""
    if not given:
        return {}
    try:
        state, _faults = mend.value(msgspec.json.decode(given), into.zone)
    except (msgspec.DecodeError, UnicodeError):
        report.note("a state that is no JSON stands in state.text", key)
        return {"text": given}
    if isinstance(state, dict):
        return state
    report.note("a state that is no object stands in state.value", key)
    return {"value": state}


async def _events(into: Into, rows: list[Row], report: Report) -> Writing:
    """Each under an id that is made of its source's, so that it is brought once."""
    made = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        if row["end_time"] <= row["start_time"]:
            report.note("left out: it does not end after it starts", key)
            continue
        created = row["created_at"] or into.now
        kept = {name: row[name] for name in ("title", "description", "start_time", "end_time", "location")}
        made.append(
            {
                "tenant_id": into.tenant_id,
                "id": uuid7_named(microseconds(row["start_time"]), f"{into.source} event {key}"),
                **kept,
                "all_day": bool(row["all_day"]),
                "time_zone": str(into.zone),
                "created_by": "system",
                "created_at": created,
                "updated_at": row["updated_at"] or created,
            }
        )
    report.kept += len(made)

    async def write(connection: AsyncConnection) -> None:
        await connection.execute(insert(CalendarEventRow).on_conflict_do_nothing(), made)

    return Writing(rows=write if made else None)


look = known
STEPS = (
    Step("chat_sessions", ("session_id",), _sessions),
    Step("chat_messages", ("id",), _messages, order=_IN_ORDER),
    Step("agent_states", ("id",), _states),
    Step("calendar_events", ("id",), _events),
)
LEFT_OUT: dict[str, str] = {}
