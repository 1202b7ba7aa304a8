"""What was said."""

from datetime import datetime
from typing import Any

from tests.http.furnished.made import Furnished


def rows(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    """A row for each table, parents first."""
    made.name(now, "conversation", "message")
    word, ids = made.word, made.ids
    return {
        "conversations": {
            "id": ids["conversation"], "external_id": f"{word}-conversation", "title": word, "user_ref": f"{word}-user",
            "participants": [word], "context": {word: word}, "last_sequence": 1,
        },
        "messages": {
            "id": ids["message"], "conversation_id": ids["conversation"], "sequence_number": 1, "role": "assistant",
            "content": f"{word} said", "external_id": f"{word}-message", "metadata": {word: word},
        },
        "message_names": {
            "conversation_id": ids["conversation"], "external_id": f"{word}-message", "message_id": ids["message"],
        },
        "message_edits": {
            "message_id": ids["message"], "version": 1, "conversation_id": ids["conversation"],
            "content": f"{word} said before", "edited_by": word, "edited_at": now,
        },
    }  # fmt: skip
