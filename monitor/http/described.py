"""What the description of the API says of every operation beside what its route does: credentials, and problems.

A route says itself what is its own: answers of another shape, and `"security": []` where it takes no key. The rest
follows from what it takes: who has a path's parameter may name nothing that is there, who sends a body may send one
that cannot be read.
"""

from collections.abc import Iterator
from typing import Any

from monitor.http.problems import MEDIA, TITLES

PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457, with more members where an error has more to say",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "the word for programs"},
        "detail": {"type": "string", "description": "what is wrong, for people"},
        "path": {"type": "string", "description": "which value is wrong"},
        "errors": {"type": "array", "items": {"type": "object"}, "description": "each fault, where there are several"},
    },
    "additionalProperties": True,
}
SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key: am_…"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "session": {"type": "apiKey", "in": "cookie", "name": "agent_monitor_session"},
}
PUBLIC: dict[str, Any] = {"security": []}
"""Of an operation that takes no key: a part of its `openapi_extra`."""

_CHANGING = {"post", "put", "patch", "delete"}
_OF_THE_FRAMEWORK = ("HTTPValidationError", "ValidationError")


def answer(status: int, about: str | None = None) -> dict[str, Any]:
    """A problem as one of the answers of an operation."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": about or TITLES[status], "content": {MEDIA: {"schema": schema}}}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problems as the `responses` of an operation that takes no key, which says all of its own."""
    return {status: answer(status) for status in statuses}


MISSING: Any = {404: answer(404)}
"""Of an operation that is asked for what a parameter or its body names: its `responses`."""


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The document itself, with credentials and problems."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _OF_THE_FRAMEWORK:
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM
    components["securitySchemes"] = SCHEMES
    document["security"] = [{name: []} for name in SCHEMES]
    for path, ways in document["paths"].items():
        for method, operation in ways.items():
            answers = operation["responses"]
            if _is_the_frameworks(answers.get("422", {})):
                del answers["422"]
            for status in _statuses(path, method, operation):
                answers.setdefault(str(status), answer(status))
            operation["responses"] = dict(sorted(answers.items()))
    return document


def _statuses(path: str, method: str, operation: dict[str, Any]) -> Iterator[int]:
    if operation.get("security") == []:
        return
    parameters = {parameter["name"] for parameter in operation.get("parameters", ())}
    body = "requestBody" in operation
    yield from (401, 403, 503)
    if "{" in path:
        yield 404
    if parameters or body:
        yield 422
    if body or "cursor" in parameters:
        yield 400
    if method in _CHANGING:
        yield 409
    if "If-Match" in parameters:
        yield 412


def _is_the_frameworks(given: dict[str, Any]) -> bool:
    schema = given.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).endswith("/HTTPValidationError")
