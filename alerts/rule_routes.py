"""`/api/v1/alert-configs`: rules, their versions, and test messages."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts import configs
from alerts.bodies import RuleAnswer, RuleBody, RulePatch, TestAnswer, VersionAnswer
from alerts.channels.apprise import check_services
from alerts.checks import refuse_rates_of_gauges, warnings
from alerts.closing import close_rule
from alerts.core.condition import ConditionError
from alerts.core.vocabulary import CloseReason
from alerts.names import check_rule
from alerts.testing import queue_test
from monitor.agents.registry import Registry
from monitor.agents.tables import Agent
from monitor.errors import Conflict, InvalidInput
from monitor.http.deps import Deps, Given, Reader, Writer
from monitor.http.etags import Match, check_match, etag
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.ids import uuid7
from monitor.principal import Principal

_FIELDS = (
    "name", "selector", "conditions", "for", "keep_firing_for", "repeat", "escalate", "flapping", "channels",
    "severity", "labels", "runbook", "owner", "enabled",
)  # fmt: skip


router = APIRouter(prefix="/api/v1/alert-configs", tags=["alerts"])


@router.post("", status_code=201)
async def create_rule(deps: Given, principal: Writer, body: RuleBody, response: Response) -> RuleAnswer:
    """Make a rule. An agent that it names and that has not been heard of yet is registered, so that order does
    not matter (where the tenant lets agents register themselves)."""
    return _tagged(await Edits(deps).create(principal, body), response)


@router.get("")
async def list_rules(
    deps: Given,
    principal: Reader,
    limit: Limit = 100,
    cursor: Cursor = None,
    agent: str | None = None,
    enabled: bool | None = None,
) -> Page[RuleAnswer]:
    """Rules, newest first; `agent`: those that name this agent."""
    key = decode(cursor, parts=1)
    async with deps.db.tenant(principal.tenant_id) as connection:
        agent_id = None
        if agent is not None and (agent_id := await find_agent(connection, principal.tenant_id, agent)) is None:
            return Page[RuleAnswer](items=[], next=None)
        rows = await configs.list_rules(
            connection,
            principal.tenant_id,
            limit=limit,
            after=uuid_of(key[0]) if key else None,
            agent_id=agent_id,
            enabled=enabled,
        )
    found = page(rows, limit, lambda row: [str(row.id)])
    return Page[RuleAnswer](items=[_answer(row) for row in found["items"]], next=found["next"])


@router.get("/{rule_id}")
async def get_rule(deps: Given, principal: Reader, rule_id: UUID, response: Response) -> RuleAnswer:
    """One rule. Its version is its ETag."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return _tagged(_answer(await configs.get_rule(connection, principal.tenant_id, rule_id)), response)


@router.get("/{rule_id}/versions")
async def list_versions(deps: Given, principal: Reader, rule_id: UUID) -> dict[str, list[VersionAnswer]]:
    """Who changed the rule, when, and what it said then; newest first."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await configs.list_versions(connection, principal.tenant_id, rule_id)
    return {"items": [VersionAnswer.model_validate(row._mapping) for row in rows]}


@router.patch("/{rule_id}")
async def patch_rule(
    deps: Given, principal: Writer, rule_id: UUID, body: RulePatch, response: Response, match: Match = None
) -> RuleAnswer:
    """Change some fields. Another condition closes the rule's alerts; timing and channels keep their state."""
    return _tagged(await Edits(deps).change(principal, rule_id, body, whole=False, match=match), response)


@router.put("/{rule_id}")
async def put_rule(
    deps: Given, principal: Writer, rule_id: UUID, body: RuleBody, response: Response, match: Match = None
) -> RuleAnswer:
    """Replace a rule: what is not sent goes back to its default."""
    return _tagged(await Edits(deps).change(principal, rule_id, body, whole=True, match=match), response)


@router.delete("/{rule_id}", status_code=204)
async def delete_rule(deps: Given, principal: Writer, rule_id: UUID, match: Match = None) -> None:
    """Delete a rule and close its alerts; its versions stay."""
    await Edits(deps).delete(principal, rule_id, match=match)


@router.post("/{rule_id}/test", status_code=202)
async def test_rule(deps: Given, principal: Writer, rule_id: UUID) -> TestAnswer:
    """Send a real message, marked TEST, through every channel of the rule."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await configs.get_rule(connection, principal.tenant_id, rule_id)
        targets = await queue_test(connection, row, now=deps.clock(), public_url=deps.settings.public_url)
        await deps.audit(connection, principal, "alert_config.tested", resource=("alert_config", str(rule_id)))
    said = [{"channel": str(target.kind), "target": target.address} for target in targets]
    return TestAnswer(targets=said)


class Edits:
    """Making, changing and deleting rules, each in one transaction with its version and its audit row."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._registry = Registry(deps.db, allow_registration=deps.settings.allow_registration)

    async def create(self, principal: Principal, body: RuleBody) -> RuleAnswer:
        """A new rule."""
        now, tenant_id = self._deps.clock(), principal.tenant_id
        agent_id = await self._agent_of(tenant_id, body)
        rule_id = uuid7(now)
        async with self._deps.db.tenant(tenant_id) as connection:
            made = await self._check(connection, tenant_id, _raw(body), agent_id)
            await configs.insert_rule(connection, tenant_id, rule_id, made, actor=principal.actor, now=now)
            row = await configs.get_rule(connection, tenant_id, rule_id)
            await configs.insert_version(connection, row, actor=principal.actor, now=now)
            await self._record(connection, principal, "created", row)
            return _answer(row, await warnings(connection, tenant_id, row, made.rule, now=now))

    async def change(
        self, principal: Principal, rule_id: UUID, body: RuleBody, *, whole: bool, match: str | None = None
    ) -> RuleAnswer:
        """Change a rule: all of it, or the fields that were sent. The same again changes nothing."""
        now, tenant_id = self._deps.clock(), principal.tenant_id
        named = body.model_fields_set & {"agent", "agent_id"}
        agent_id = await self._agent_of(tenant_id, body)
        async with self._deps.db.tenant(tenant_id) as connection:
            old = await configs.get_rule(connection, tenant_id, rule_id, lock=True)
            check_match(_state(old), match)
            if body.version is not None and body.version != old.version:
                raise Conflict(f"the rule is at version {old.version}, not {body.version}: somebody changed it")
            raw = _raw(body) if whole else _stored(old) | _sent(body)
            raw = configs.with_secrets(raw, {"channels": old.channels, "escalate": old.timing.get("escalate")})
            if not whole and not named:
                # A selector that is sent takes the place of the agent.
                agent_id = None if raw.get("selector") and "selector" in body.model_fields_set else old.agent_id
            if not whole and named and agent_id is not None and "selector" not in body.model_fields_set:
                raw["selector"] = None
            made = await self._check(connection, tenant_id, raw, agent_id)
            changes = {name: value for name, value in made.columns.items() if value != getattr(old, name)}
            if changes:
                condition_changed = "conditions" in changes
                await configs.update_rule(connection, old, changes, condition_changed=condition_changed)
                row = await configs.get_rule(connection, tenant_id, rule_id)
                await configs.insert_version(connection, row, actor=principal.actor, now=now)
                await self._record(connection, principal, "updated", row, old)
                if not made.columns["enabled"] or condition_changed:
                    reason = CloseReason.RULE_CHANGED if made.columns["enabled"] else CloseReason.RULE_DISABLED
                    await self._close(connection, principal, rule_id, reason)
            else:
                row = old
            return _answer(row, await warnings(connection, tenant_id, row, made.rule, now=now))

    async def delete(self, principal: Principal, rule_id: UUID, *, match: str | None = None) -> None:
        """Delete softly."""
        now, tenant_id = self._deps.clock(), principal.tenant_id
        async with self._deps.db.tenant(tenant_id) as connection:
            old = await configs.get_rule(connection, tenant_id, rule_id, lock=True)
            check_match(_state(old), match)
            await configs.update_rule(connection, old, {"deleted_at": now}, condition_changed=False)
            row = await configs.get_rule(connection, tenant_id, rule_id, deleted=True)
            await configs.insert_version(connection, row, actor=principal.actor, now=now)
            await self._record(connection, principal, "deleted", row)
            await self._close(connection, principal, rule_id, CloseReason.RULE_DELETED)

    async def _agent_of(self, tenant_id: UUID, body: RuleBody) -> UUID | None:
        """The agent that a body names, by either field; None where it names none."""
        if body.agent is not None and body.agent_id is not None:
            raise InvalidInput("cannot stand beside agent", path="agent_id")
        path = "agent" if body.agent is not None else "agent_id"
        name = body.agent or body.agent_id
        if name is None:
            return None
        if body.selector is not None:
            raise InvalidInput(f"cannot stand beside {path}", path="selector")
        async with self._deps.db.tenant(tenant_id) as connection:
            found = await find_agent(connection, tenant_id, name)
        if found is not None:
            return found
        if path == "agent_id" and uuid_of(name) is not None:
            raise InvalidInput("there is no such agent", path=path)
        resolved = (await self._registry.resolve(tenant_id, [name], now=self._deps.clock()))[name]
        if isinstance(resolved, str):
            raise InvalidInput(resolved, path=path)
        return resolved.id

    async def _check(
        self, connection: AsyncConnection, tenant_id: UUID, raw: dict[str, Any], agent_id: UUID | None
    ) -> configs.Draft:
        with faults_named():
            made = configs.draft(raw, agent_id=agent_id)
            await refuse_rates_of_gauges(connection, tenant_id, agent_id, made.rule.condition)
            await check_services(made.rule.targets)
        await check_rule(connection, tenant_id, made.rule)
        return made

    async def _close(
        self, connection: AsyncConnection, principal: Principal, rule_id: UUID, reason: CloseReason
    ) -> None:
        await close_rule(
            connection,
            principal.tenant_id,
            rule_id,
            reason,
            actor=principal.actor,
            now=self._deps.clock(),
            public_url=self._deps.settings.public_url,
        )

    async def _record(
        self, connection: AsyncConnection, principal: Principal, verb: str, row: Any, old: Any = None
    ) -> None:
        await self._deps.audit(
            connection,
            principal,
            f"alert_config.{verb}",
            resource=("alert_config", str(row.id)),
            old=None if old is None else configs.without_secrets(_stored(old)),
            new=configs.without_secrets(_stored(row)),
        )


def _state(rule: Any) -> dict[str, Any]:
    """What a rule's ETag is made of: every change makes another version."""
    return {"id": rule.id, "version": rule.version}


def _tagged(answer: RuleAnswer, response: Response) -> RuleAnswer:
    response.headers["ETag"] = etag(_state(answer))
    return answer


async def find_agent(connection: AsyncConnection, tenant_id: UUID, name: str) -> UUID | None:
    """The agent with this id or external id, if there is one that is not deleted."""
    query = select(Agent.id).where(Agent.tenant_id == tenant_id, Agent.deleted_at.is_(None))
    named = (await connection.execute(query.where(Agent.external_id == name))).scalar()
    if named is not None or (agent_id := uuid_of(name)) is None:
        return named
    return (await connection.execute(query.where(Agent.id == agent_id))).scalar()


@contextmanager
def faults_named() -> Iterator[None]:
    """What the core refuses is the caller's fault, with its path."""
    try:
        yield
    except ConditionError as error:
        raise InvalidInput(error.message, path=error.path or None) from error


def _raw(body: RuleBody) -> dict[str, Any]:
    given = body.model_dump(by_alias=True)
    return {name: given[name] for name in _FIELDS}


def _sent(body: RuleBody) -> dict[str, Any]:
    given = body.model_dump(by_alias=True, exclude_unset=True)
    return {name: value for name, value in given.items() if name in _FIELDS}


def _stored(row: Any) -> dict[str, Any]:
    return {name: row.timing.get(name) if name in configs.TIMING else getattr(row, name) for name in _FIELDS}


def _answer(row: Any, said: list[str] | None = None) -> RuleAnswer:
    shown = configs.without_secrets(_stored(row))
    rest = ("id", "agent", "agent_id", "version", "pack", "pack_rule", "last_error", "created_at", "updated_at")
    return RuleAnswer.model_validate(shown | {name: getattr(row, name) for name in rest} | {"warnings": said or []})
