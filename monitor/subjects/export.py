"""Everything that is stored about a person, as one file of any length: a row a line, without sealed secrets."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.subjects.person import Person, binds, replaced
from monitor.subjects.places import PLACES, Place
from monitor.subjects.steps import tables

PORTION = 1000
"""Rows that are read at once."""
Door = Callable[[UUID], AbstractAsyncContextManager[AsyncConnection]]
"""A transaction in a tenant."""


async def export(door: Door, tenants: list[UUID], person: Person, count: dict[str, int]) -> AsyncIterator[str]:
    """Lines of JSON in portions, each read in a transaction of its own; `count` is told how many, by table.

    A line is `{"table": …, "row": {…}}`. A row that is theirs for two reasons comes once for each.
    """
    for place in PLACES:
        # What is nobody's tenant's is read once.
        for tenant in tenants[:1] if place.tenant is None else tenants:
            async for rows in _portions(door, tenant, place, person):
                count[place.table] = count.get(place.table, 0) + len(rows)
                yield "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in rows)


async def _portions(door: Door, tenant: UUID, place: Place, person: Person) -> AsyncIterator[list[dict[str, Any]]]:
    given = binds(person, replaced(person, tenant), tenant) | {"sealed": list(place.sealed), "portion": PORTION}
    whose = f"({place.whose})" + (f" AND t.{place.tenant} = CAST(:tenant AS uuid)" if place.tenant else "")
    after: dict[str, str] = {}
    while True:
        async with door(tenant) as connection:
            table = (await tables(connection))[place.table]
            keys = ", ".join(f"t.{name}::text" for name in table.key)
            beyond = f" AND {table.row} > {table.given('first')}" if after else ""
            query = f"""
                SELECT to_jsonb(t) - CAST(:sealed AS text[]), {keys} FROM {place.table} t WHERE {whose}{beyond}
                ORDER BY {table.row[1:-1]} LIMIT :portion
            """
            rows = (await connection.execute(text(query), given | after)).all()
        if rows:
            yield [{"table": place.table, "row": row[0]} for row in rows]
        if len(rows) < PORTION:
            return
        after = {f"first{number}": part for number, part in enumerate(rows[-1][1:])}
