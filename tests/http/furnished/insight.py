"""What runs tell. After them: `task` is theirs."""

from datetime import datetime
from typing import Any

from tests.http.furnished.made import Furnished


def rows(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    """A row for each table, parents first."""
    made.name(now, "score", "deployment")
    word, ids = made.word, made.ids
    return {
        "run_news": {"kind": "task", "run_ids": [ids["task"]]},
        "error_occurrences": {
            "id": ids["task"], "fingerprint": made.fingerprint, "kind": "task", "task_id": ids["task"],
            "trace_id": made.trace_id, "message": word, "at": now,
        },
        "error_groups": {
            "fingerprint": made.fingerprint, "error_type": word, "message": word, "count": 1, "first_seen_at": now,
            "last_seen_at": now,
        },
        "traces": {
            "trace_id": made.trace_id, "name": word, "status": "failed", "agent_ids": [made.agent_id],
            "models": [word], "conversation": f"{word}-conversation", "tasks": 1, "failed_tasks": 1,
            "tokens": made.number, "cost_usd": 1, "started_at": now, "words": word, "first_id": ids["task"],
            "last_id": ids["task"],
        },
        "scores": {
            "id": ids["score"], "source": "feedback", "name": f"{word}-score", "value": float(made.number),
            "comment": word, "task_id": ids["task"], "trace_id": made.trace_id, "given_by": word, "at": now,
        },
        "deployments": {
            "id": ids["deployment"], "version": f"{word}-1", "source": "told", "description": word, "at": now,
        },
    }  # fmt: skip
