"""Rows of what is brought from other platforms."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tests.http.furnished.made import Furnished


def rows(made: Furnished, now: datetime) -> Mapping[str, dict[str, Any]]:
    """One of each table."""
    return {
        "imports": {
            "source": f"{made.word}-source",
            "source_table": "agents",
            "document": "004",
            "reached": [f"{made.word}-agent"],
            "completed_at": now,
        }
    }
