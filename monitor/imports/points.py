"""Measurements that are brought here: points of series; what their tags cannot hold becomes lines of the log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import numpy as np

from monitor.agents import live
from monitor.agents.live import LogRow
from monitor.ids import microseconds, uuid7_named
from monitor.imports import mend
from monitor.imports.given import Given, LeftOut
from monitor.imports.into import Into
from monitor.imports.report import Report
from monitor.imports.step import Made
from monitor.imports.writing import Writing
from monitor.ingest.values import NAME_LIMIT, TAG_LIMIT, TAGS_LIMIT
from monitor.pipeline import Pipeline
from monitor.series.store import Columns, SeriesName

TABLES = ("samples", "agent_logs")


@dataclass(frozen=True, slots=True)
class Draft:
    """One measurement. `key`: of its row; `tags`: as the source has them."""

    key: str
    agent_id: UUID
    metric: str
    value: float
    at: datetime
    unit: str | None = None
    tags: Any = None


def flat(tags: Any) -> tuple[dict[str, str], Any]:
    """Tags that a series can have, and the rest: what is deeper than a text, too long or too many."""
    if not isinstance(tags, dict):
        return {}, tags or None
    kept: dict[str, str] = {}
    for name in sorted(tags):
        value = tags[name]
        text = msgspec.json.encode(value).decode() if isinstance(value, bool | int | float) else value
        if not isinstance(text, str) or not text or len(text) > TAG_LIMIT or not 1 <= len(name) <= NAME_LIMIT:
            continue
        if len(kept) < TAGS_LIMIT and not name.startswith("_"):
            kept[name] = text
    rest = {name: value for name, value in tags.items() if name not in kept and value is not None and value != ""}
    return kept, rest or None


def draft(
    given: Given,
    agent_id: UUID,
    metric: str,
    value: Decimal | float,
    at: datetime,
    *,
    unit: str | None = None,
    tags: Any,
) -> Draft:
    """A measurement. Raises LeftOut for one that has no value or no metric."""
    if not 1 <= len(metric) <= NAME_LIMIT:
        raise LeftOut(f"a metric's name of 1 to {NAME_LIMIT} characters is expected")
    number, fault = mend.number(value)
    if number is None:
        raise LeftOut("not a number")
    if fault is not None:
        given.note(fault)
    return Draft(given.key, agent_id, metric, number, at, unit, tags)


async def put(into: Into, made: Made[Draft], report: Report) -> Writing:
    """Points whose series take them."""
    series, at, values, lines = [], [], [], []
    drafts = [one for _, one in made]
    split = [flat(one.tags) for one in drafts]
    found = await _series(into, drafts, [tags for tags, _rest in split])
    for one, (_tags, rest), place in zip(drafts, split, found, strict=True):
        if isinstance(place, str):
            report.note(f"left out: {place}", one.key)
            continue
        report.kept += 1
        if rest is not None:
            report.note("tags that are no flat texts stand in the details of a line of the agent's log", one.key)
            lines.append(_line(into, one, rest))
        series.append(place)
        at.append(microseconds(one.at))
        values.append(one.value)
    if not series:
        return Writing()
    await into.cover(TABLES if lines else TABLES[:1], [one.at for one in drafts])

    async def write(pipeline: Pipeline) -> None:
        if lines:
            live.lock(pipeline, sorted({line.agent_id for line in lines}))
            live.write_logs(pipeline, into.tenant_id, lines)
        columns = Columns(np.array(series, np.int64), np.array(at, np.int64), np.array(values, np.float64))
        await into.series.write(pipeline, into.tenant_id, columns)

    return Writing(piped=write)


async def _series(into: Into, drafts: Sequence[Draft], tags: Sequence[dict[str, str]]) -> list[int | str]:
    """The series of each, or why it takes no such point. On a dry run none is made."""
    if into.dry:
        return [0] * len(drafts)
    names = [
        SeriesName(draft.agent_id, draft.metric, tuple(sorted(own.items())), None, draft.unit)
        for draft, own in zip(drafts, tags, strict=True)
    ]
    return await into.series.resolve(into.tenant_id, names)


def _line(into: Into, draft: Draft, rest: Any) -> LogRow:
    at_us, name = microseconds(draft.at), f"{report_name(draft)}"
    details = msgspec.json.encode({"metric": draft.metric, "tags": rest})
    return LogRow(
        draft.agent_id, uuid7_named(at_us, name), microseconds(into.now), at_us, at_us, None, "line", "success",
        "info", name, f"imported with a point of {draft.metric}", details,
    )  # fmt: skip


def report_name(draft: Draft) -> str:
    """What the line of a point's tags is called, so that it comes once."""
    return f"imported point {draft.key}"
