"""How long what is kept, and what has gone."""

from datetime import datetime
from typing import Any

from tests.http.furnished.made import Furnished


def rows(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    """A row for each table, parents first."""
    made.name(now, "policy", "retired")
    return {
        "retention_policies": {
            "id": made.ids["policy"], "kind": "logs", "keep_days": 8, "enabled": True, "created_by": made.word,
        },
        "retention_runs": {
            "id": made.ids["retired"], "kind": "logs", "status": "completed", "rows_removed": made.number,
            "before": now, "report": {made.word: 1},
        },
    }  # fmt: skip
