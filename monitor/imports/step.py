"""What a document declares of each of its tables: where rows go, column by column, and how they are put there."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor import partitions
from monitor.ids import uuid7_time
from monitor.imports.given import Given, LeftOut
from monitor.imports.into import Into
from monitor.imports.report import Report
from monitor.imports.source import Row
from monitor.imports.writing import Writing

T = TypeVar("T")
Made = Sequence[tuple[UUID, T]]
"""What rows became, each with whose it is."""
Values = dict[str, Any]
Columns = Mapping[str, str | Callable[[Given], Any]]
"""Columns here by columns of the source, or by what makes their value. Those that take up what others could not keep
(`Given.metadata`) come last."""
Put = Callable[[Into, Made[Any], Report], Awaitable[Writing]]
"""Counts what is kept of a batch, and says how it is written."""

BY_TENANT = """(coalesce(tenant_id::text, '') || id::text) COLLATE "C" """
"""So that a batch is of few tenants, where each takes statements of its own."""


@dataclass(frozen=True, slots=True)
class Step:
    """One table of a document.

    `make` says what a row becomes, or raises LeftOut; `put` writes what a batch became. `key`: unique columns in whose
    order rows are read, or else `order`, SQL for a text. `named`: the columns that name a row in the report; the key.
    """

    table: str
    make: Callable[[Given], Any]
    put: Put
    key: tuple[str, ...] = ("id",)
    order: str | None = None
    named: Callable[[Row], str] | None = None

    async def take(self, into: Into, rows: Sequence[Row], report: Report) -> Writing:
        """Judge a batch: note what is left out or otherwise, count what is kept, and say how that is written."""
        made: list[tuple[UUID, Any]] = []
        for row in rows:
            key = "/".join(str(row[name]) for name in self.key) if self.named is None else self.named(row)
            given = Given(row, into, report, key)
            try:
                value = self.make(given)
            except LeftOut as left:
                report.note(f"left out: {left}", key)
            else:
                given.tell()
                made.append((given.tenant_id, value))
        return await self.put(into, made, report)


def row(columns: Columns, *, of: str | None = None) -> Callable[[Given], Values]:
    """What makes a row by its columns. `of`: the source's column that names its tenant, where it has one."""

    def make(given: Given) -> Values:
        if of is not None:
            given.belong(of)
        return {name: given[said] if isinstance(said, str) else said(given) for name, said in columns.items()}

    return make


def same(*names: str) -> dict[str, str]:
    """Columns that are called the same there."""
    return {name: name for name in names}


def rows_of(table: type[Any]) -> Put:
    """Rows of a table of tenants; those that are here stay as they are."""
    partitioned = table.__tablename__ in {layout.table for layout in partitions.LAYOUTS}

    async def put(into: Into, made: Made[Values], report: Report) -> Writing:
        report.kept += len(made)
        rows = [{"tenant_id": tenant_id, **values} for tenant_id, values in made]
        if partitioned:
            await into.cover((table.__tablename__,), [uuid7_time(values["id"]) for values in rows])

        async def write(connection: AsyncConnection) -> None:
            await store(connection, table, rows)

        return Writing(rows=write if rows else None)

    return put


async def store(connection: AsyncConnection, table: type[Any], rows: Sequence[Values]) -> set[tuple[Any, ...]]:
    """Insert rows that are not here yet, many in one statement; the keys of those that were not."""
    if not rows:
        return set()
    # With RETURNING the rows of a batch go in a few statements, and without it each in its own.
    query = insert(table).on_conflict_do_nothing().returning(*table.__table__.primary_key)
    return {tuple(row) for row in await connection.execute(query, list(rows))}
