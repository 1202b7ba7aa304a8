"""The routes of a CRUD resource, as they are listed in resources.py."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from monitor.http.deps import Given, Reader, Writer
from monitor.http.etags import Match, NoneMatch, check_match, etag, is_known
from monitor.http.paging import Page, page, sorted_key
from monitor.http.resources import Resource, changing
from monitor.principal import Scope


def router(one: Resource) -> APIRouter:
    """Its routes."""
    routes = _Routes(one, APIRouter(prefix=f"/api/v1{one.path}", tags=[one.slice]))
    routes.reading()
    routes.making()
    routes.changing()
    routes.deleting()
    return routes.made


@dataclass(frozen=True, slots=True)
class _Routes:
    """Endpoints are written once, with Any in the places of what differs; `_add` puts the resource's types there."""

    one: Resource
    made: APIRouter

    def reading(self) -> None:
        one = self.one

        async def list_(deps: Given, principal: Reader, query: Any) -> Any:
            if getattr(query, "deleted", False):
                principal.require(Scope.WRITE, f"{one.slice}:write")
            statement, by = one.page(query, principal.tenant_id)
            async with deps.db.tenant(principal.tenant_id) as connection:
                rows = [dict(row) for row in (await connection.execute(statement)).mappings()]
            return page(rows, query.limit, lambda row: sorted_key(query.sort, row[by.name], row["id"]))

        async def get(deps: Given, principal: Reader, key: Any, response: Response, seen: NoneMatch = None) -> Any:
            async with deps.db.tenant(principal.tenant_id) as connection:
                row = await one.find(connection, principal.tenant_id, key)
            response.headers["ETag"] = etag(row)
            return Response(status_code=304, headers={"ETag": etag(row)}) if is_known(row, seen) else dict(row)

        pages: Any = Page
        self._add("GET", list_, "List", query=Annotated[one.listing(), Query()], answer=pages[one.shown])
        self._add("GET", get, "Read", own=True, answer=one.shown)

    def making(self) -> None:
        one = self.one

        async def create(deps: Given, principal: Writer, body: Any, response: Response) -> Any:
            async with changing(one, deps, principal) as change:
                row = await change.make(body.model_dump())
            response.headers["ETag"] = etag(row)
            return dict(row)

        self._add("POST", create, "Make", status=201, body=one.new, answer=one.shown)

    def changing(self) -> None:
        one = self.one

        async def update(
            deps: Given, principal: Writer, key: Any, body: Any, response: Response, match: Match = None
        ) -> Any:
            given = body.model_dump()
            async with changing(one, deps, principal) as change:
                old = await one.find(change.connection, principal.tenant_id, key, lock=True)
                check_match(old, match)
                row = await change.write(old, {name: given[name] for name in body.model_fields_set})
            response.headers["ETag"] = etag(row)
            return dict(row)

        self._add("PATCH", update, "Change", own=True, body=one.changes, answer=one.shown)

    def deleting(self) -> None:
        one = self.one

        async def delete(deps: Given, principal: Writer, key: Any, match: Match = None) -> None:
            async with changing(one, deps, principal) as change:
                old = await one.find(change.connection, principal.tenant_id, key, lock=True)
                check_match(old, match)
                await change.remove(old)

        async def restore(deps: Given, principal: Writer, key: Any, response: Response) -> Any:
            async with changing(one, deps, principal) as change:
                old = await one.find(change.connection, principal.tenant_id, key, lock=True, deleted=True)
                row = await change.write(old, {"deleted_at": None}, "restored")
            response.headers["ETag"] = etag(row)
            return dict(row)

        self._add("DELETE", delete, "Delete", own=True, status=204)
        if one.soft:
            self._add("POST", restore, "Bring back", own=True, tail="/restore", answer=one.shown)

    def _add(
        self, method: str, endpoint: Any, verb: str, *, own: bool = False, tail: str = "", status: int = 200,
        answer: Any = None, **types: Any,
    ) -> None:  # fmt: skip
        one = self.one
        if own:
            named = "id" if one.name is None else f"id or {one.name}"
            types["key"] = Annotated[str, Path(alias=one.kind, max_length=200, description=named)]
        endpoint.__annotations__ |= types
        self.made.add_api_route(
            f"/{{{one.kind}}}{tail}" if own else "", endpoint, methods=[method], status_code=status,
            response_model=answer, summary=f"{verb} {one.said}",
            operation_id=f"{endpoint.__name__.rstrip('_')}_{one.kind}",
        )  # fmt: skip
