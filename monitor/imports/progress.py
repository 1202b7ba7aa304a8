"""How far an import is: read before, and written with the rows of each batch, so that nothing is brought twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.imports.report import Report
from monitor.imports.tables import Import
from monitor.pipeline import Pipeline, Statement

_SQL = """
    INSERT INTO imports (tenant_id, source, source_table, document, reached, rows_read, rows_kept, notes, completed_at)
    SELECT CAST(CAST(:tenant AS text) AS uuid), n->>'source', n->>'table', n->>'document',
           nullif(n->'reached', CAST('null' AS jsonb)),
           CAST(n->>'read' AS bigint), CAST(n->>'kept' AS bigint), n->'notes', CAST(n->>'completed_at' AS timestamptz)
    FROM CAST(CAST(:given AS text) AS jsonb) AS n
    ON CONFLICT (tenant_id, source, source_table) DO UPDATE SET
        reached = coalesce(excluded.reached, imports.reached), rows_read = excluded.rows_read,
        rows_kept = excluded.rows_kept, notes = excluded.notes, completed_at = excluded.completed_at
"""
_SAVE, _SAVE_PIPED = text(_SQL), Statement(_SQL)


@dataclass(frozen=True, slots=True)
class Progress:
    """What one import has reached, of whom."""

    tenant_id: UUID
    source: str
    document: str

    def _given(self, report: Report, reached: Sequence[str] | None, at: datetime | None) -> dict[str, str]:
        said = {
            "source": self.source, "table": report.table, "document": self.document, "reached": reached,
            "read": report.read, "kept": report.kept, "notes": report.stored(), "completed_at": at,
        }  # fmt: skip
        return {"tenant": str(self.tenant_id), "given": msgspec.json.encode(said).decode()}

    async def save(
        self, connection: AsyncConnection, report: Report, reached: Sequence[str] | None, *, at: datetime | None = None
    ) -> None:
        """With the rows that led there. `at`: when the table was through."""
        await connection.execute(_SAVE, self._given(report, reached, at))

    def add(self, pipeline: Pipeline, report: Report, reached: Sequence[str]) -> None:
        """The same, to a pipeline."""
        pipeline.add(_SAVE_PIPED, **self._given(report, reached, None))

    async def load(self, connection: AsyncConnection) -> dict[str, tuple[Report, list[str] | None, bool]]:
        """Of each table that was begun: its report so far, the last key, and whether it is through."""
        query = select(Import).where(Import.tenant_id == self.tenant_id, Import.source == self.source)
        begun: dict[str, tuple[Report, list[str] | None, bool]] = {}
        for row in await connection.execute(query):
            report = Report(row.source_table)
            report.restore(row.rows_read, row.rows_kept, row.notes)
            begun[row.source_table] = (report, row.reached, row.completed_at is not None)
        return begun

    async def forget(self, connection: AsyncConnection) -> None:
        """Begin anew."""
        of_it = (Import.tenant_id == self.tenant_id, Import.source == self.source)
        await connection.execute(delete(Import).where(*of_it))
