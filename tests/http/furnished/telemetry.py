"""Agents, what they sent, and the trail of changes."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import array

from monitor.series.tables import Series
from tests.http.furnished.made import Furnished


def rows(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    """A row for each table, parents first."""
    made.name(now, "type", "log", "audit", "run", "exemplar", "state")
    word, ids = made.word, made.ids
    # The one just made: rows are inserted in the order of this list.
    series = select(func.max(Series.id)).scalar_subquery()
    hour = now.replace(minute=0, second=0, microsecond=0)
    rollup = {
        "series_id": series, "at": hour - timedelta(hours=2), "count": 1, "sum": 7.0, "sum_sq": 0.0, "min": 7.0,
        "max": 7.0, "last": 7.0, "last_at": hour - timedelta(hours=2), "histogram": b"\x00\x64\x00",
    }  # fmt: skip
    return {
        "agent_types": {"id": ids["type"], "slug": f"{word}-type", "name": word, "description": word},
        "agent_versions": {"version": 1, "settings": {"system_prompt": word}, "changed_by": word},
        "agent_configurations": {"key": f"{word}-key", "value": word},
        "agent_states": {
            "id": ids["state"], "conversation": f"{word}-conversation", "agent_type": f"{word}-type",
            "state": {word: word},
        },
        "agent_schedules": {"since": now, "next_run_at": now + timedelta(hours=1)},
        "scheduled_runs": {"id": ids["run"], "due_at": now, "status": "failed", "error": f"{word} was not reached"},
        "agent_logs": {
            "id": ids["log"], "kind": "execution", "status": "error", "external_id": f"{word}-log",
            "message": f"{word} log", "details": {word: word},
        },
        "agent_log_ids": {"external_id": f"{word}-log", "log_id": ids["log"]},
        "series": {"metric": "execution_duration_ms", "tags": {word: word}, "tags_hash": word.encode()},
        "exemplars": {
            "id": ids["exemplar"], "metric": "execution_duration_ms", "tags": {word: word}, "value": 7.0,
            "trace_id": word, "attributes": {word: word},
        },
        "samples": {"series_id": series, "at": now - timedelta(minutes=1), "value": float(made.number)},
        "sample_chunks": {"series_id": series, "hour": hour - timedelta(hours=2), "t": [0], "v": [7.0]},
        "rollups_minute": {"series_id": series, "hour": hour - timedelta(hours=2), "minute": [0], "sum": [7.0]},
        "rollups_hour": rollup,
        "rollups_day": rollup | {"at": hour.replace(hour=0)},
        "rollup_dirty": {"series_id": series, "hour": hour - timedelta(hours=2)},
        "spool": {"points": 1, "series_ids": array([series]), "at": [now], "values": [float(made.number)]},
        "series_copies": {"source": "postgres", "day": hour.replace(hour=0)},
        "touched": {"agent_ids": [made.agent_id], "kinds": [1]},
        "idempotency_keys": {"key": f"{word}-key", "body_hash": b"x" * 32, "answer": {word: word}},
        "audit_logs": {
            "id": ids["audit"], "actor": word, "action": f"{word}.created", "resource_type": word,
            "new_values": {word: word},
        },
    }  # fmt: skip
