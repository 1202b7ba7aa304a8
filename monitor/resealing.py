"""Everything that is sealed, walked through with the newest key: so that an older one can leave the ring.

Rows are taken in batches, each a transaction of its own, and only what the newest key did not seal is written: cut off
in the middle, the next run goes on where this one was. A value that changed meanwhile is left to whoever changed it.
What was stored before there were keys is sealed here for the first time.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database
from monitor.errors import ConfigError, Unavailable
from monitor.sealing import TARGETS, Ring, is_sealed
from monitor.tools.covering import place_of

BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class _Column:
    """Where sealed values are. `keys`: the primary key; `document`: JSON with sealed texts in it, not one text."""

    table: str
    column: str
    keys: tuple[str, ...]
    document: bool = False

    @property
    def batch(self) -> str:
        """The statement that reads the next rows."""
        keys, last = ", ".join(self.keys), ", ".join(f":{name}" for name in self.keys)
        return (
            f"SELECT {keys}, {self.column} AS stored FROM {self.table} "
            f"WHERE {self.column} IS NOT NULL AND (CAST(:first AS boolean) OR ({keys}) > ({last})) "
            f"ORDER BY {keys} LIMIT :batch"
        )

    @property
    def write(self) -> str:
        """The statement that changes one row, if it still is what was read."""
        its = " AND ".join(f"{name} = :{name}" for name in self.keys)
        kind = "jsonb" if self.document else "text"
        return (
            f"UPDATE {self.table} SET {self.column} = CAST(:new AS {kind}) "
            f"WHERE {its} AND {self.column} = CAST(:old AS {kind})"
        )

    def place(self, row: Any) -> str:
        """What its values are bound to."""
        return place_of(row.id) if self.document else TARGETS


_BY_ID = ("tenant_id", "id")
COLUMNS: Final = (
    _Column("channels", "secret", _BY_ID),
    _Column("contact_methods", "secret", ("tenant_id", "user_id", "position")),
    _Column("notification_groups", "secret", _BY_ID),
    _Column("paces", "secret", ("tenant_id", "channel", "target")),
    _Column("mcp_server_configs", "config", _BY_ID, document=True),
    _Column("mcp_server_configs", "environment", _BY_ID, document=True),
)
"""All of them."""


@dataclass(slots=True)
class Report:
    """What was done with the values of a column. `lost`: the ring lacks their key; they stay as they are."""

    table: str
    column: str
    resealed: int = 0
    current: int = 0
    lost: int = 0


async def reseal(db: Database, ring: Ring, *, batch: int = BATCH) -> list[Report]:
    """Seal everything with the newest key of the ring. Raises ConfigError with an empty ring."""
    if not ring:
        raise ConfigError("AGENT_MONITOR_SECRET_KEYS is not set: there is nothing to seal with")
    return [await _walk(db, ring, column, batch) for column in COLUMNS]


async def _walk(db: Database, ring: Ring, column: _Column, batch: int) -> Report:
    report = Report(column.table, column.column)
    last: dict[str, Any] = dict.fromkeys(column.keys)
    first = True
    while True:
        async with db.owner() as owner:
            rows = list(await owner.execute(text(column.batch), {**last, "first": first, "batch": batch}))
            for row in rows:
                await _row(owner, ring, column, row, report)
        if len(rows) < batch:
            return report
        last, first = {name: getattr(rows[-1], name) for name in column.keys}, False


async def _row(owner: AsyncConnection, ring: Ring, column: _Column, row: Any, report: Report) -> None:
    def anew(value: str) -> str:
        plain = ring.reveal(value, tenant_id=row.tenant_id, place=column.place(row))
        return ring.seal(plain or "", tenant_id=row.tenant_id, place=column.place(row))

    values = list(_texts(row.stored)) if column.document else [row.stored]
    old = [value for value in values if not ring.current(value)]
    report.current += len(values) - len(old)
    made: dict[str, str] = {}
    for value in old:
        try:
            made[value] = anew(value)
        except Unavailable:
            report.lost += 1
    if made:
        new = json.dumps(_changed(row.stored, made)) if column.document else made[row.stored]
        before = json.dumps(row.stored) if column.document else row.stored
        given = {name: getattr(row, name) for name in column.keys} | {"new": new, "old": before}
        done = (await owner.execute(text(column.write), given)).rowcount
        report.resealed += len(made) * done


def _texts(value: Any) -> Iterator[str]:
    """Every sealed text in a document."""
    if isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str) and is_sealed(value):
        yield value


def _changed(value: Any, made: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _changed(one, made) for name, one in value.items()}
    if isinstance(value, list):
        return [_changed(one, made) for one in value]
    return made.get(value, value) if isinstance(value, str) else value
