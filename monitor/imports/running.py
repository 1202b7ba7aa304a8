"""An import from beginning to end: every table of a document, batch after batch, each with how far it is.

Killed at any moment, it goes on with the next batch when it is run again; one that was through begins anew, and finds
what it has brought.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from uuid import UUID

from sqlalchemy import text

from monitor.clock import Clock
from monitor.db import Database, Role
from monitor.imports import doc000, doc001, doc002, doc003, doc004
from monitor.imports.into import Into
from monitor.imports.progress import Progress
from monitor.imports.report import Report
from monitor.imports.source import Source, opened
from monitor.imports.step import Step
from monitor.imports.writing import Writing
from monitor.pipeline import SET_TENANT, Pipeline
from monitor.sealing import Ring
from monitor.series.store import SeriesStore

DOCUMENTS = {"000": doc000, "001": doc001, "002": doc002, "003": doc003, "004": doc004}
"""What there is for each document: how it `look`s at what is here already, its STEPS in order, tables that are
LEFT_OUT and columns that are NOT_READ, each with the reason."""

_FILLED = (
    "agents", "tasks", "workflow_executions", "agent_interactions", "run_names", "model_calls", "series", "samples",
    "messages", "conversations", "message_names", "tool_executions", "agent_logs", "chunks", "documents",
)  # fmt: skip
"""Tables that are many rows larger afterwards: the planner is told."""


@dataclass(frozen=True, slots=True)
class Import:
    """What is to be brought, and where to. `tell` hears of each batch; `ring` seals secrets."""

    document: str
    url: str
    db: Database
    series: SeriesStore
    tenant_id: UUID
    clock: Clock
    zone: tzinfo
    dry: bool = False
    tell: Callable[[Report], None] = lambda _report: None
    ring: Ring = field(default_factory=lambda: Ring(()))

    async def run(self) -> list[Report]:
        """Everything; a report for each table. Raises what the databases raise: run again, it goes on."""
        document = DOCUMENTS[self.document]
        async with opened(self.url) as source:
            now = self.clock()
            into = Into(self.db, self.series, self.tenant_id, now, self.zone, self.dry, source.name, self.ring)
            await document.look(into, source)
            # Documents have tables of one name: what one of them has reached says nothing of another.
            progress = Progress(self.tenant_id, f"{source.name}-{self.document}", self.document)
            begun = await self._begun(progress, {step.table for step in document.STEPS})
            reports = []
            for step in document.STEPS:
                report, reached, through = begun.get(step.table, (Report(step.table), None, False))
                reports.append(report)
                if not through:
                    await self._table(source, step, into, progress, report, reached)
            for table, why in document.LEFT_OUT.items():
                reports.append(await _left_out(source, table, why))
        if not self.dry:
            async with self.db.owner() as owner:
                await owner.execute(text(f"ANALYZE {', '.join(_FILLED)}"))
        return reports

    async def _begun(self, progress: Progress, tables: set[str]) -> dict[str, tuple[Report, list[str] | None, bool]]:
        """What was reached before: nothing where all of it was, which is done anew."""
        if self.dry:
            return {}
        async with self.db.owner() as owner:
            begun = await progress.load(owner)
            if all(table in begun and begun[table][2] for table in tables):
                await progress.forget(owner)
                return {}
        return begun

    async def _table(
        self, source: Source, step: Step, into: Into, progress: Progress, report: Report, reached: list[str] | None
    ) -> None:
        known = await source.columns(step.table)
        report.missing = not known
        if known:
            async for rows, after in source.batches(step.table, step.key, reached, order=step.order):
                report.read += len(rows)
                writing = await step.take(into, rows, report)
                if not self.dry:
                    await self._write(writing, progress, report, after)
                self.tell(report)
        if not self.dry:
            async with self.db.owner() as owner:
                await progress.save(owner, report, None, at=self.clock())

    async def _write(self, writing: Writing, progress: Progress, report: Report, after: list[str]) -> None:
        """A batch, and how far it leads, in one transaction."""
        if writing.piped is not None:
            async with self.db.driver(Role.OWNER) as driver:
                pipeline = Pipeline(driver)
                async with pipeline:
                    pipeline.add(SET_TENANT, tenant=str(self.tenant_id))
                    await writing.piped(pipeline)
                    progress.add(pipeline, report, after)
            return
        async with self.db.owner() as owner:
            if writing.rows is not None:
                await writing.rows(owner)
            await progress.save(owner, report, after)


async def _left_out(source: Source, table: str, why: str) -> Report:
    report = Report(table)
    report.missing = not await source.columns(table)
    if not report.missing:
        report.read = await source.count(table)
        report.whole = why
    return report


def lines(reports: list[Report]) -> Iterator[str]:
    """All of them as people read them."""
    for report in reports:
        yield from report.lines()
