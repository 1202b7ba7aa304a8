"""Document 001: an assistant's conversations, what its agents keep in mind, and a calendar; times have no zone."""

from datetime import datetime
from typing import Any

import msgspec

from monitor.agents.tables import AgentState
from monitor.calendar.tables import CalendarEventRow
from monitor.conversations.tables import Conversation
from monitor.ids import microseconds, uuid7, uuid7_named
from monitor.imports import mend, talks
from monitor.imports.given import Given, LeftOut
from monitor.imports.into import Into
from monitor.imports.source import Source
from monitor.imports.step import Step, Values, row, rows_of, same

_IN_ORDER = """(
    coalesce(session_id, '') || chr(1) || coalesce(to_char("timestamp", 'YYYY-MM-DD HH24:MI:SS.US'), chr(126))
    || lpad(id::text, 10, '0')
) COLLATE "C" """
"""Of a conversation as it went, what has no time at its end; rows that belong to none come before."""


async def look(into: Into, _source: Source) -> None:
    """Learn which agents there are."""
    await into.look()


def _session(given: Given) -> str:
    if given["session_id"] is None:
        raise LeftOut("it belongs to no session")
    return given.name("session_id")


def _at(column: str) -> Any:
    """A time; that of the import where there is none."""

    def time(given: Given) -> datetime:
        return given[column] or given.into.now

    return time


def _state(given: Given) -> Any:
    """An object as it was meant; text that is no JSON, and JSON that is no object, within one."""
    said = given["state_data"]
    if not said:
        return {}
    try:
        state, _faults = mend.value(msgspec.json.decode(said), given.into.zone)
    except (msgspec.DecodeError, UnicodeError):
        given.note("a state that is no JSON stands in state.text")
        return {"text": said}
    if isinstance(state, dict):
        return state
    given.note("a state that is no object stands in state.value")
    return {"value": state}


def _event(given: Given) -> Values:
    """Each under an id that is made of its source's, so that it is brought once."""
    start, into = given["start_time"], given.into
    if given["end_time"] <= start:
        raise LeftOut("it does not end after it starts")
    return {
        "id": uuid7_named(microseconds(start), f"{into.source} event {given.key}"),
        **{name: given[name] for name in ("title", "description", "start_time", "end_time", "location")},
        "all_day": bool(given["all_day"]),
        "time_zone": str(into.zone),
        "created_by": "system",
        **given.times(),
    }


STEPS = (
    Step("chat_sessions", row({
        "id": lambda given: uuid7(given["created_at"] or given.into.now),
        "external_id": lambda given: given.name("session_id"),
        **dict.fromkeys(("started_at", "last_activity_at", "created_at", "updated_at"), _at("created_at")),
    }), rows_of(Conversation), key=("session_id",)),
    Step("chat_messages", talks.saying({
        "conversation": _session,
        "name": lambda given: given.name("id"),
        "role": talks.role(),
        **same("content"),
        "agent_type": lambda given: given["agent_type"] or None,
        "at": _at("timestamp"),
    }), talks.put, order=_IN_ORDER),
    Step("agent_states", row({
        "id": lambda given: uuid7(given["updated_at"] or given.into.now),
        "conversation": lambda given: given.name("session_id"),
        "agent_type": lambda given: given.name("agent_type"),
        "state": _state,
        **dict.fromkeys(("created_at", "updated_at"), _at("updated_at")),
    }), rows_of(AgentState)),
    Step("calendar_events", _event, rows_of(CalendarEventRow)),
)  # fmt: skip
LEFT_OUT: dict[str, str] = {}
NOT_READ: dict[str, str] = {}
