"""What is told of conversations: POST and PATCH of them, POST and PATCH of messages, PUT of agents' states."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from monitor.conversations.bodies import ConversationBody, MessageBody
from monitor.ingest.conversations import keeping, posting
from monitor.ingest.conversations.editing import Editing, MessageChanges
from monitor.ingest.conversations.telling import ConversationIn, Telling
from monitor.ingest.entry import entered
from monitor.ingest.rows import validated
from monitor.ingest.schema import PROBLEMS, told
from monitor.ingest.service import Ingest

_TOLD = (
    "Tell of a conversation. `id` is the caller's own: told again, it is the same one (200), and what is said changes "
    "it as PATCH does. Without one a name is made for it."
)
_CHANGED = "By our id or the caller's own. What is not sent stays; `active` again takes the end back."
_EDITED = "By our id, or with `?conversation=` the caller's own. What it said before is in its edits."

Endpoint = Callable[[Request], Awaitable[Response]]


def mount(routes: APIRouter, ingest: Ingest) -> None:
    """Add them to the ingest routes."""
    posting.mount(routes, ingest)
    keeping.mount(routes, ingest)
    ways: tuple[tuple[str, str, Endpoint, str, str, type[BaseModel], tuple[str, ...]], ...] = (
        ("POST", "/conversations", _telling(ingest), "Tell of a conversation", _TOLD, ConversationIn, ()),
        (
            "PATCH", "/conversations/{conversation}", _telling(ingest), "Change a conversation", _CHANGED,
            ConversationIn, ("conversation",),
        ),
        ("PATCH", "/messages/{message}", _editing(ingest), "Edit a message", _EDITED, MessageChanges, ("message",)),
    )  # fmt: skip
    for method, path, endpoint, summary, about, body, names in ways:
        shown = MessageBody if body is MessageChanges else ConversationBody
        answers = told(shown) if method == "POST" else {**PROBLEMS, 200: {"model": shown}}
        routes.add_api_route(
            f"/api/v1{path}", endpoint, methods=[method], status_code=201 if method == "POST" else 200,
            name=summary.lower().replace(" ", "_"), summary=summary, description=about, tags=["conversations"],
            response_class=Response, openapi_extra=_extra(body, names), responses=answers,
        )  # fmt: skip


def _extra(body: type[BaseModel], names: tuple[str, ...]) -> dict[str, Any]:
    schema = body.model_json_schema(by_alias=False)
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
    ]
    if names:
        parameters.append({"name": "If-Match", "in": "header", "required": False, "schema": {"type": "string"}})
    if "message" in names:
        parameters.append({"name": "conversation", "in": "query", "required": False, "schema": {"type": "string"}})
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}, "parameters": parameters}


def _telling(ingest: Ingest) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        async with entered(ingest, request) as (principal, raw):
            body = validated(ConversationIn, raw)
            key = request.path_params.get("conversation")
            telling = Telling(
                ingest, principal, ingest.deps.clock(), key, None if key is None else request.headers.get("if-match")
            )
            row, tag, new = await telling.tell(body)
        return _answer(ConversationBody, row, tag, new=new)

    return endpoint


def _editing(ingest: Ingest) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        async with entered(ingest, request) as (principal, raw):
            body = validated(MessageChanges, raw)
            editing = Editing(
                ingest, principal, request.path_params["message"], request.query_params.get("conversation"),
                request.headers.get("if-match"),
            )  # fmt: skip
            row, tag = await editing.edit(body)
        return _answer(MessageBody, row, tag)

    return endpoint


def _answer(shown: type[BaseModel], row: Mapping[str, Any], tag: str, *, new: bool = False) -> Response:
    content = msgspec.json.encode(shown.model_validate(row).model_dump(mode="json"))
    return Response(content, status_code=201 if new else 200, headers={"ETag": tag}, media_type="application/json")
