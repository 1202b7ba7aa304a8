"""`/api/v1/channels`: a tenant's named channels, and the fallback for whatever names none."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.bodies import ChannelAnswer, ChannelBody, ChannelPatch, TestAnswer
from alerts.channels.apprise import check_services
from alerts.configs import check_storable, with_secrets, without_secrets
from alerts.core.condition import ConditionError
from alerts.core.covering import cover, is_secret_address, unseal
from alerts.core.targets import Channels, Target, channels_to_json, parse_channels, target_of
from alerts.core.vocabulary import ChannelKind
from alerts.names import check_channels
from alerts.tables import ChannelRow
from alerts.testing import queue_channel_test
from monitor.errors import InvalidInput, NotFound
from monitor.http.deps import Deps, Given, Reader, Writer
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.ids import uuid7
from monitor.named import Named, refuse_named
from monitor.sealing import TARGETS, Ring

_FALLBACK = text("SELECT fallback_channel FROM tenants WHERE id = :tenant_id")
_SET_FALLBACK = text("UPDATE tenants SET fallback_channel = CAST(:raw AS jsonb) WHERE id = :tenant_id")


router = APIRouter(prefix="/api/v1/channels", tags=["alerts"])


@router.get("/fallback")
async def get_fallback(deps: Given, principal: Reader) -> dict[str, Any]:
    """Where messages go that have nowhere else to go; {} when that is nowhere."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        raw = await connection.execute(_FALLBACK, {"tenant_id": principal.tenant_id})
    return {**without_secrets(raw.scalar() or {})}


@router.put("/fallback")
async def put_fallback(deps: Given, principal: Writer, body: dict[str, Any]) -> dict[str, Any]:
    """Set the fallback: `{"email": …}`, `{"slack": …}`, `{"webhook": …}` or `{"channel": name}`."""
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        old = (await connection.execute(_FALLBACK, {"tenant_id": tenant_id})).scalar()
        channels = _parse(with_secrets(body, old or {}))
        if not channels:
            raise InvalidInput("must name somebody", path="channels")
        await check_channels(connection, tenant_id, [channels])
        await _check_services(channels)
        new = channels_to_json(channels)
        stored = {"tenant_id": tenant_id, "raw": json.dumps(new)}
        await connection.execute(_SET_FALLBACK, stored)
        shown = without_secrets(new)
        await deps.audit(connection, principal, "channel.fallback_set", resource=("tenant", str(tenant_id)), new=shown)
    return {**shown}


@router.post("", status_code=201)
async def create_channel(deps: Given, principal: Writer, body: ChannelBody) -> ChannelAnswer:
    """Name a channel, for rules to use as `{"channel": name}`."""
    target = await _checked(body.kind, body.target, body.secret)
    row = {
        "tenant_id": principal.tenant_id, "id": uuid7(deps.clock()), "name": body.name,
        "kind": str(target.kind), "target": target.address,
        "secret": _ring(deps).keep(target.secret, tenant_id=principal.tenant_id, place=TARGETS),
    }  # fmt: skip
    async with deps.db.tenant(principal.tenant_id) as connection:
        await connection.execute(insert(ChannelRow).values(**row))
        await deps.audit(connection, principal, "channel.created", resource=("channel", str(row["id"])), new=_said(row))
        return _answer(deps, await _get(connection, principal.tenant_id, str(row["id"])))


@router.get("")
async def list_channels(
    deps: Given, principal: Reader, limit: Limit = 100, cursor: Cursor = None
) -> Page[ChannelAnswer]:
    """Named channels, by name."""
    key = decode(cursor, parts=1)
    query = _select(principal.tenant_id).order_by(ChannelRow.name).limit(limit + 1)
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = (await connection.execute(query.where(ChannelRow.name > key[0]) if key else query)).all()
    found = page(rows, limit, lambda row: [row.name])
    return Page[ChannelAnswer](items=[_answer(deps, row) for row in found["items"]], next=found["next"])


@router.get("/{channel}")
async def get_channel(deps: Given, principal: Reader, channel: str) -> ChannelAnswer:
    """One channel, by id or name."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return _answer(deps, await _get(connection, principal.tenant_id, channel))


@router.post("/{channel}/test", status_code=202)
async def test_channel(deps: Given, principal: Writer, channel: str) -> TestAnswer:
    """Send a real message, marked TEST, through a channel; its outcome is among the messages on the first page."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await _get(connection, principal.tenant_id, channel)
        target = target_of(ChannelKind(row.kind), row.target, row.secret)
        await queue_channel_test(
            connection,
            principal.tenant_id,
            row.name,
            target,
            now=deps.clock(),
            public_url=deps.settings.public_url,
        )
        await deps.audit(connection, principal, "channel.tested", resource=("channel", str(row.id)))
    return TestAnswer(targets=[{"channel": str(target.kind), "target": target.address}])


@router.patch("/{channel}")
async def patch_channel(deps: Given, principal: Writer, channel: str, body: ChannelPatch) -> ChannelAnswer:
    """Change a channel; rules that name it send there from now on."""
    sent = body.model_dump(mode="json", exclude_unset=True)
    async with deps.db.tenant(principal.tenant_id) as connection:
        old = await _get(connection, principal.tenant_id, channel)
        new = {name: sent.get(name, getattr(old, name)) for name in ("name", "kind", "target")}
        # An address that is a secret stays where what is shown of it is sent back, or nothing is.
        address, signing = unseal(old.target, _revealed(deps, old))
        new["target"] = address if new["target"] in (old.target, cover(address)) else new["target"]
        new["secret"] = sent.get("secret", signing if new["kind"] == ChannelKind.WEBHOOK else None)
        target = await _checked(ChannelKind(new["kind"]), new["target"], new["secret"])
        stored = _ring(deps).keep(target.secret, tenant_id=principal.tenant_id, place=TARGETS)
        new |= {"target": target.address, "secret": stored}
        if new["name"] != old.name:
            await refuse_named(connection, principal.tenant_id, Named.CHANNEL, old.name)
        await connection.execute(update(ChannelRow).where(ChannelRow.id == old.id).values(**new))
        shown = {name: new[name] for name in sent if name != "secret"}
        await deps.audit(connection, principal, "channel.updated", resource=("channel", str(old.id)), new=shown)
        return _answer(deps, await _get(connection, principal.tenant_id, str(old.id)))


@router.delete("/{channel}", status_code=204)
async def delete_channel(deps: Given, principal: Writer, channel: str) -> None:
    """Delete a channel that nothing names any more; 409 otherwise."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        old = await _get(connection, principal.tenant_id, channel)
        await refuse_named(connection, principal.tenant_id, Named.CHANNEL, old.name)
        await connection.execute(delete(ChannelRow).where(ChannelRow.id == old.id))
        await deps.audit(connection, principal, "channel.deleted", resource=("channel", str(old.id)))


def _select(tenant_id: UUID) -> Any:
    return select(*ChannelRow.__table__.columns).where(ChannelRow.tenant_id == tenant_id)


async def _get(connection: AsyncConnection, tenant_id: UUID, key: str) -> Any:
    channel_id = uuid_of(key)
    where = ChannelRow.name == key if channel_id is None else ChannelRow.id == channel_id
    row = (await connection.execute(_select(tenant_id).where(where))).first()
    if row is None:
        raise NotFound("there is no such channel")
    return row


async def _checked(kind: ChannelKind, target: str, secret: str | None) -> Target:
    """What is stored of a channel that somebody names."""
    if secret is not None and kind is not ChannelKind.WEBHOOK:
        raise InvalidInput("only a webhook has a secret", path="secret")
    try:
        (parsed,) = parse_channels({str(kind): target}, "target").targets
        if secret is not None:
            parsed = target_of(kind, unseal(parsed.address, parsed.secret)[0], secret)
        await check_services([parsed])
    except ConditionError as error:
        raise InvalidInput(error.message, path="target") from error
    return parsed


def _parse(raw: Any) -> Channels:
    try:
        check_storable(raw)
        return parse_channels(raw, "channels")
    except ConditionError as error:
        raise InvalidInput(error.message, path=error.path) from error


async def _check_services(channels: Channels) -> None:
    try:
        await check_services(channels.targets)
    except ConditionError as error:
        raise InvalidInput(error.message, path=error.path) from error


def _said(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("name", "kind", "target")}


def _ring(deps: Deps) -> Ring:
    return Ring(deps.settings.secret_keys)


def _revealed(deps: Deps, row: Any) -> str | None:
    return _ring(deps).reveal(row.secret, tenant_id=row.tenant_id, place=TARGETS)


def _answer(deps: Deps, row: Any) -> ChannelAnswer:
    address, signing = unseal(row.target, _revealed(deps, row))
    signed = signing is not None and row.kind == ChannelKind.WEBHOOK
    # What an earlier release stored is not covered yet.
    shown = cover(address) if is_secret_address(ChannelKind(row.kind), row.target) else row.target
    return ChannelAnswer.model_validate({**row._mapping, "target": shown, "signed": signed})
