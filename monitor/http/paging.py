"""Keyset pages: `?limit=&cursor=` → `{"items":[…],"next":cursor or null}`."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from monitor.errors import Unreadable

T = TypeVar("T")

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
        raise Unreadable("cursor is not one that was given out") from None
    if not (isinstance(key, list) and len(key) == parts and all(isinstance(part, str) for part in key)):
        raise Unreadable("cursor is not one that was given out")
    return key


def page(rows: Sequence[Any], limit: int, key: Callable[[Any], Sequence[str]]) -> dict[str, Any]:
    """A page of `rows`, which were read with `limit + 1`: the extra one only says that there is more."""
    items = list(rows[:limit])
    return {"items": items, "next": encode(key(items[-1])) if len(rows) > limit else None}
