"""What the ingest routes take and answer, for the OpenAPI document: they are decoded without Pydantic."""

from typing import Any

from pydantic import BaseModel

from monitor.http.described import answer

TIME = {
    "oneOf": [{"type": "string", "format": "date-time"}, {"type": "number", "description": "Unix seconds"}],
}
_AGENT = {"type": "string", "minLength": 1, "maxLength": 200, "description": "the agent's external id"}
_TAGS = {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 32}

_ROWS: dict[str, dict[str, Any]] = {
    "logs": {
        "type": "object",
        "required": ["agent"],
        "properties": {
            "agent": _AGENT,
            "kind": {"enum": ["execution", "line"], "default": "execution"},
            "status": {"enum": ["success", "error", "warning"], "description": "needed for an execution"},
            "level": {"type": "string", "maxLength": 50},
            "message": {"type": "string"},
            "details": {"type": "object"},
            "started_at": TIME,
            "completed_at": TIME,
            "timestamp": {**TIME, "description": "used where started_at and completed_at are absent"},
            "duration": {"type": "number", "minimum": 0, "description": "milliseconds"},
            "id": {"oneOf": [{"type": "string", "maxLength": 200}, {"type": "integer"}]},
        },
        "additionalProperties": True,
    },
    "metrics": {
        "type": "object",
        "required": ["agent"],
        "properties": {
            "agent": _AGENT,
            "metric": {"type": "string", "minLength": 1, "maxLength": 200},
            "value": {"type": "number"},
            "metrics": {"type": "object", "additionalProperties": {"type": "number"}},
            "unit": {"type": "string", "maxLength": 50},
            "kind": {"enum": ["gauge", "counter", "delta"], "default": "gauge"},
            "timestamp": TIME,
            "tags": _TAGS,
        },
        "additionalProperties": False,
    },
    "heartbeats": {
        "type": "object",
        "required": ["agent"],
        "properties": {
            "agent": _AGENT,
            "status": {"type": "string", "maxLength": 50, "default": "active"},
            "metrics": {"type": "object", "additionalProperties": {"type": "number"}},
            "interval": {"description": "when the next one is due: seconds, or text such as 60s"},
            "timestamp": TIME,
            "tags": _TAGS,
        },
    },
}

ABOUT = {
    "logs": "One object, an array, or NDJSON. Executions unless a row says `kind: line`; unknown fields are kept in "
    "`details`. A row's `id` makes it the same log however often it is sent.",
    "metrics": "One object, an array, or NDJSON; a row holds `metric` and `value`, or many values in `metrics`. "
    "The same series and time overwrites.",
    "heartbeats": "One object, an array, or NDJSON. The statuses stopped, shutdown and offline end the expectation.",
}

_ANSWER: dict[str, Any] = {
    "type": "object",
    "required": ["accepted", "rejected"],
    "properties": {
        "accepted": {"type": "integer"},
        "rejected": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["index", "error"],
                "properties": {"index": {"type": "integer"}, "error": {"type": "string"}},
            },
        },
        "warnings": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"index": {"type": "integer"}, "warning": {"type": "string"}},
            },
        },
    },
}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: answer(400, "The body cannot be read at all"),
    401: answer(401, "No valid key"),
    403: answer(403, "The key lacks the scope, or the tenant is suspended"),
    409: answer(409, "The Idempotency-Key was used for another request"),
    413: answer(413, "More than 64 MiB after decompression, or too many rows"),
    415: answer(415, "A content type or encoding that is not read"),
    421: answer(421),
    422: answer(422, "No row is kept; `rejected` names each"),
    429: answer(429, "Too many requests with this key; see Retry-After"),
    503: answer(503, "Full, or the database is away; see Retry-After"),
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {"description": "Committed", "content": {"application/json": {"schema": _ANSWER}}},
    **PROBLEMS,
}


def told(shown: Any) -> dict[int | str, dict[str, Any]]:
    """Answers of a route where the same may be told again: then nothing is new."""
    new, known = "Something is new", "All of it was there"
    return {**PROBLEMS, 201: {"description": new, "model": shown}, 200: {"description": known, "model": shown}}


class Rejected(BaseModel):
    """A row that is not kept, and why."""

    index: int
    error: str


IDEMPOTENCY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key gets the same answer for 24 hours, and its rows are kept once",
    "schema": {"type": "string", "maxLength": 200},
}


def operation(name: str) -> dict[str, Any]:
    """The request body and the header of one route."""
    row = _ROWS[name]
    many = {"oneOf": [row, {"type": "array", "items": row, "maxItems": 100_000}]}
    content = {"application/json": {"schema": many}, "application/x-ndjson": {"schema": {"type": "string"}}}
    return {"requestBody": {"required": True, "content": content}, "parameters": [IDEMPOTENCY]}
