"""`/api/v1/rule-packs`: rules that are shipped, to be switched on whole."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from alerts import configs, packs
from alerts.core.vocabulary import Severity
from alerts.packing import Packing, PackRuleRow, list_packed
from alerts.packs import Pack
from monitor.http.deps import Given, Reader, Writer

router = APIRouter(prefix="/api/v1/rule-packs", tags=["alerts"])


class RuleOverrides(BaseModel):
    """What one rule of a pack is to have otherwise. `conditions` is laid over the shipped one, field by field."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool | None = None
    severity: Severity | None = None
    conditions: dict[str, Any] | None = None
    channels: Any = None
    hold_for: Any = Field(default=None, alias="for")
    keep_firing_for: Any = None
    repeat: Any = None
    escalate: Any = None
    flapping: Any = None
    labels: Any = None


class PackBody(BaseModel):
    """What the rules of a pack are to have otherwise: all of them, and one of them by its key."""

    model_config = ConfigDict(extra="forbid")

    selector: dict[str, Any] | None = None
    channels: Any = Field(default=None, description="nobody named: the tenant's fallback channel")
    severity: Severity | None = None
    repeat: Any = None
    rules: dict[str, RuleOverrides] = {}


class PackRuleAnswer(BaseModel):
    """A rule of a pack. `config_id` and `edited` where it is switched on; the rest as it is, or would be."""

    key: str
    name: str
    severity: Severity
    conditions: dict[str, Any]
    enabled: bool
    config_id: UUID | None
    edited: bool


class PackAnswer(BaseModel):
    """A pack and whether it is switched on. A rule that is not there was deleted by somebody, or is not any more."""

    name: str
    title: str
    about: str
    switched_on: bool
    since: datetime | None
    overrides: dict[str, Any]
    rules: list[PackRuleAnswer]


@router.get("")
async def list_packs(deps: Given, principal: Reader) -> dict[str, list[PackAnswer]]:
    """All packs, switched on or not."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        found = await list_packed(connection, principal.tenant_id)
    return {"items": [_answer(pack, *found.get(name, (None, []))) for name, pack in packs.shipped().items()]}


@router.put("/{pack}")
async def switch_on(deps: Given, principal: Writer, pack: str, body: PackBody) -> PackAnswer:
    """Switch a pack on, or change what it is to have otherwise. The same again changes nothing; rules that somebody
    edited or deleted stay as they are."""
    chosen = packs.find(pack)
    overrides = body.model_dump(mode="json", by_alias=True, exclude_none=True)
    async with deps.db.tenant(principal.tenant_id) as connection:
        await Packing(deps, connection, principal, deps.clock()).switch_on(chosen, overrides)
        found = await list_packed(connection, principal.tenant_id)
    return _answer(chosen, *found[pack])


@router.delete("/{pack}", status_code=204)
async def switch_off(deps: Given, principal: Writer, pack: str) -> None:
    """Switch a pack off: its rules are deleted and their alerts closed."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        await Packing(deps, connection, principal, deps.clock()).switch_off(pack)


def _answer(pack: Pack, row: Any, rules: list[PackRuleRow]) -> PackAnswer:
    if row is None:
        shown = [
            PackRuleAnswer(key=key, config_id=None, edited=False, **_fields(made.columns))
            for key, made in packs.drafts(pack, {}).items()
        ]
    else:
        shown = [
            PackRuleAnswer(key=one.key, config_id=one.id, edited=one.edited, **_fields(one.row._mapping))
            for one in rules
        ]
    return PackAnswer(
        name=pack.name, title=pack.title, about=pack.about, switched_on=row is not None,
        since=None if row is None else row.created_at,
        overrides={} if row is None else configs.without_secrets(row.overrides), rules=shown,
    )  # fmt: skip


def _fields(columns: Any) -> dict[str, Any]:
    return {name: columns[name] for name in ("name", "severity", "conditions", "enabled")}
