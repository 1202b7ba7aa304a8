"""Switches packs of rules on and off for a tenant, and brings them up to date with what is shipped.

A pack's rules are ordinary rows of `alert_configs`. What a rule was when the pack last made it stands beside it: who
edits or deletes a rule makes it their own, and the pack leaves it alone from then on.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts import configs, packs
from alerts.channels.apprise import check_services
from alerts.closing import close_rule
from alerts.core.condition import ConditionError
from alerts.core.vocabulary import CloseReason
from alerts.names import check_rule
from alerts.packs import Pack
from alerts.tables import AlertConfig, RulePack
from monitor.errors import InvalidInput, NotFound
from monitor.http.deps import Deps
from monitor.ids import uuid7
from monitor.principal import Principal, TenantStatus

_KEPT = (
    "selector", "name", "conditions", "timing", "channels", "severity", "labels", "runbook", "owner", "enabled",
)  # fmt: skip
_OUTDATED = text("""
    SELECT p.tenant_id, p.name, t.status FROM rule_packs p JOIN tenants t ON t.id = p.tenant_id
    WHERE p.digest <> (CAST(:shipped AS jsonb) ->> p.name) AND t.status <> 'deleted'
    ORDER BY p.tenant_id, p.name
""")


@dataclass(frozen=True, slots=True)
class PackRuleRow:
    """A rule of a pack as a tenant has it. `edited`: somebody has made it their own."""

    key: str
    id: UUID
    edited: bool
    row: Any


@dataclass(frozen=True, slots=True)
class Packing:
    """One change of one tenant's packs, in the caller's transaction. Every rule gets its version and its audit row."""

    deps: Deps
    connection: AsyncConnection
    principal: Principal
    now: datetime

    async def switch_on(self, pack: Pack, overrides: Mapping[str, Any]) -> None:
        """Make the pack's rules what it says with these overrides. The same again changes nothing.

        Raises InvalidInput with the path of a fault.
        """
        row = await find_pack(self.connection, self.principal.tenant_id, pack.name, lock=True)
        overrides = configs.with_secrets(dict(overrides), {} if row is None else row.overrides)
        wanted = packs.drafts(pack, overrides)
        await self._check(wanted)
        since = self.now if row is None else row.created_at
        if row is None or row.overrides != overrides or row.digest != pack.digest:
            await self._keep(pack, overrides)
            await self._record("switched_on" if row is None else "changed", pack.name, overrides)
        known = {one.pack_rule: one for one in await self._rules(pack.name, since)}
        for key, made in wanted.items():
            if key not in known:
                await self._insert(pack.name, key, made)
            elif known[key].deleted_at is None and not is_edited(known[key]):
                await self._update(known[key], made)
        for key, one in known.items():
            if key not in wanted and one.deleted_at is None and not is_edited(one):
                await self._delete(one)

    async def switch_off(self, name: str) -> None:
        """Delete the pack's rules, those that were edited too; their versions stay. Raises NotFound."""
        row = await find_pack(self.connection, self.principal.tenant_id, name, lock=True)
        if row is None:
            raise NotFound("this pack is not switched on")
        for one in await self._rules(name, row.created_at):
            if one.deleted_at is None:
                await self._delete(one)
        where = RulePack.tenant_id == self.principal.tenant_id, RulePack.name == name
        await self.connection.execute(delete(RulePack).where(*where))
        await self._record("switched_off", name, None)

    async def _check(self, wanted: Mapping[str, configs.Draft]) -> None:
        for key, made in wanted.items():
            await check_rule(self.connection, self.principal.tenant_id, made.rule)
            try:
                await check_services(made.rule.targets)
            except ConditionError as fault:
                raise InvalidInput(fault.message, path=f"rules.{key}.{fault.path}") from fault

    async def _keep(self, pack: Pack, overrides: Mapping[str, Any]) -> None:
        values = {"overrides": dict(overrides), "digest": pack.digest}
        made = upsert(RulePack).values(
            tenant_id=self.principal.tenant_id, name=pack.name, created_by=self.principal.actor,
            created_at=self.now, **values,
        )  # fmt: skip
        await self.connection.execute(
            made.on_conflict_do_update(index_elements=["tenant_id", "name"], set_=values | {"updated_at": self.now})
        )

    async def _rules(self, name: str, since: datetime) -> list[Any]:
        """The pack's rules, held; with those that somebody deleted since it is switched on."""
        query = (
            select(*AlertConfig.__table__.columns)
            .where(AlertConfig.tenant_id == self.principal.tenant_id, AlertConfig.pack == name)
            .where(AlertConfig.pack_base.is_not(None))
            .where(AlertConfig.deleted_at.is_(None) | (AlertConfig.deleted_at >= since))
            .order_by(AlertConfig.deleted_at.desc().nulls_last(), AlertConfig.id)
            .with_for_update(key_share=True)
        )
        return list((await self.connection.execute(query)).all())

    async def _insert(self, pack: str, key: str, made: configs.Draft) -> None:
        tenant_id, rule_id = self.principal.tenant_id, uuid7(self.now)
        await configs.insert_rule(self.connection, tenant_id, rule_id, made, actor=self.principal.actor, now=self.now)
        await self._mark(rule_id, {"pack": pack, "pack_rule": key, "pack_base": base_of(made)})
        await self._told(rule_id, "created")

    async def _update(self, row: Any, made: configs.Draft) -> None:
        changes = {name: value for name, value in made.columns.items() if value != getattr(row, name)}
        if not changes:
            return
        condition_changed = "conditions" in changes
        await configs.update_rule(self.connection, row, changes, condition_changed=condition_changed)
        await self._mark(row.id, {"pack_base": base_of(made)})
        await self._told(row.id, "updated", old=row)
        if condition_changed or not made.columns["enabled"]:
            reason = CloseReason.RULE_CHANGED if made.columns["enabled"] else CloseReason.RULE_DISABLED
            await self._close(row.id, reason)

    async def _delete(self, row: Any) -> None:
        gone = {"deleted_at": self.now, "pack_base": None}
        await configs.update_rule(self.connection, row, gone, condition_changed=False)
        await self._told(row.id, "deleted")
        await self._close(row.id, CloseReason.RULE_DELETED)

    async def _mark(self, rule_id: UUID, values: Mapping[str, Any]) -> None:
        where = AlertConfig.tenant_id == self.principal.tenant_id, AlertConfig.id == rule_id
        await self.connection.execute(update(AlertConfig).where(*where).values(dict(values)))

    async def _told(self, rule_id: UUID, verb: str, old: Any = None) -> None:
        """The version and the audit row of a change."""
        row = await configs.get_rule(self.connection, self.principal.tenant_id, rule_id, deleted=True)
        await configs.insert_version(self.connection, row, actor=self.principal.actor, now=self.now)
        await self.deps.audit(
            self.connection, self.principal, f"alert_config.{verb}", resource=("alert_config", str(rule_id)),
            old=None if old is None else _shown(old), new=_shown(row) | {"pack": row.pack, "pack_rule": row.pack_rule},
        )  # fmt: skip

    async def _close(self, rule_id: UUID, reason: CloseReason) -> None:
        await close_rule(
            self.connection, self.principal.tenant_id, rule_id, reason, actor=self.principal.actor, now=self.now,
            public_url=self.deps.settings.public_url,
        )  # fmt: skip

    async def _record(self, verb: str, name: str, overrides: Mapping[str, Any] | None) -> None:
        new = None if overrides is None else configs.without_secrets(dict(overrides))
        await self.deps.audit(
            self.connection, self.principal, f"rule_pack.{verb}", resource=("rule_pack", name), new=new
        )


def base_of(made: configs.Draft) -> dict[str, Any]:
    """A rule as its pack makes it, to be held against what it is later."""
    return {name: made.columns[name] for name in _KEPT}


def is_edited(row: Any) -> bool:
    """Whether somebody has changed a rule since its pack made it."""
    return row.agent_id is not None or any(getattr(row, name) != row.pack_base[name] for name in _KEPT)


async def find_pack(connection: AsyncConnection, tenant_id: UUID, name: str, *, lock: bool = False) -> Any:
    """The row of a pack that is switched on, or None."""
    query = select(*RulePack.__table__.columns).where(RulePack.tenant_id == tenant_id, RulePack.name == name)
    return (await connection.execute(query.with_for_update() if lock else query)).one_or_none()


async def list_packed(connection: AsyncConnection, tenant_id: UUID) -> dict[str, tuple[Any, list[PackRuleRow]]]:
    """The packs that are switched on, by name, each with its rules."""
    rows = (await connection.execute(select(*RulePack.__table__.columns).where(RulePack.tenant_id == tenant_id))).all()
    found: dict[str, tuple[Any, list[PackRuleRow]]] = {row.name: (row, []) for row in rows}
    query = (
        select(*AlertConfig.__table__.columns)
        .where(AlertConfig.tenant_id == tenant_id, AlertConfig.pack.is_not(None), AlertConfig.deleted_at.is_(None))
        .order_by(AlertConfig.id)
    )
    for row in await connection.execute(query):
        if row.pack in found:
            found[row.pack][1].append(PackRuleRow(row.pack_rule, row.id, is_edited(row), row))
    return found


async def renew(deps: Deps, now: datetime) -> int:
    """Bring every tenant's packs up to date with what is shipped; returns how many were behind."""
    digests = {name: pack.digest for name, pack in packs.shipped().items()}
    async with deps.db.alerter() as connection:
        outdated = (await connection.execute(_OUTDATED, {"shipped": json.dumps(digests)})).all()
    for row in outdated:
        principal = Principal(row.tenant_id, TenantStatus(row.status), frozenset())
        async with deps.db.tenant(row.tenant_id) as connection:
            kept = await find_pack(connection, row.tenant_id, row.name)
            if kept is not None:
                await Packing(deps, connection, principal, now).switch_on(packs.find(row.name), kept.overrides)
    return len(outdated)


def _shown(row: Any) -> dict[str, Any]:
    return {name: configs.without_secrets(getattr(row, name)) for name in _KEPT}
