"""Keyset pages: `?limit=&cursor=` → `{"items":[…],"next":cursor or null}`."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel
from sqlalchemy import Column, ColumnElement, literal, tuple_

from monitor.errors import Unreadable

T = TypeVar("T")

NOT_OURS = "cursor is not one that was given out"

Limit = Annotated[int, Query(ge=1, le=1000, description="rows a page")]
Cursor = Annotated[str | None, Query(description="`next` of the page before")]


class Page(BaseModel, Generic[T]):
    """One page. `next` is null on the last one."""

    items: list[T]
    next: str | None


def encode(key: Sequence[str]) -> str:
    """The cursor that continues after a row with this sort key."""
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode().rstrip("=")


def decode(cursor: str | None, *, parts: int) -> list[str] | None:
    """The sort key in a cursor of `parts` strings. Raises Unreadable for one that we never gave out."""
    if cursor is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        raise Unreadable(NOT_OURS) from None
    if not (isinstance(key, list) and len(key) == parts and all(isinstance(part, str) for part in key)):
        raise Unreadable(NOT_OURS)
    return key


def page(rows: Sequence[Any], limit: int, key: Callable[[Any], Sequence[str]]) -> dict[str, Any]:
    """A page of `rows`, which were read with `limit + 1`: the extra one only says that there is more."""
    items = list(rows[:limit])
    return {"items": items, "next": encode(key(items[-1])) if len(rows) > limit else None}


def sorted_key(sort: str, value: Any, row_id: UUID) -> list[str]:
    """The key of a row in a list that can be sorted: by what it is, the sorted column's value, the row's id."""
    return [sort, value.isoformat(timespec="microseconds") if isinstance(value, datetime) else str(value), str(row_id)]


_READ: dict[type, Callable[[str], Any]] = {
    datetime: datetime.fromisoformat,
    UUID: UUID,
    int: int,
    float: float,
    Decimal: Decimal,
}


def decode_sorted(cursor: str | None, *, sort: str, column: Column[Any]) -> tuple[Any, UUID] | None:
    """Value and id in a cursor. Raises Unreadable for one that we never gave out, or gave out for another sort."""
    key = decode(cursor, parts=3)
    if key is None:
        return None
    try:
        value, row_id = _READ.get(column.type.python_type, str)(key[1]), UUID(key[2])
    except (ValueError, InvalidOperation):
        raise Unreadable(NOT_OURS) from None
    if key[0] != sort:
        raise Unreadable("cursor is one of another sort")
    if isinstance(value, datetime) and value.tzinfo is None:
        raise Unreadable(NOT_OURS)
    return value, row_id


def after(by: Column[Any], id_: Column[UUID], key: tuple[Any, UUID], *, down: bool = False) -> ColumnElement[bool]:
    """The condition of what comes after a row in the order of `by` and `id_`, or with `down` before it."""
    last = tuple_(literal(key[0], by.type), literal(key[1], id_.type))
    return tuple_(by, id_) < last if down else tuple_(by, id_) > last
