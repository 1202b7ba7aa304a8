"""The audit trail as one file of any length, newest first: an object a line, or comma separated values."""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable
from enum import StrEnum
from typing import Any
from uuid import UUID

from monitor.audit import store
from monitor.audit.bodies import EntryBody
from monitor.audit.store import Wanted
from monitor.db import Database

PORTION = 1000
"""Entries that are read at once."""


class Format(StrEnum):
    """How it is written: an object a line, or comma separated values with a heading."""

    NDJSON = "ndjson"
    CSV = "csv"


async def export(db: Database, tenant_id: UUID, wanted: Wanted, layout: Format) -> AsyncIterator[str]:
    """Portions by keyset, each in a transaction of its own: none is open for as long as a reader takes."""
    before: UUID | None = None
    if layout is Format.CSV:
        yield _csv([list(EntryBody.model_fields)])
    while True:
        async with db.tenant(tenant_id) as connection:
            # One more than the limit is read, and taken too.
            rows = await store.list_entries(connection, tenant_id, wanted, limit=PORTION - 1, before=before)
        entries = [EntryBody(**row) for row in rows]
        if layout is Format.CSV:
            yield _csv(_cells(entry) for entry in entries)
        else:
            yield "".join(f"{entry.model_dump_json()}\n" for entry in entries)
        if len(rows) < PORTION:
            return
        before = rows[-1]["id"]


def _cells(entry: EntryBody) -> list[str]:
    return [_cell(value) for value in entry.model_dump(mode="json").values()]


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # A spreadsheet would take it for a formula, and what a client calls itself is anybody's to write.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _csv(rows: Iterable[list[str]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()
