"""What was asked for about people's data."""

from datetime import datetime
from typing import Any

from tests.http.furnished.made import Furnished


def rows(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    """A request that was made and not fetched yet."""
    made.name(now, "data_request")
    return {
        "data_requests": {
            "id": made.ids["data_request"], "kind": "export", "user_id": made.tenant.user_id, "also": [made.word],
            "requested_by": made.word,
        },
    }  # fmt: skip
