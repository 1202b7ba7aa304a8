"""Who is signed in."""

from datetime import datetime, timedelta
from typing import Any

from tests.http.furnished.made import Furnished


def rows(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    """A row of each table, parents first. What a table needs beyond its tenant and agent."""
    made.name(now, "session")
    return {
        "user_identities": {
            "issuer": "https://id.example.com", "subject": made.word, "user_id": made.tenant.user_id,
        },
        "user_sessions": {
            "id": made.ids["session"], "user_id": made.tenant.user_id, "token_hash": f"{made.word}-digest",
            "method": "link", "device_info": {"user_agent": made.word}, "expires_at": now + timedelta(days=1),
        },
    }  # fmt: skip
