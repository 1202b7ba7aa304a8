"""`GET /api/v1/query`: lines over time. `GET /api/v1/exemplars`: single measurements and their traces."""

import asyncio
import math
import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi import Query as Parameter
from pydantic import BaseModel

from monitor.errors import InvalidInput
from monitor.http.deps import Given, Reader
from monitor.series import exemplars
from monitor.series.exposition import MEDIA, exposed
from monitor.series.store import LatestQuery, Query, Reducer

router = APIRouter(prefix="/api/v1", tags=["series"])

LATEST_LIMIT = 10_000
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhd]?)", re.ASCII)
_SOME_TIME = 'must be RFC 3339, Unix seconds, "now", or relative such as "-24h"'


class LineBody(BaseModel):
    """One line. Points are `[time, value]`, the time in Unix seconds; a value that no double holds is null."""

    labels: dict[str, str]
    points: list[tuple[float, float | None]]


class AnswerBody(BaseModel):
    """All lines, ordered by their labels."""

    series: list[LineBody]


def parse_span(text: str, *, path: str) -> timedelta:
    """A length of time: `90s`, `5m`, `2h`, `1d`, or seconds. Raises InvalidInput."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidInput('must be a duration such as "90s", "5m", "2h" or "1d"', path=path)
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2] or "s"])


def parse_time(text: str, *, now: datetime, path: str) -> datetime:
    """A time: RFC 3339, Unix seconds, `now`, or relative to it such as `-24h`. Raises InvalidInput."""
    try:
        if text == "now":
            return now
        if text.startswith("-") and text[-1:] in _SECONDS:
            return now - parse_span(text[1:], path=path)
        if re.fullmatch(r"-?\d{1,12}(\.\d+)?", text, re.ASCII):
            return datetime.fromtimestamp(float(text), UTC)
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise InvalidInput("must have a time zone, as in 2026-03-01T12:00:00Z", path=path)
        return at.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidInput(_SOME_TIME, path=path) from None


def _where(given: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in given:
        name, colon, value = item.partition(":")
        if not (name and colon):
            raise InvalidInput(f"{item!r} is not of the form tag:value", path="where")
        if pairs.setdefault(name, value) != value:
            raise InvalidInput(f"{name} cannot have two values", path="where")
    return pairs


def _agent(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@router.get("/query")
async def query(
    deps: Given,
    principal: Reader,
    metric: Annotated[str, Parameter(min_length=1, max_length=200)],
    reduce: Reducer = Reducer.MEAN,
    start: Annotated[str, Parameter(description="RFC 3339, Unix seconds, or relative as in -24h")] = "-1h",
    end: Annotated[str, Parameter(description="as start; not part of the span")] = "now",
    step: Annotated[str | None, Parameter(description="as in 5m; without it, one value for the whole span")] = None,
    by: Annotated[str, Parameter(description="tags, agent or agent_type, separated by commas")] = "",
    where: Annotated[list[str] | None, Parameter(description="tag:value, may be repeated")] = None,
    agent: Annotated[str | None, Parameter(description="external id or UUID")] = None,
) -> AnswerBody:
    """Points reduced in steps. Steps begin at multiples of their length since 1970 (UTC), a day's at midnight; the
    first may begin before `start` and then holds only what came after it. Percentiles are nearest-rank; over spans
    of whole hours they are within 1 % of that."""
    now = deps.clock()
    agent_id = None if agent is None else _agent(agent)
    wanted = Query(
        metric=metric,
        reduce=reduce,
        start=parse_time(start, now=now, path="start"),
        end=parse_time(end, now=now, path="end"),
        step=None if step is None else parse_span(step, path="step"),
        by=tuple(dict.fromkeys(name.strip() for name in by.split(",") if name.strip())),
        where=_where([*(where or []), *([f"agent:{agent}"] if agent is not None and agent_id is None else [])]),
        agent_ids=None if agent_id is None else (agent_id,),
    )
    lines = await deps.series.query(principal.tenant_id, wanted)
    return AnswerBody(
        series=[
            LineBody(
                labels=dict(line.labels),
                points=[(at.timestamp(), value if math.isfinite(value) else None) for at, value in line.points],
            )
            for line in lines
        ]
    )


@router.get(
    "/metrics/latest",
    response_class=Response,
    responses={200: {"content": {media: {"schema": {"type": "string"}} for media in MEDIA}}},
)
async def scrape(
    request: Request,
    deps: Given,
    principal: Reader,
    agent: Annotated[list[str] | None, Parameter(description="external id, may be repeated")] = None,
    metric: Annotated[list[str] | None, Parameter(description="may be repeated")] = None,
    max_age: Annotated[str, Parameter(description="how old a value may be, up to a day")] = "5m",
) -> Response:
    """The newest value of every series of the tenant, for Prometheus to scrape: OpenMetrics, or its older text format.
    More than 10,000 series are refused: ask for some agents or metrics."""
    age = parse_span(max_age, path="max_age")
    if not timedelta(0) < age <= timedelta(days=1):
        raise InvalidInput("must be longer than nothing and at most 1d", path="max_age")
    wanted = LatestQuery(
        since=deps.clock() - age, agents=tuple(agent or ()), metrics=tuple(metric or ()), limit=LATEST_LIMIT
    )
    found = await deps.series.latest(principal.tenant_id, wanted)
    content, media = await asyncio.to_thread(exposed, found, request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": media})


class ExemplarBody(BaseModel):
    """A single measurement, and the trace and span that it was made in."""

    agent: str
    metric: str
    tags: dict[str, str]
    at: datetime
    value: float
    trace_id: str
    span_id: str | None
    attributes: dict[str, Any]


@router.get("/exemplars")
async def list_exemplars(
    deps: Given,
    principal: Reader,
    metric: Annotated[str, Parameter(min_length=1, max_length=200)],
    start: Annotated[str, Parameter(description="as in query")] = "-1h",
    end: Annotated[str, Parameter(description="as start; not part of the span")] = "now",
    where: Annotated[list[str] | None, Parameter(description="tag:value or agent:name, may be repeated")] = None,
    limit: Annotated[int, Parameter(ge=1, le=1000)] = 100,
) -> dict[str, list[ExemplarBody]]:
    """Exemplars of a metric, newest first: which traces its measurements were made in."""
    now = deps.clock()
    wanted = exemplars.Wanted(
        metric=metric,
        start=parse_time(start, now=now, path="start"),
        end=parse_time(end, now=now, path="end"),
        where=_where(where or []),
        limit=limit,
    )
    found = await exemplars.find(deps.db, principal.tenant_id, wanted)
    return {"items": [ExemplarBody(**asdict(one)) for one in found]}
