"""What is plain CRUD: a slice says what is its own, and `resource_routes.router` makes the routes.

    GET    /things                    a keyset page; its own filters, `sort`, `q` and `deleted` as far as it has them
    POST   /things                    201 with an ETag
    GET    /things/{thing}            by id, or by name where it has one; ETag, and 304 for If-None-Match
    PATCH  /things/{thing}            what is not sent stays; If-Match: 412 where somebody else was first
    DELETE /things/{thing}            204; hidden where the table has `deleted_at`, else gone; If-Match
    POST   /things/{thing}/restore    where the table has `deleted_at`

A change is one transaction with its audit row. What a resource checks or does beside that are its `Hooks`.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model
from sqlalchemy import Column, Select, Table, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import Conflict, Forbidden, NotFound
from monitor.http.deps import Deps
from monitor.http.paging import after, decode_sorted
from monitor.http.problems import uuid_of
from monitor.ids import PLATFORM_TENANT, uuid7
from monitor.principal import Principal, Slice

Row = Mapping[str, Any]

OfEverybody = Annotated[
    bool, Field(validation_alias="tenant_id"), BeforeValidator(lambda tenant_id: tenant_id == PLATFORM_TENANT)
]
"""In what is shown of a shared resource: whether a row is the platform's."""


class Listing(BaseModel):
    """What every list takes. A resource's own filters are fields of a subclass, called as their columns and optional.

    `sort`, `q` (part of a text) and `deleted` are added as the resource has them.
    """

    model_config = ConfigDict(extra="forbid")
    limit: Annotated[int, Field(ge=1, le=1000, description="rows a page")] = 100
    cursor: Annotated[str | None, Field(description="`next` of the page before")] = None


class Hooks:
    """What a resource does beside storing, within the transaction of the change."""

    async def check(self, change: "Change", new: dict[str, Any], old: Row | None) -> None:
        """Raise for what cannot be, and complete `new`: all values, or where `old` is there those that change."""

    async def after(self, change: "Change", new: Row | None, old: Row | None) -> None:
        """Whatever follows from a change. `old` None: it was made; `new` None: it is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What is a resource's own.

    `sorts`: columns without nulls, the first by default, with - in front from the end. `name`: a unique text column.
    `searched`: text columns that `q` looks into. `filters`: conditions of those that are more than equality.
    `shared`: rows of the platform's tenant are everybody's to read.
    """

    kind: str
    path: str
    slice: Slice
    table: Table
    new: type[BaseModel]
    changes: type[BaseModel]
    shown: type[BaseModel]
    query: type[Listing] = Listing
    sorts: tuple[str, ...] = ("id",)
    name: str | None = None
    searched: tuple[str, ...] = ()
    filters: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    hooks: Hooks = field(default_factory=Hooks)
    shared: bool = False

    @property
    def soft(self) -> bool:
        """Whether what is deleted can come back."""
        return "deleted_at" in self.table.columns

    @property
    def said(self) -> str:
        """What it is called in a sentence."""
        return self.kind.replace("_", " ")

    def listing(self) -> type[BaseModel]:
        """The parameters of its list."""
        names = [sort.removeprefix("-") for sort in self.sorts]
        ways = Literal[tuple(way for name in names for way in (name, f"-{name}"))]  # type: ignore[valid-type]
        more: dict[str, Any] = {"sort": (ways, Field(self.sorts[0], description="a column; with - from the end"))}
        if self.searched:
            more["q"] = (str | None, Field(None, max_length=200, description=f"part of {' or '.join(self.searched)}"))
        if self.soft:
            more["deleted"] = (bool, Field(False, description="what was deleted instead; takes the scope write"))
        return create_model(f"{self.query.__name__}Of{self.new.__name__}", __base__=self.query, **more)

    def rows(self, tenant_id: UUID, *, deleted: bool = False, own: bool = False) -> Select[*tuple[Any, ...]]:
        """The tenant's rows, those that are there or those that were deleted; and everybody's unless `own`."""
        tenants = [tenant_id, PLATFORM_TENANT] if self.shared and not own and not deleted else [tenant_id]
        query = select(*self.table.columns).where(self.table.c.tenant_id.in_(tenants))
        if self.soft:
            gone = self.table.c.deleted_at
            query = query.where(gone.is_not(None) if deleted else gone.is_(None))
        return query

    def page(self, given: Any, tenant_id: UUID) -> tuple[Select[*tuple[Any, ...]], Column[Any]]:
        """The statement of a page, with one row more, and the column that it is sorted by. Raises Unreadable."""
        by, id_, down = self.table.c[given.sort.removeprefix("-")], self.table.c.id, given.sort.startswith("-")
        query = self.rows(tenant_id, deleted=getattr(given, "deleted", False))
        own = set(self.query.model_fields) - set(Listing.model_fields)
        for wanted, value in given.model_dump(include=own, exclude_none=True).items():
            condition = self.filters.get(wanted)
            query = query.where(condition(value) if condition else self.table.c[wanted] == value)
        if (part := getattr(given, "q", None)) is not None:
            query = query.where(or_(*(self.table.c[one].icontains(part, autoescape=True) for one in self.searched)))
        key = decode_sorted(given.cursor, sort=given.sort, column=by)
        if key is not None:
            query = query.where(after(by, id_, key, down=down))
        return query.order_by(*((by.desc(), id_.desc()) if down else (by, id_))).limit(given.limit + 1), by

    async def find(
        self, connection: AsyncConnection, tenant_id: UUID, key: str, *, lock: bool = False, deleted: bool = False
    ) -> Row:
        """By id or name; the tenant's own before everybody's. `lock`: to change it. Raises NotFound, Forbidden."""
        made = uuid_of(key)
        if made is None and self.name is None:
            raise NotFound(f"there is no such {self.said}")
        query = self.rows(tenant_id, deleted=deleted, own=lock)
        query = query.where(self.table.c.id == made if made is not None else self.table.c[self.name or ""] == key)
        query = query.with_for_update() if lock else query.order_by(self.table.c.tenant_id != tenant_id)
        row = (await connection.execute(query.limit(1))).mappings().one_or_none()
        if row is not None:
            return dict(row)
        if lock and self.shared and not deleted:
            await self.find(connection, tenant_id, key)
            raise Forbidden(f"this {self.said} is everybody's: it can be read and nothing else")
        raise NotFound(f"there is no such {self.said}")

    def told(self, row: Row) -> dict[str, Any]:
        """A row as it is answered: what the audit trail may hold."""
        return self.shown.model_validate(row).model_dump(mode="json")


@dataclass(frozen=True, slots=True)
class Change:
    """One change in its transaction. `tried`: the values of the last statement."""

    one: Resource
    deps: Deps
    principal: Principal
    connection: AsyncConnection
    tried: dict[str, Any] = field(default_factory=dict)

    async def make(self, values: dict[str, Any]) -> Row:
        """A new row of these values. Raises what the hooks raise, and Conflict."""
        values = {**values, "tenant_id": self.principal.tenant_id, "id": uuid7(self.deps.clock())}
        await self.one.hooks.check(self, values, None)
        self.tried.update(values)
        query = insert(self.one.table).values(values).returning(*self.one.table.columns)
        new = dict((await self.connection.execute(query)).mappings().one())
        await self._end("created", None, new)
        return new

    async def write(self, old: Row, values: dict[str, Any], action: str = "updated") -> Row:
        """What differs of these values. Raises what the hooks raise, and Conflict."""
        values = {name: value for name, value in values.items() if name not in old or old[name] != value}
        if not values:
            return old
        await self.one.hooks.check(self, values, old)
        self.tried.update(values)
        query = update(self.one.table).where(*self._is(old)).values(values).returning(*self.one.table.columns)
        new = dict((await self.connection.execute(query)).mappings().one())
        await self._end(action, old, new)
        return new

    async def remove(self, old: Row) -> None:
        """Hide it, or where it cannot come back delete it. Raises what the hooks raise."""
        if self.one.soft:
            await self.write(old, {"deleted_at": self.deps.clock()}, "deleted")
            return
        await self.connection.execute(delete(self.one.table).where(*self._is(old)))
        await self._end("deleted", old, None)

    def _is(self, old: Row) -> tuple[Any, Any]:
        return self.one.table.c.tenant_id == old["tenant_id"], self.one.table.c.id == old["id"]

    async def _end(self, action: str, old: Row | None, new: Row | None) -> None:
        await self.one.hooks.after(self, new, old)
        before, then = (None if row is None else self.one.told(row) for row in (old, new))
        if before and then:  # what differs says what was done
            names = {name for name in then if before[name] != then[name]} - {"updated_at"}
            before, then = ({name: each[name] for name in names} for each in (before, then))
        resource = (self.one.kind, str((new or old or {})["id"]))
        await self.deps.audit(
            self.connection, self.principal, f"{self.one.kind}.{action}", resource=resource, old=before, new=then
        )


@contextlib.asynccontextmanager
async def changing(one: Resource, deps: Deps, principal: Principal) -> AsyncIterator[Change]:
    """The transaction of a change. A Conflict with what was deleted says so."""
    tried: dict[str, Any] = {}
    try:
        async with deps.db.tenant(principal.tenant_id) as connection:
            yield Change(one, deps, principal, connection, tried)
    except Conflict:
        named = tried.get(one.name or "")
        if not one.soft or named is None:
            raise
        with contextlib.suppress(NotFound):
            async with deps.db.tenant(principal.tenant_id) as connection:
                gone = await one.find(connection, principal.tenant_id, named, deleted=True)
            detail = f"a deleted {one.said} has this {one.name}: it comes back by POST {one.path}/{gone['id']}/restore"
            raise Conflict(detail) from None
        raise
