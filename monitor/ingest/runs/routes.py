"""POST and PATCH of `/api/v1/tasks`, `/workflow-executions`, `/tool-executions` and `/interactions`."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from monitor.errors import InvalidInput, MonitorError, TooLarge
from monitor.http import problems
from monitor.ingest.decode import ROWS_LIMIT
from monitor.ingest.entry import entered
from monitor.ingest.rows import checked, decoded
from monitor.ingest.runs.taking import EXECUTION, INTERACTION, TASK, TOOL, Kind, Row, Taking
from monitor.ingest.schema import PROBLEMS, Rejected, told
from monitor.ingest.service import Ingest
from monitor.runs.bodies import ExecutionBody, InteractionBody, TaskBody, ToolBody

Shown = TypeVar("Shown", bound=BaseModel)
_JSON = "application/json"
_ROUTES: tuple[tuple[str, Kind, type[BaseModel]], ...] = (
    ("tasks", TASK, TaskBody),
    ("workflow-executions", EXECUTION, ExecutionBody),
    ("tool-executions", TOOL, ToolBody),
    ("interactions", INTERACTION, InteractionBody),
)
_ABOUT = (
    "One object, or an array. `id` is the caller's own: told again, it is the same run, and what is told changes it as "
    "PATCH does (200). Of an array every good row is kept and every bad one named; 422 when none is."
)
_CHANGE = "By our id or the caller's own. What is not sent stays; what comes late or again changes nothing."


def mount(routes: APIRouter, ingest: Ingest) -> None:
    """Add them to the ingest routes."""
    for path, kind, shown in _ROUTES:
        schema = kind.body.model_json_schema(
            by_alias=False, ref_template=f"#/components/schemas/{kind.body.__name__}{{model}}"
        )
        many = {"oneOf": [schema, {"type": "array", "items": schema, "maxItems": ROWS_LIMIT}]}
        routes.add_api_route(
            f"/api/v1/{path}", _posting(ingest, kind, shown), methods=["POST"], status_code=201, name=f"post_{path}",
            summary=f"Tell of {path.replace('-', ' ')}", description=_ABOUT, tags=["runs"], response_class=Response,
            responses=told(shown | Told[shown]), openapi_extra=_body_of(many),  # type: ignore[valid-type]
        )  # fmt: skip
        routes.add_api_route(
            f"/api/v1/{path}/{{{kind.name}}}", _changing(ingest, kind, shown), methods=["PATCH"], name=f"patch_{path}",
            summary=f"Change one of the {path.replace('-', ' ')}", description=_CHANGE, tags=["runs"],
            response_class=Response, responses={**PROBLEMS, 200: {"model": shown}},
            openapi_extra=_body_of(schema, kind.name),
        )  # fmt: skip


class Told(BaseModel, Generic[Shown]):
    """What became of an array: the runs as they are now, and the rows that are not kept."""

    items: list[Shown]
    rejected: list[Rejected]


def _body_of(schema: dict[str, Any], parameter: str | None = None) -> dict[str, Any]:
    named = [{"name": parameter, "in": "path", "required": True, "schema": {"type": "string"}}] if parameter else []
    return {"requestBody": {"required": True, "content": {_JSON: {"schema": schema}}}, "parameters": named}


def _posting(ingest: Ingest, kind: Kind, shown: type[BaseModel]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        async with entered(ingest, request) as (principal, raw):
            given = _decoded(raw)
            rows = [_row(index, one, kind) for index, one in enumerate(given if isinstance(given, list) else [given])]
            taking = Taking(ingest, principal, kind, ingest.deps.clock())
            stored = await taking.take([row for row in rows if row.fault is None])
        if not isinstance(given, list):
            return _one(rows[0], stored, shown)
        return _many(rows, stored, shown)

    return endpoint


def _changing(ingest: Ingest, kind: Kind, shown: type[BaseModel]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        async with entered(ingest, request) as (principal, raw):
            row = _row(0, _decoded(raw), kind)
            if row.fault is not None:
                raise row.fault
            taking = Taking(ingest, principal, kind, ingest.deps.clock(), key=request.path_params[kind.name])
            stored = await taking.take([row])
        return _one(row, stored, shown)

    return endpoint


def _decoded(raw: bytes) -> Any:
    given = decoded(raw)
    if isinstance(given, list) and len(given) > ROWS_LIMIT:
        raise TooLarge(f"more than {ROWS_LIMIT} rows in one request")
    return given


def _row(index: int, given: Any, kind: Kind) -> Row:
    """What one row says, or its fault."""
    try:
        return Row(index, checked(kind.body, given).model_dump(exclude_unset=True))
    except InvalidInput as fault:
        return Row(index, {}, fault=fault)


def _shown(run_id: UUID, stored: dict[UUID, dict[str, Any]], shown: type[BaseModel]) -> dict[str, Any]:
    return shown.model_validate(stored[run_id]).model_dump(mode="json")


def _one(row: Row, stored: dict[UUID, dict[str, Any]], shown: type[BaseModel]) -> Response:
    if row.fault is not None:
        raise row.fault
    if row.run is None:
        raise MonitorError("a run was neither kept nor refused")
    content = msgspec.json.encode(_shown(row.run.id, stored, shown))
    return Response(content, status_code=201 if row.new else 200, media_type=_JSON)


def _many(rows: list[Row], stored: dict[UUID, dict[str, Any]], shown: type[BaseModel]) -> Response:
    rejected = [{"index": row.index, "error": row.fault.message} for row in rows if row.fault is not None]
    if rejected and len(rejected) == len(rows):
        return problems.problem(422, "invalid_input", "no row is kept: each is named", rejected=rejected)
    ids = dict.fromkeys(row.run.id for row in rows if row.run is not None)
    content = msgspec.json.encode({"items": [_shown(one, stored, shown) for one in ids], "rejected": rejected})
    return Response(content, status_code=201 if any(row.new for row in rows) else 200, media_type=_JSON)
