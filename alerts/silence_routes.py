"""`/api/v1/silences`: what people want to hear nothing of for a while, and a preview of what that would be."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from alerts import silences
from alerts.core.condition import ConditionError
from alerts.core.matchers import parse_scope
from alerts.muting_bodies import (
    MutedAlert,
    MutedTarget,
    PreviewAnswer,
    PreviewBody,
    SilenceAnswer,
    SilenceBody,
    SilencePatch,
)
from alerts.silences import SilenceState
from monitor.errors import Conflict, InvalidInput
from monitor.http.deps import Given, Reader, Responder
from monitor.http.etags import Match, check_match, etag
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.ids import uuid7

router = APIRouter(prefix="/api/v1/silences", tags=["alerts"])


@router.post("", status_code=201)
async def create_silence(deps: Given, principal: Responder, body: SilenceBody, response: Response) -> SilenceAnswer:
    """Withhold messages of the alerts that all matchers match, from now or `starts_at` on, until `ends_at`."""
    now = deps.clock()
    silence_id = uuid7(now)
    said: dict[str, Any] = {
        "matchers": matchers_of(body.matchers),
        "starts_at": body.starts_at or now,
        "ends_at": body.ends_at,
        "comment": body.comment,
    }
    _check_period(said["starts_at"], body.ends_at, now)
    values = {**said, "id": silence_id, "created_by": principal.actor, "created_at": now, "updated_at": now}
    async with deps.db.tenant(principal.tenant_id) as connection:
        await silences.insert_silence(connection, principal.tenant_id, values)
        resource = ("silence", str(silence_id))
        await deps.audit(connection, principal, "silence.created", resource=resource, new=_shown(said))
        return _one(await silences.get_silence(connection, principal.tenant_id, silence_id), now, response)


@router.get("")
async def list_silences(
    deps: Given, principal: Reader, limit: Limit = 100, cursor: Cursor = None, state: SilenceState | None = None
) -> Page[SilenceAnswer]:
    """Silences, newest first, those that have ended too."""
    now = deps.clock()
    key = decode(cursor, parts=1)
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await silences.list_silences(
            connection,
            principal.tenant_id,
            limit=limit,
            before=uuid_of(key[0]) if key else None,
            state=state,
            now=now,
        )
    found = page(rows, limit, lambda row: [str(row.id)])
    return Page[SilenceAnswer](items=[_answer(row, now) for row in found["items"]], next=found["next"])


@router.post("/preview")
async def preview(deps: Given, principal: Reader, body: PreviewBody, limit: Limit = 100) -> PreviewAnswer:
    """What matchers would withhold: which of the open alerts, and which rules for which agents."""
    matchers = _parse(body.matchers)
    async with deps.db.tenant(principal.tenant_id) as connection:
        alerts = await silences.open_alerts(connection, principal.tenant_id, matchers)
        targets, total = await silences.muted_targets(connection, principal.tenant_id, matchers, limit=limit)
    return PreviewAnswer(
        alerts=[MutedAlert.model_validate(row._mapping) for row in alerts[:limit]],
        alerts_total=len(alerts),
        targets=[MutedTarget.model_validate(one) for one in targets],
        targets_total=total,
    )


@router.get("/{silence_id}")
async def get_silence(deps: Given, principal: Reader, silence_id: UUID, response: Response) -> SilenceAnswer:
    """One silence."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await silences.get_silence(connection, principal.tenant_id, silence_id)
    return _one(row, deps.clock(), response)


@router.patch("/{silence_id}")
async def patch_silence(
    deps: Given,
    principal: Responder,
    silence_id: UUID,
    body: SilencePatch,
    response: Response,
    match: Match = None,
) -> SilenceAnswer:
    """Change a silence that has not ended; 409 for one that has."""
    now = deps.clock()
    sent = {name: value for name, value in body.model_dump(exclude_unset=True).items() if value is not None}
    if "matchers" in sent:
        sent["matchers"] = matchers_of(sent["matchers"])
    async with deps.db.tenant(principal.tenant_id) as connection:
        old = await silences.get_silence(connection, principal.tenant_id, silence_id, lock=True)
        check_match(old._mapping, match)
        if silences.state_of(old, now) is SilenceState.EXPIRED:
            raise Conflict("the silence has ended; make another one")
        _check_period(sent.get("starts_at", old.starts_at), sent.get("ends_at", old.ends_at), now)
        if sent:
            await silences.update_silence(connection, old, sent | {"updated_at": now})
            before = _shown({name: getattr(old, name) for name in sent})
            resource = ("silence", str(silence_id))
            await deps.audit(connection, principal, "silence.updated", resource=resource, old=before, new=_shown(sent))
        return _one(await silences.get_silence(connection, principal.tenant_id, silence_id), now, response)


@router.post("/{silence_id}/expire")
async def expire_silence(
    deps: Given, principal: Responder, silence_id: UUID, response: Response, match: Match = None
) -> SilenceAnswer:
    """End a silence now. It is kept, so that what it withheld can be explained; 409 for one that has ended."""
    now = deps.clock()
    async with deps.db.tenant(principal.tenant_id) as connection:
        old = await silences.get_silence(connection, principal.tenant_id, silence_id, lock=True)
        check_match(old._mapping, match)
        if silences.state_of(old, now) is SilenceState.EXPIRED:
            raise Conflict("the silence has ended already")
        ended = {"starts_at": min(old.starts_at, now), "ends_at": now, "expired_by": principal.actor}
        await silences.update_silence(connection, old, ended | {"updated_at": now})
        resource = ("silence", str(silence_id))
        await deps.audit(connection, principal, "silence.expired", resource=resource, new=_shown({"ends_at": now}))
        return _one(await silences.get_silence(connection, principal.tenant_id, silence_id), now, response)


def matchers_of(raw: Any, path: str = "matchers") -> list[str]:
    """Matchers as they are stored: each by itself, as Alertmanager writes it. Raises InvalidInput."""
    return [str(matcher) for matcher in _parse(raw, path)]


def _parse(raw: Any, path: str = "matchers") -> Any:
    try:
        return parse_scope(raw, path)
    except ConditionError as error:
        raise InvalidInput(error.message, path=error.path) from error


def _check_period(starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    if ends_at <= max(starts_at, now):
        raise InvalidInput("must be later than now and than starts_at", path="ends_at")


def _shown(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _answer(row: Any, now: datetime) -> SilenceAnswer:
    return SilenceAnswer.model_validate({**row._mapping, "state": silences.state_of(row, now)})


def _one(row: Any, now: datetime, response: Response) -> SilenceAnswer:
    response.headers["ETag"] = etag(row._mapping)
    return _answer(row, now)
