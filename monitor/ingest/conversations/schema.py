"""What POST /api/v1/messages takes and answers, for the OpenAPI document: it is decoded without Pydantic."""

from typing import Any

from monitor.ingest.schema import IDEMPOTENCY, PROBLEMS, TIME

ABOUT = (
    "One object, an array of at most 10,000, or one object a line. `conversation` is the caller's own name of one, "
    "which is made with its first message; `id` is the caller's own id of the message: told again in the same "
    "conversation, it is the same message (200). Of many every good row is kept and every bad one named; 422 when none "
    "is."
)
_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
_ATTACHMENT = {
    "oneOf": [
        {"type": "string", "minLength": 1, "description": "a URL or an id"},
        {
            "type": "object",
            "properties": {
                **{name: {"type": "string"} for name in ("name", "url", "id", "media_type")},
                "size": {"type": "integer", "minimum": 0, "description": "bytes"},
            },
            "additionalProperties": False,
        },
    ]
}
_ROW: dict[str, Any] = {
    "type": "object",
    "required": ["conversation", "role"],
    "properties": {
        "conversation": _NAME,
        "id": {"oneOf": [_NAME, {"type": "integer"}]},
        "role": {"enum": ["user", "assistant", "system", "tool"]},
        "content": {"type": "string", "description": "needed, but for a message that has tool_calls"},
        "agent": {**_NAME, "description": "the agent's external id, or its UUID"},
        "agent_type": _NAME,
        "user": {**_NAME, "description": "whoever it is to the caller"},
        "model": _NAME,
        "token_count": {"type": "integer", "minimum": 0},
        "latency_ms": {"type": "integer", "minimum": 0},
        "tool_calls": {},
        "tool_results": {},
        "attachments": {"type": "array", "items": _ATTACHMENT, "maxItems": 100},
        "reply_to": {**_NAME, "description": "an earlier message of the same conversation, by its id or the caller's"},
        "metadata": {"type": "object"},
        "created_at": TIME,
    },
}
OPERATION: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"oneOf": [_ROW, {"type": "array", "items": _ROW, "maxItems": 10_000}]}},
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    },
    "parameters": [IDEMPOTENCY],
}
_KEPT = {
    "type": "object",
    "description": "The message, where one object was sent; else `items`, with the place of each, and `rejected`",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    201: {"description": "Something is new", "content": {"application/json": {"schema": _KEPT}}},
    200: {"description": "All of it was there", "content": {"application/json": {"schema": _KEPT}}},
    **PROBLEMS,
}
