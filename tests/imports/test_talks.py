"""Conversations, messages, states and events of documents 000 and 001 are what they were, row for row."""

import json
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.imports import talking
from tests.imports.conftest import Bring
from tests.imports.made import Many
from tests.imports.rows import document_000
from tests.imports.stored import FEW, MANY, Stored, filled, plain, without

_CONVERSATIONS = "SELECT * FROM conversations"
_MESSAGES = """
    SELECT m.*, n.external_id AS name, c.external_id AS conversation, r.external_id AS reply
    FROM messages m JOIN message_names n ON n.message_id = m.id JOIN conversations c ON c.id = m.conversation_id
    LEFT JOIN message_names r ON r.message_id = m.reply_to_id
"""


def _ordered(messages: Many, name: str) -> dict[str, Many]:
    """Messages by conversation as they went."""
    made: dict[str, Many] = defaultdict(list)
    for row in sorted(messages, key=lambda row: (row["timestamp"], row[name])):
        if row["session_id"] is not None:
            made[row["session_id"]].append(row)
    return made


async def compare_talks_000(stored: Stored, sessions: Many, messages: Many) -> None:
    said = _ordered(messages, "id")
    found = await stored.by("external_id", _CONVERSATIONS)
    assert found.keys() == {row["id"] for row in sessions}
    statuses = {"idle": "active", "ended": "completed", "asleep": "active"}
    for row in sessions:
        one = found[row["id"]]
        kept = {
            "conversation_type": row["session_type"], "title": row["title"], "created_at": row["created_at"],
            "summary": row["conversation_summary"] or "", "status": statuses.get(row["status"], row["status"]),
            "participants": row["participants"], "context": plain(row["context"]) or {},
            "settings": plain(row["settings"]) or {}, "started_at": row["created_at"],
            "completed_at": row["ended_at"],
            "last_activity_at": max([row["last_activity"], *(m["timestamp"] for m in said[row["id"]])]),
            "last_sequence": len(said[row["id"]]),
        }  # fmt: skip
        assert {name: one[name] for name in kept} == kept
        assert one["metadata"] == ({"imported": {"status": "asleep"}} if row["status"] == "asleep" else {})
    stored_messages = await stored.by("name", _MESSAGES)
    assert len(stored_messages) == len(messages)
    for session, rows in said.items():
        places = {row["id"]: place for place, row in enumerate(rows, 1)}
        for row in rows:
            one = stored_messages[row["id"]]
            answers = places.get(row["replied_to"], len(rows) + 1) < places[row["id"]]
            kept = {
                "conversation": session, "sequence_number": places[row["id"]], "content": row["content"],
                "created_at": row["timestamp"], "user_ref": row["user_id"], "edited_at": row["edited_at"],
                "role": "user" if row["message_type"] == "note" else row["message_type"],
                "reply": row["replied_to"] if answers else None,
                "attachments": [{"url" if "://" in at else "id": at} for at in row["attachments"] or []],
            }  # fmt: skip
            assert {name: one[name] for name in kept} == kept
            assert without(one["metadata"]) == (plain(row["metadata"]) or {})
            imported = {"message_type": "note"} if row["message_type"] == "note" else {}
            imported |= {"reply_to": row["replied_to"]} if row["replied_to"] and not answers else {}
            assert one["metadata"].get("imported", {}) == imported


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.accept)])
async def test_conversations_of_document_000_are_brought(
    count: int, scratch: str, bring: Bring, stored: Stored
) -> None:
    given = document_000(count)
    await filled(scratch, "000", given)
    for _ in range(2):
        reports = await bring("000", scratch)
        talks = [reports[table] for table in ("chat_sessions", "chat_messages", "agent_configurations")]
        assert {(one.read, one.kept) for one in talks} == {(count, count)}
        await compare_talks_000(stored, given["chat_sessions"], given["chat_messages"])
    query = """
        SELECT a.name || ' ' || c.key AS place, c.*, a.external_id = a.name AS made
        FROM agent_configurations c JOIN agents a ON a.id = c.agent_id
    """
    found = await stored.by("place", query)
    assert len(found) == count
    for row in given["agent_configurations"]:
        one = found[f"{row['agent_name']} {row['config_key']}"]
        assert (one["value"], one["active"]) == (row["config_value"], row["is_active"])
        assert one["updated_at"] == row["last_updated"]
        assert one["made"] is row["agent_name"].startswith("unknown ")


def _state(given: str | None) -> Any:
    if not given:
        return {}
    if given == "not json":
        return {"text": given}
    made = json.loads(given)
    return made if isinstance(made, dict) else {"value": made}


async def compare_001(stored: Stored, given: dict[str, Many], zone: Any) -> None:
    def meant(at: datetime) -> datetime:
        return at.replace(tzinfo=zone)

    said = _ordered([row | {"id": place} for place, row in enumerate(given["chat_messages"], 1)], "id")
    found = await stored.by("external_id", _CONVERSATIONS)
    assert found.keys() == {row["session_id"] for row in given["chat_sessions"]}
    for row in given["chat_sessions"]:
        one = found[row["session_id"]]
        assert (one["created_at"], one["started_at"]) == (meant(row["created_at"]),) * 2
        assert one["last_sequence"] == len(said[row["session_id"]])
    messages = {(row["conversation"], row["sequence_number"]): row for row in await stored.rows(_MESSAGES)}
    assert len(messages) == sum(map(len, said.values()))
    for session, rows in said.items():
        for place, row in enumerate(rows, 1):
            one = messages[session, place]
            assert (one["name"], one["role"], one["content"], one["agent_type"], one["created_at"]) == (
                str(row["id"]), row["role"], row["content"], row["agent_type"], meant(row["timestamp"]),
            )  # fmt: skip
    states = {(row["conversation"], row["agent_type"]): row for row in await stored.rows("SELECT * FROM agent_states")}
    assert len(states) == len(given["agent_states"])
    for row in given["agent_states"]:
        one = states[row["session_id"], row["agent_type"]]
        assert (one["state"], one["updated_at"]) == (_state(row["state_data"]), meant(row["updated_at"]))
    same = ("title", "description", "location")
    times = ("start_time", "end_time", "created_at", "updated_at")
    wanted = sorted(
        ([*(row[name] for name in same), bool(row["all_day"]), *(meant(row[name]) for name in times)]
         for row in given["calendar_events"] if row["end_time"] > row["start_time"]),
        key=str,
    )  # fmt: skip
    events = await stored.rows("SELECT * FROM calendar_events")
    assert sorted(([row[name] for name in (*same, "all_day", *times)] for row in events), key=_in_utc) == sorted(
        ([_utc(value) for value in row] for row in wanted), key=_in_utc
    )


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _in_utc(row: list[Any]) -> str:
    return str([_utc(value) for value in row])


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.accept)])
async def test_all_of_document_001_is_brought(count: int, scratch: str, bring: Bring, stored: Stored) -> None:
    """Twice, with times that were local ones."""
    given = talking.document_001(count)
    await filled(scratch, "001", given)
    zone = ZoneInfo("Asia/Tokyo")
    alone = sum(row["session_id"] is None for row in given["chat_messages"])
    for _ in range(2):
        reports = await bring("001", scratch, zone=zone)
        assert {one.read for one in reports.values()} == {count}
        assert reports["chat_messages"].notes["left out: it belongs to no session"].count == alone > 0
        assert reports["calendar_events"].notes["left out: it does not end after it starts"].count == count // 10
        await compare_001(stored, given, zone)
    zones = await stored.rows("SELECT DISTINCT time_zone FROM calendar_events")
    assert zones == [{"time_zone": "Asia/Tokyo"}]
