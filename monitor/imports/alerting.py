"""Rules and alerts that are brought here: a rule that cannot be read is kept, switched off, with the reason; an open
alert whose rule judges goes on being judged."""

from typing import Any, cast
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.configs import draft
from alerts.core.condition import ConditionError
from alerts.core.grouping import fingerprint
from alerts.core.state import AlertState
from alerts.core.vocabulary import Phase, Verdict
from alerts.episode import StateRow
from alerts.store import save_states
from alerts.tables import Alert, AlertConfig, AlertConfigVersion, AlertEvent
from alerts.targets import TargetKey
from monitor.ids import uuid7
from monitor.imports.given import Given, LeftOut
from monitor.imports.into import Into, Known
from monitor.imports.report import Report
from monitor.imports.source import Source
from monitor.imports.step import Made, Values, store
from monitor.imports.writing import Writing

_RULES = text("SELECT id, tenant_id, name, enabled, last_error FROM alert_configs WHERE tenant_id = ANY (:tenants)")
_NEWEST = """
    SELECT DISTINCT ON (config_id, agent_id) id FROM alerts
    WHERE config_id IS NOT NULL AND agent_id IS NOT NULL AND resolved_at IS NULL AND status IS DISTINCT FROM 'resolved'
    ORDER BY config_id, agent_id, triggered_at DESC NULLS LAST, id
"""
_ACTOR = "system"
_STATUSES = frozenset({"open", "acknowledged", "resolved"})
_ALL = fingerprint({})
"""Of an alert that is about its agent as such: the documents' rules know of no label sets."""


async def look(into: Into, source: Source) -> None:
    """Learn which rules are here, and which open alerts are the newest of their rule and agent."""
    async with into.db.owner() as owner:
        for row in await owner.execute(_RULES, {"tenants": [*into.tenants, into.tenant_id]}):
            into.rules[row.id] = Known(row.tenant_id, row.name, row.enabled and row.last_error is None)
    into.judged.update(row["id"] for row in await source.rows("alerts", _NEWEST))


def details(given: Given) -> Values:
    """An object, with what no column takes."""
    return given.object("details") | ({"imported": given.imported} if given.imported else {})


def rule(given: Given) -> tuple[Values, Values]:
    """A rule in its agent's tenant, and its first version; one about no agent is the importing tenant's."""
    into, agent_id = given.into, given["agent_id"]
    if agent_id is not None and agent_id not in into.homes:
        raise LeftOut("its agent was left out")
    if given["id"] in into.rules:
        raise LeftOut("a rule of this id is here already and stays as it is")
    given.tenant_id = into.tenant_id if agent_id is None else into.homes[agent_id]
    columns = _columns(given)
    into.rules[given["id"]] = Known(given.tenant_id, given["name"], columns["enabled"])
    times = given.times()
    said = {name: columns[name] for name in ("name", "conditions", "channels", "severity", "enabled")}
    version = {"config_id": given["id"], "version": 1, "rule": said, "changed_by": _ACTOR}
    made = {"id": given["id"], **columns, **times, "created_by": _ACTOR}
    return made, version | {"changed_at": times["created_at"]}


def _columns(given: Given) -> Values:
    """The columns of a rule; where it cannot be read, as it was and switched off."""
    enabled = given["enabled"] is not False
    raw = {name: given[name] for name in ("name", "conditions", "channels")} | {"enabled": enabled}
    try:
        return {**draft(raw, agent_id=given["agent_id"]).columns, "last_error": None}
    except ConditionError as fault:
        given.note("a rule that cannot be read is switched off, with the reason in last_error")
        columns: Values = dict.fromkeys(("selector", "runbook", "owner"))
        columns |= {"timing": {}, "severity": "warning", "labels": {}}
        judged = {"enabled": False, "reads": 0, "sifted": False, "last_error": str(fault)}
        return {**raw, **columns, "agent_id": given["agent_id"], **judged}


async def put_rules(_into: Into, made: Made[tuple[Values, Values]], report: Report) -> Writing:
    """Rules with their versions."""
    report.kept += len(made)

    async def write(connection: AsyncConnection) -> None:
        await store(connection, AlertConfig, [{"tenant_id": tenant_id, **one} for tenant_id, (one, _) in made])
        await store(connection, AlertConfigVersion, [{"tenant_id": tenant_id, **one} for tenant_id, (_, one) in made])

    return Writing(rows=write if made else None)


def alert(given: Given) -> Values:
    """An episode as it was told."""
    given.tenant_id = _tenant(given)
    rule_id, triggered = given["config_id"], given["triggered_at"] or given.into.now
    status, resolved = _ended(given)
    judged = status != "resolved" and _judged(given)
    return {
        "id": given["id"],
        "config_id": rule_id,
        "config_version": None if rule_id is None else 1,
        "agent_id": given["agent_id"],
        "rule": "imported" if rule_id is None else given.into.rules[rule_id].name,
        "fingerprint": _ALL if judged else f"imported {given.key}",
        "labels": {},
        "severity": "warning",
        "status": status,
        "triggered_at": triggered,
        "resolved_at": resolved,
        "created_at": triggered,
        "updated_at": resolved or triggered,
        "details": details(given),
    }


def _tenant(given: Given) -> UUID:
    """Of the rule, else of the agent; the importing one where it has neither."""
    into, rule_id, agent_id = given.into, given["config_id"], given["agent_id"]
    found = into.rules.get(rule_id)
    homes = {None if found is None else found.tenant_id} if rule_id is not None else set()
    homes |= {into.homes.get(agent_id)} if agent_id is not None else set()
    if None in homes or len(homes) > 1:
        raise LeftOut("its rule or its agent was left out")
    return cast(UUID, homes.pop()) if homes else into.tenant_id


def _ended(given: Given) -> tuple[str, Any]:
    """How it stands, and when it ended."""
    said, resolved = given["status"], given["resolved_at"]
    if said == "resolved" and resolved is None:
        given.note("a resolved alert without its end ended when it began")
        resolved = given["triggered_at"] or given.into.now
    status = given.word("status", _STATUSES, "open")
    return ("resolved" if resolved is not None else status), resolved


def _judged(given: Given) -> bool:
    """Whether its rule goes on judging it: of several that are open of one rule and agent it is the newest."""
    known = given.into.rules.get(given["config_id"])
    if known is None or not known.judges or given["agent_id"] is None:
        given.note("no rule judges it: it stays open until somebody closes it")
        return False
    if given["id"] not in given.into.judged:
        given.note("a newer one of its rule and agent is open: it stays open until somebody closes it")
        return False
    return True


async def put_alerts(into: Into, made: Made[Values], report: Report) -> Writing:
    """Alerts with the beginning of their timelines, and the states of those that their rules go on judging."""
    report.kept += len(made)
    rows = {values["id"]: {"tenant_id": tenant_id, **values} for tenant_id, values in made}

    async def write(connection: AsyncConnection) -> None:
        new = [rows[alert_id] for _tenant_id, alert_id in await store(connection, Alert, list(rows.values()))]
        await store(connection, AlertEvent, [_opened(one) for one in new])
        judged = [_firing(one) for one in new if one["resolved_at"] is None and one["fingerprint"] == _ALL]
        await save_states(connection, judged, now=into.now)

    return Writing(rows=write if rows else None)


def _opened(one: Values) -> Values:
    at = one["triggered_at"]
    line = {"id": uuid7(at), "alert_id": one["id"], "kind": "opened", "actor": _ACTOR, "at": at, "details": {}}
    return {"tenant_id": one["tenant_id"], **line}


def _firing(one: Values) -> StateRow:
    """As if it had been seen to be breached when it was opened, and never since."""
    at = one["triggered_at"]
    state = AlertState(phase=Phase.FIRING, since=at, at=at, known_at=at)
    key = TargetKey(one["tenant_id"], one["config_id"], one["agent_id"])
    return StateRow(key, (), state, Verdict.BREACHED, detail="open when it was imported", alert_id=one["id"])
