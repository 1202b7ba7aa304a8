"""Rules, alerts, whom to tell and what was said."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.http.furnished.made import Furnished

_DAY = timedelta(days=1)


def rows(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    """A row for each table, parents first."""
    made.name(now, "rule", "alert", "event", "channel", "group", "notification", "shift", "silence", "inhibition")
    made.name(now, "escalation")
    word, ids, user_id = made.word, made.ids, made.tenant.user_id
    return _rules(word, ids, now) | _wishes(word, ids, user_id, now) | _messages(word, ids, now)


def _rules(word: str, ids: Mapping[str, UUID], now: datetime) -> dict[str, dict[str, Any]]:
    """Rules and what came of them."""
    said = {"rule_id": str(ids["rule"]), "rule": word}
    heard = {
        "channel": "email", "target": f"{word}@example.com", "group_id": str(ids["group"]),
        "at": now.isoformat(), "reason": "FIRST",
    }  # fmt: skip
    conditions = {"status": "error", "consecutive_failures": 3}
    channels = {"email": f"{word}@example.com"}
    return {
        "alert_configs": {
            "id": ids["rule"], "name": f"{word} rule", "conditions": conditions, "channels": channels,
            "labels": {word: word}, "runbook": f"https://example.com/{word}",
        },
        "alert_config_versions": {
            "config_id": ids["rule"], "version": 1, "changed_by": word,
            "rule": {"name": f"{word} rule", "conditions": conditions, "channels": channels},
        },
        "alert_targets": {"config_id": ids["rule"], "reads": 1},
        "alerts": {
            "id": ids["alert"], "config_id": ids["rule"], "config_version": 1, "rule": f"{word} rule",
            "fingerprint": word, "labels": {word: word}, "severity": "warning", "heard": [], "details": said,
        },
        "alert_states": {
            "config_id": ids["rule"], "fingerprint": word, "phase": "FIRING", "since": now, "verdict": "BREACHED",
            "evaluated_at": now, "alert_id": ids["alert"], "labels": {word: word}, "detail": word,
        },
        "alert_events": {
            "id": ids["event"], "alert_id": ids["alert"], "kind": "fired", "actor": word, "details": heard,
        },
    }  # fmt: skip


def _wishes(word: str, ids: Mapping[str, UUID], user_id: UUID, now: datetime) -> dict[str, dict[str, Any]]:
    """Whom to tell, and what not."""
    return {
        "channels": {"id": ids["channel"], "name": f"{word}-channel", "kind": "email", "target": f"{word}@example.com"},
        "alert_settings": {"settings": {"group": {"by": [f"{word}-label"]}}},
        "rule_packs": {
            "name": "liveness", "overrides": {"channels": {"email": f"{word}@example.com"}}, "digest": word,
            "created_by": word,
        },
        "tool_patience": {"tool": f"{word}-tool", "seconds": 60.0},
        "paces": {"channel": "email", "target": f"{word}@example.com", "state": {word: word}},
        "silences": {
            "id": ids["silence"], "matchers": [f'rule="{word}"'], "starts_at": now, "ends_at": now + _DAY,
            "comment": word, "created_by": word,
        },
        "inhibitions": {
            "id": ids["inhibition"], "name": f"{word}-inhibition", "source": [f'rule="{word}"'],
            "target": [f'team="{word}"'], "equal": ["agent"], "created_by": word,
        },
        "calendar_events": {
            "id": ids["shift"], "kind": "on_call", "title": word, "start_time": now, "end_time": now + _DAY,
            "schedule": f"{word}-schedule", "members": [user_id], "created_by": word,
        },
        "contact_methods": {"user_id": user_id, "position": 0, "kind": "slack", "target": f"#{word}"},
        "escalations": {"id": ids["escalation"], "name": f"{word}-policy", "steps": []},
    }  # fmt: skip


def _messages(word: str, ids: Mapping[str, UUID], now: datetime) -> dict[str, dict[str, Any]]:
    """What was said, and what others said."""
    return {
        "used_tokens": {"digest": f"{word}-token".encode(), "expires_at": now},
        "outages": {"what": word, "began_at": now, "ended_at": now},
        "received_alerts": {
            "fingerprint": word, "labels": {word: word}, "starts_at": now, "ends_at": now + _DAY, "due_at": now + _DAY,
        },
        "drills": {
            "id": ids["notification"], "group_id": ids["group"], "channel": "email", "target": f"{word}@example.com",
        },
        "bounces": {"address": f"{word}@bounced.example", "said": word, "told": True},
        "notification_groups": {
            "id": ids["group"], "channel": "email", "target": f"{word}@example.com", "alert_ids": [ids["alert"]],
        },
        "notifications": {
            "id": ids["notification"], "group_id": ids["group"], "channel": "email", "target": f"{word}@example.com",
            "reason": "FIRST", "why": word, "alert_ids": [ids["alert"]], "payload": [], "status": "sent",
            "sent_at": now,
        },
    }  # fmt: skip
