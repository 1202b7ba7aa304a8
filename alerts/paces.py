"""What is held back for each target: read under lock, stepped by `alerts.core.pacing`, and saved."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.condition import ConditionError
from alerts.core.grouping import Telling
from alerts.core.pace import Held, Outgoing, Pace, Pacing
from alerts.core.pacing import pace
from alerts.core.targets import Target, parse_channels
from alerts.core.vocabulary import ChannelKind
from alerts.directory import Directory, read_directory
from alerts.leases import IN_SHARDS, given
from alerts.pace_json import pace_from_json, pace_to_json
from alerts.settings import read_settings
from alerts.settings_bodies import AlertSettings
from monitor import arrays
from monitor.ids import uuid7

_MAKE = text("""
    INSERT INTO paces (tenant_id, channel, target)
    SELECT * FROM unnest(CAST(:tenants AS uuid[]), CAST(:channels AS text[]), CAST(:targets AS text[]))
    ON CONFLICT DO NOTHING
""")
_LOCK = text("""
    SELECT p.* FROM paces p
    WHERE (p.tenant_id, p.channel, p.target) IN (
            SELECT * FROM unnest(CAST(:tenants AS uuid[]), CAST(:channels AS text[]), CAST(:targets AS text[])))
       OR (p.due_at <= :due AND p.tenant_id = ANY (:of))
    ORDER BY p.tenant_id, p.channel, p.target
    FOR UPDATE
""")
_DUE = text(f"SELECT DISTINCT tenant_id FROM paces WHERE due_at <= :now AND {IN_SHARDS.format(tenant_id='tenant_id')}")
_SAVE = text("""
    UPDATE paces p SET state = u.state::jsonb, due_at = u.due_at, secret = u.secret
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:channels AS text[]), CAST(:targets AS text[]),
                CAST(:states AS text[]), CAST(:due AS timestamptz[]), CAST(:secrets AS text[]))
        AS u (tenant_id, channel, target, state, due_at, secret)
    WHERE p.tenant_id = u.tenant_id AND p.channel = u.channel AND p.target = u.target
""")
_ENDED = text("""
    SELECT id FROM alerts WHERE tenant_id = ANY (:tenants) AND id = ANY (:ids) AND resolved_at IS NOT NULL
""")

Key = tuple[UUID, ChannelKind, str]
"""A target of a tenant, whatever its secret."""


class Muted(msgspec.Struct, frozen=True):
    """An alert that something withholds from a target of a tenant."""

    tenant_id: UUID
    target: Target
    alert_id: UUID


class Addressed(msgspec.Struct, frozen=True):
    """A message and whom it is for."""

    tenant_id: UUID
    target: Target
    message: Outgoing


@dataclass(slots=True)
class _Row:
    """One target's part in this pass."""

    target: Target
    before: Pace
    stored: bool
    tellings: list[Telling]
    muted: list[UUID]


async def step_paces(
    connection: AsyncConnection,
    tellings: Sequence[Telling],
    muted: Sequence[Muted] = (),
    *,
    now: datetime,
    due_of: Iterable[UUID] = (),
) -> tuple[list[Addressed], list[Held]]:
    """What goes out now, of what is to be told and of what was held back; and what is held back from now on.

    `due_of`: tenants whose held messages are told now, where their time has come. Commits with the caller.
    """
    settings = await read_settings(connection, {one.notice.tenant_id for one in tellings})
    rows = await _lock(connection, tellings, muted, settings, now=now, due_of=sorted(set(due_of)))
    missing = {tenant_id for tenant_id, _, _ in rows} - {one.notice.tenant_id for one in tellings}
    settings |= await read_settings(connection, missing) if missing else {}
    directory = Directory()
    if any(one.digest for one in settings.values()):
        directory = await read_directory(connection, settings, now=now)
    ended = await _ended(connection, rows)
    going: list[Addressed] = []
    held: list[Held] = []
    changed: dict[Key, tuple[_Row, Pace]] = {}
    for key, row in rows.items():
        asked = pacing_for(settings.get(key[0]), directory, key[0], row.target)
        paced = pace(row.before, row.tellings, asked, now=now, new_id=lambda: uuid7(now), muted=row.muted, ended=ended)
        going += [Addressed(key[0], row.target, message) for message in paced.messages]
        held += paced.held
        if row.stored and paced.pace != row.before:
            changed[key] = (row, paced.pace)
    await _save(connection, changed)
    return going, held


async def due_tenants(connection: AsyncConnection, shards: Collection[int], *, now: datetime) -> list[UUID]:
    """Tenants in these shards that have held messages whose time has come."""
    return list((await connection.execute(_DUE, {"now": now, "shards": given(shards)})).scalars())


def pacing_for(settings: AlertSettings | None, directory: Directory, tenant_id: UUID, target: Target) -> Pacing:
    """What a tenant asks for, for one target. A digest's named channels are looked up in the directory."""
    # An incoming webhook of Slack posts anew each time.
    edits = target.kind is ChannelKind.SLACK and not target.address.startswith("http")
    if settings is None:
        return Pacing(edits=edits)
    every = [
        one.every
        for one in settings.digest
        for each in _resolve(directory, tenant_id, one.channels)
        if (each.kind, each.address) == (target.kind, target.address)
    ]
    asked = Pacing(digest=min(every, default=None), budget=settings.budget, edits=edits)
    if (group := settings.group) is None:
        return asked
    return replace(asked, wait=group.wait, interval=group.interval, except_critical=group.except_critical)


def _resolve(directory: Directory, tenant_id: UUID, raw: Mapping[str, Any]) -> list[Target]:
    try:
        return directory.resolve(tenant_id, parse_channels(raw))
    except ConditionError:
        # Checked when it was set; what another release wrote digests nothing.
        return []


async def _lock(
    connection: AsyncConnection,
    tellings: Sequence[Telling],
    muted: Sequence[Muted],
    settings: Mapping[UUID, AlertSettings],
    *,
    now: datetime,
    due_of: Sequence[UUID],
) -> dict[Key, _Row]:
    """The rows of all that takes part, in one order for all who lock them; targets without pacing have none."""
    targets: dict[Key, Target] = {}
    for target, key in ((one.notice.target, _key(one.notice.tenant_id, one.notice.target)) for one in tellings):
        # What follows an earlier message goes the way of its group and brings no secret; what begins now needs it.
        if key not in targets or targets[key].secret is None:
            targets[key] = target
    asked = sorted(key for key in targets if key[0] in settings and settings[key[0]].paced)
    if asked:
        await connection.execute(_MAKE, _columns(asked))
    touched = sorted({*targets, *(_key(one.tenant_id, one.target) for one in muted)})
    found = await connection.execute(_LOCK, _columns(touched) | {"due": now, "of": list(due_of)})
    rows: dict[Key, _Row] = {}
    for row in found:
        key = (row.tenant_id, ChannelKind(row.channel), row.target)
        given = targets.get(key)
        secret = given.secret if given is not None and given.secret is not None else row.secret
        target = Target(key[1], key[2], secret)
        rows[key] = _Row(target, pace_from_json(row.state, row.tenant_id, target), True, [], [])
    for telling in tellings:
        key = _key(telling.notice.tenant_id, telling.notice.target)
        rows.setdefault(key, _Row(targets[key], Pace(), False, [], [])).tellings.append(telling)
    for one in muted:
        if (key := _key(one.tenant_id, one.target)) in rows:
            rows[key].muted.append(one.alert_id)
    return rows


async def _ended(connection: AsyncConnection, rows: Mapping[Key, _Row]) -> frozenset[UUID]:
    """Of the alerts that groups have to tell for the first time, those that are over: all of the group's own tenant."""
    waiting = {(key[0], alert_id) for key, row in rows.items() for alert_id in row.before.waiting}
    if not waiting:
        return frozenset()
    given = {"tenants": sorted({one for one, _ in waiting}), "ids": sorted({one for _, one in waiting})}
    return frozenset((await connection.execute(_ENDED, given)).scalars())


async def _save(connection: AsyncConnection, changed: Mapping[Key, tuple[_Row, Pace]]) -> None:
    if changed:
        given = {
            "states": arrays.jsons(pace_to_json(after) for _, after in changed.values()),
            "due": arrays.moments([after.due_at for _, after in changed.values()]),
            "secrets": arrays.texts([row.target.secret for row, _ in changed.values()]),
        }
        await connection.execute(_SAVE, _columns(list(changed)) | given)


def _key(tenant_id: UUID, target: Target) -> Key:
    return tenant_id, target.kind, target.address


def _columns(keys: Sequence[Key]) -> dict[str, Any]:
    return {
        "tenants": arrays.uuids([tenant_id for tenant_id, _, _ in keys]),
        "channels": arrays.texts([kind for _, kind, _ in keys]),
        "targets": arrays.texts([address for _, _, address in keys]),
    }
