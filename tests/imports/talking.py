"""Generated rows of document 001, and of what document 000 says of conversations and configurations."""

import json
from datetime import datetime, timedelta

from psycopg.types.json import Jsonb

from tests.imports.made import WORDS, Maker, Many, Rows

ROLES = ("user", "assistant", "system")


def sessions_000(make: Maker, count: int) -> Rows:
    """Conversations of every status, and messages that answer earlier ones of theirs."""
    dice = make.dice
    sessions = []
    for place in range(count):
        began = make.at()
        status = dice.choice(["active", "idle", "ended", "asleep"])
        sessions.append(
            {
                "id": f"session {place} {dice.choice(WORDS)}",
                "session_type": dice.choice(["individual", "group", "support"]),
                "status": status,
                "title": make.text(),
                "context": make.maybe(lambda: Jsonb(make.json())),
                "created_at": began,
                "last_activity": began + timedelta(seconds=dice.randrange(10**5)),
                "ended_at": began + timedelta(seconds=10**6) if status == "ended" else None,
                "settings": make.maybe(lambda: Jsonb(make.json())),
                "conversation_summary": make.maybe(make.text),
                "participants": dice.sample(WORDS, 2),
            }
        )
    return {"chat_sessions": sessions, "chat_messages": _messages_000(make, count, sessions)}


def _messages_000(make: Maker, count: int, sessions: Many) -> Many:
    dice = make.dice
    busy = sessions[: max(2, count // 20)]
    messages: Many = []
    last: dict[str, Many] = {}
    for place in range(count):
        session = dice.choice(busy)["id"]
        before = [one for one in last.get(session, []) if dice.random() < 0.1]
        message = {
            "id": f"m{place:06}",
            "session_id": session,
            "user_id": f"user {place % 5}",
            "message_type": dice.choice([*ROLES, "note"]),
            "content": make.text(),
            "timestamp": make.at(),
            "metadata": make.maybe(lambda: Jsonb(make.json())),
            "replied_to": dice.choice(before)["id"] if before else make.maybe(lambda: "nobody knows", 0.02),
            "edited_at": make.maybe(make.at, 0.1),
            "attachments": make.maybe(lambda: dice.sample(["https://example.com/a.png", "file-7"], 1)),
        }
        messages.append(message)
        last.setdefault(session, []).append(message)
    return messages


def configurations_000(make: Maker, agents: Many) -> Rows:
    """One key of each agent, by its name; every twentieth agent is one that nobody knows."""
    return {
        "agent_configurations": [
            {
                "agent_name": agent["name"] if place % 20 else f"unknown {place}",
                "config_key": make.dice.choice(["llm_model", "rate_limit"]),
                "config_value": make.text(),
                "last_updated": make.at(),
                "is_active": make.dice.random() < 0.8,
            }
            for place, agent in enumerate(agents)
        ]
    }


def document_001(count: int, *, seed: int = 0) -> Rows:
    """Sessions, messages (some of no session), states (JSON or not) and events; times without a zone."""
    make = Maker(seed)
    dice = make.dice
    sessions = [{"session_id": f"s-{place}", "created_at": _plain(make)} for place in range(count)]
    busy = sessions[: max(2, count // 20)]
    messages = [
        {
            "session_id": make.maybe(lambda: dice.choice(busy)["session_id"], 0.95),
            "role": dice.choice(ROLES[:2]),
            "content": make.text(),
            "agent_type": make.maybe(lambda: dice.choice(["calendar", "chat"])),
            "timestamp": _plain(make),
        }
        for _ in range(count)
    ]
    states = [
        {
            "session_id": f"s-{place}" if place % 3 else f"orphan {place}",
            "agent_type": dice.choice(["calendar", "chat"]),
            "state_data": dice.choice([json.dumps(make.json()), "not json", "[1, 2]", "", None]),
            "updated_at": _plain(make),
        }
        for place in range(count)
    ]
    return {"chat_sessions": sessions, "chat_messages": messages, "agent_states": states, "calendar_events": [
        _event(make, place) for place in range(count)
    ]}  # fmt: skip


def _event(make: Maker, place: int) -> dict[str, object]:
    start = _plain(make)
    # Every tenth ends as it starts.
    end = start + timedelta(minutes=make.dice.randrange(1, 300) if place % 10 else 0)
    return {
        "title": make.text()[:200] or "event",
        "description": make.maybe(make.text),
        "start_time": start,
        "end_time": end,
        "location": make.maybe(make.text),
        "all_day": make.maybe(lambda: make.dice.random() < 0.2),
        "created_at": _plain(make),
        "updated_at": _plain(make),
    }


def _plain(make: Maker) -> datetime:
    return make.at().replace(tzinfo=None)
