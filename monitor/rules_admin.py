"""What the commands on rules do, against the database that is installed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from alerts import configs
from alerts.backtest.report import report_text
from alerts.backtest.run import Question, backtest, question_of
from alerts.core.rule import parse_rule
from alerts.drill import Arrival, results, start
from alerts.rule_files import Imported, import_rules, read_file, stored_rules, write_file
from alerts.rule_routes import find_agent
from monitor import compose
from monitor.administration import tenant_of
from monitor.errors import InvalidInput
from monitor.http.deps import Deps
from monitor.http.problems import uuid_of
from monitor.http.window import window_of
from monitor.principal import Principal, Scope, TenantStatus
from monitor.settings import Settings
from monitor.zones import zone_of

_LOOK_EVERY = 0.5
_SECONDS = 120.0
"""How long one rule is looked back at: nobody's request waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be looked back at: rules of a document, or a stored one by its id."""

    tenant: str
    document: str | None
    rule: str | None
    since: str
    time_zone: str


async def export(settings: Settings, tenant: str) -> tuple[str, int]:
    """The document of a tenant's rules, and their number."""
    async with _deps(settings, tenant) as (deps, tenant_id):
        rules = await stored_rules(deps, tenant_id)
    return write_file(rules), len(rules)


async def bring_in(settings: Settings, tenant: str, document: str) -> Imported:
    """Make and change rules. Raises InvalidInput."""
    file = read_file(document)
    async with _deps(settings, tenant) as (deps, tenant_id):
        operator = Principal(tenant_id, TenantStatus.ACTIVE, frozenset([Scope.ADMIN]))
        return await import_rules(deps, operator, file)


async def look_back(settings: Settings, asked: Asked) -> list[str]:
    """What each rule would have done, in lines."""
    span, zone = window_of(asked.since), zone_of(asked.time_zone, path="time_zone")
    tick = timedelta(seconds=settings.evaluation_interval)
    lines: list[str] = []
    async with _deps(settings, asked.tenant) as (deps, tenant_id):
        now = deps.clock()
        for question in await _questions(deps, tenant_id, asked, start=now - span, end=now, tick=tick):
            told = await backtest(deps.db, deps.series, replace(question, zone=zone, seconds=_SECONDS))
            said = report_text(told)
            lines += [f"{question.name}: {said[0]}", *said[1:]]
    return lines


async def drill(settings: Settings, tenant: str, *, wait: float) -> list[Arrival]:
    """Start a drill and follow it, as far as it gets in `wait` seconds: the alerter that runs sends it."""
    async with _deps(settings, tenant) as (deps, tenant_id):
        async with deps.db.alerter() as connection:
            ids = await start(connection, tenant_id, now=deps.clock(), public_url=settings.public_url)
        ends = deps.clock() + timedelta(seconds=wait)
        while True:
            async with deps.db.alerter() as connection:
                arrivals = await results(connection, tenant_id, ids)
            if all(one.seconds is not None for one in arrivals) or deps.clock() >= ends:
                return arrivals
            await asyncio.sleep(_LOOK_EVERY)


async def _questions(
    deps: Deps, tenant_id: UUID, asked: Asked, *, start: datetime, end: datetime, tick: timedelta
) -> list[Question]:
    async with deps.db.tenant(tenant_id) as connection:
        if asked.document is None:
            rule_id = uuid_of(asked.rule or "")
            if rule_id is None:
                raise InvalidInput("must be the id of a rule", path="rule")
            row = await configs.get_rule(connection, tenant_id, rule_id)
            return [question_of(row, start=start, end=end, tick=tick)]
        found = []
        for raw in read_file(asked.document).rules:
            agent_id = None
            if raw.get("agent") is not None:
                agent_id = await find_agent(connection, tenant_id, raw["agent"])
                if agent_id is None:
                    raise InvalidInput(f"there is no agent {raw['agent']!r}")
            given = {name: value for name, value in raw.items() if value is not None}
            question = Question(
                tenant_id=tenant_id,
                rule=parse_rule(given, tick=tick, shown=True),
                name=raw["name"],
                start=start,
                end=end,
                tick=tick,
                agent_id=agent_id,
                selector=raw.get("selector"),
            )
            found.append(question)
        return found


@asynccontextmanager
async def _deps(settings: Settings, tenant: str) -> AsyncIterator[tuple[Deps, UUID]]:
    async with compose.database(settings) as db:
        async with db.owner() as owner:
            tenant_id = (await tenant_of(owner, tenant)).id
        deps = compose.make_deps(settings, db)
        try:
            yield deps, tenant_id
        finally:
            await deps.live.close()
            await deps.series.close()
