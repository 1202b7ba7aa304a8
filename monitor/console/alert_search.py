"""Which alerts the list shows: filters as they stand in the query string, and the rows that pass them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts import responses
from alerts.core.vocabulary import AlertStatus, Severity
from alerts.tables import Alert, AlertConfig
from monitor.agents.tables import Agent
from monitor.errors import InvalidInput
from monitor.http.paging import decode, encode
from monitor.http.problems import uuid_of
from monitor.series.routes import parse_time

UNRESOLVED, ALL = "unresolved", "all"
STATUSES = (UNRESOLVED, *map(str, AlertStatus), ALL)
SEVERITIES = tuple(map(str, Severity))
A_PAGE = 50
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Search:
    """Filters; the empty text: any. `rule`: an id or part of a name; `q`: part of rule, agent or summary.

    `since` and `until` bound when it fired: RFC 3339, or relative as in -2h.
    """

    status: str = UNRESOLVED
    severity: str = ""
    rule: str = ""
    agent: str = ""
    q: str = ""
    since: str = ""
    until: str = ""

    @property
    def narrowed(self) -> bool:
        """Whether anything is left out that is not resolved."""
        return self != Search()

    def address(self, **more: str) -> str:
        """The list's address with these filters, and with what is named beside them."""
        given = {name: getattr(self, name) for name in self.__dataclass_fields__} | more
        said = {name: value for name, value in given.items() if value and (name, value) != ("status", UNRESOLVED)}
        return "/alerts" + (f"?{urlencode(said)}" if said else "")


@dataclass(frozen=True, slots=True)
class Found:
    """A page of alerts. `next`: the cursor of the page after it."""

    alerts: Sequence[Any]
    next: str | None


def search_of(given: Mapping[str, str]) -> Search:
    """The filters in a query string; what is not one of them is left alone. Raises InvalidInput."""
    asked = {name: given.get(name, "").strip()[:_LONGEST] for name in Search.__dataclass_fields__}
    found = Search(**{**asked, "status": asked["status"] or UNRESOLVED})
    for name, known in (("status", STATUSES), ("severity", ("", *SEVERITIES))):
        if getattr(found, name) not in known:
            raise InvalidInput(f"must be one of {', '.join(one for one in known if one)}", path=name)
    return found


async def find_alerts(
    connection: AsyncConnection, tenant_id: UUID, search: Search, *, now: datetime, cursor: str | None
) -> Found:
    """A page of the alerts that pass, the newest first. Raises InvalidInput, and Unreadable for a foreign cursor."""
    key = decode(cursor, parts=1)
    rows = await responses.list_alerts(
        connection,
        tenant_id,
        limit=A_PAGE,
        before=uuid_of(key[0]) if key else None,
        status=AlertStatus(search.status) if search.status in set(AlertStatus) else None,
        where=_conditions(search, now),
    )
    shown = rows[:A_PAGE]
    return Found(shown, encode([str(shown[-1].id)]) if len(rows) > A_PAGE else None)


async def has_rule(connection: AsyncConnection, tenant_id: UUID, config_id: UUID | None) -> bool:
    """Whether the rule of an alert is still there to be looked at."""
    query = select(AlertConfig.id).where(AlertConfig.tenant_id == tenant_id, AlertConfig.id == config_id)
    return (await connection.execute(query.where(AlertConfig.deleted_at.is_(None)))).first() is not None


def _conditions(search: Search, now: datetime) -> list[ColumnElement[bool]]:
    made: list[ColumnElement[bool]] = []
    if search.status == UNRESOLVED:
        made.append(Alert.status != str(AlertStatus.RESOLVED))
    if search.severity:
        made.append(Alert.severity == search.severity)
    if search.rule:
        rule_id = uuid_of(search.rule)
        made.append(
            Alert.rule.icontains(search.rule, autoescape=True) if rule_id is None else Alert.config_id == rule_id
        )
    if search.agent:
        made.append(Agent.external_id == search.agent)
    if search.q:
        texts = (Alert.rule, Agent.external_id, func.jsonb_extract_path_text(Alert.details, "summary"))
        made.append(or_(*(one.icontains(search.q, autoescape=True) for one in texts)))
    if search.since:
        made.append(Alert.triggered_at >= parse_time(search.since, now=now, path="since"))
    if search.until:
        made.append(Alert.triggered_at < parse_time(search.until, now=now, path="until"))
    return made
