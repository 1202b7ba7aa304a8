"""`/api/v1/alerts`: episodes, their timelines, and what people do about them."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from alerts import responses
from alerts.bodies import AcknowledgeBody, AlertAnswer, CommentBody, EventAnswer, ResolveBody, SnoozeBody
from alerts.core.vocabulary import AlertStatus
from alerts.responses import By
from alerts.rule_routes import find_agent
from monitor.http.deps import Deps, Given, Reader, Responder
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.principal import Principal

_INNER = ("withheld", "muting", "waiting", "acknowledged_severity")


router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])


@router.get("")
async def list_alerts(
    deps: Given,
    principal: Reader,
    limit: Limit = 100,
    cursor: Cursor = None,
    status: AlertStatus | None = None,
    agent: str | None = None,
    config_id: UUID | None = None,
) -> Page[AlertAnswer]:
    """Alerts, newest first."""
    key = decode(cursor, parts=1)
    async with deps.db.tenant(principal.tenant_id) as connection:
        agent_id = None
        if agent is not None and (agent_id := await find_agent(connection, principal.tenant_id, agent)) is None:
            return Page[AlertAnswer](items=[], next=None)
        rows = await responses.list_alerts(
            connection,
            principal.tenant_id,
            limit=limit,
            before=uuid_of(key[0]) if key else None,
            status=status,
            agent_id=agent_id,
            config_id=config_id,
        )
    found = page(rows, limit, lambda row: [str(row.id)])
    return Page[AlertAnswer](items=[_answer(row) for row in found["items"]], next=found["next"])


@router.get("/{alert_id}")
async def get_alert(deps: Given, principal: Reader, alert_id: UUID) -> AlertAnswer:
    """One alert."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return _answer(await responses.get_alert(connection, principal.tenant_id, alert_id))


@router.get("/{alert_id}/timeline")
async def get_timeline(deps: Given, principal: Reader, alert_id: UUID) -> dict[str, list[EventAnswer]]:
    """All that happened to an alert, oldest first: transitions, messages and what was withheld, people."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await responses.list_events(connection, principal.tenant_id, alert_id)
    return {"items": [EventAnswer.model_validate(row._mapping) for row in rows]}


@router.post("/{alert_id}/acknowledge")
async def acknowledge(
    deps: Given, principal: Responder, alert_id: UUID, body: AcknowledgeBody | None = None
) -> AlertAnswer:
    """Stop repeats and escalation for a while: somebody has it. Once more without a body changes nothing."""
    asked = body or AcknowledgeBody()
    async with deps.db.tenant(principal.tenant_id) as connection:
        by = by_of(deps, principal)
        await responses.acknowledge(connection, by, alert_id, until=asked.until, said=asked.comment)
        return _answer(await responses.get_alert(connection, principal.tenant_id, alert_id))


@router.post("/{alert_id}/snooze")
async def snooze(deps: Given, principal: Responder, alert_id: UUID, body: SnoozeBody) -> AlertAnswer:
    """Say nothing about an alert until then; `null` ends a snooze."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        by = by_of(deps, principal)
        await responses.snooze(connection, by, alert_id, until=body.until, said=body.comment)
        return _answer(await responses.get_alert(connection, principal.tenant_id, alert_id))


@router.post("/{alert_id}/resolve")
async def resolve(deps: Given, principal: Responder, alert_id: UUID, body: ResolveBody | None = None) -> AlertAnswer:
    """Close an alert by hand."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        said = body.comment if body else None
        await responses.resolve(connection, by_of(deps, principal), alert_id, said=said)
        return _answer(await responses.get_alert(connection, principal.tenant_id, alert_id))


@router.post("/{alert_id}/comment", status_code=201)
async def comment(deps: Given, principal: Responder, alert_id: UUID, body: CommentBody) -> dict[str, list[EventAnswer]]:
    """Add a comment; answers with the timeline."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        await responses.comment(connection, by_of(deps, principal), alert_id, body.comment)
        rows = await responses.list_events(connection, principal.tenant_id, alert_id)
    return {"items": [EventAnswer.model_validate(row._mapping) for row in rows]}


def by_of(deps: Deps, principal: Principal) -> By:
    """Who responds now."""
    return By(principal, deps.clock(), deps.audit, deps.settings.public_url)


def _answer(row: Any) -> AlertAnswer:
    shown = {name: value for name, value in row.details.items() if name not in _INNER and value is not None}
    return AlertAnswer.model_validate({**row._mapping, "details": shown})
