"""Rules and alerts that are brought here: a rule that cannot be read is kept, switched off, with the reason."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.configs import draft
from alerts.core.condition import ConditionError
from alerts.tables import Alert, AlertConfig, AlertConfigVersion, AlertEvent
from monitor.ids import uuid7
from monitor.imports.into import Into, mended
from monitor.imports.report import Report
from monitor.imports.source import Row
from monitor.imports.writing import Writing

_RULES = text("SELECT id, tenant_id, name FROM alert_configs WHERE tenant_id = ANY (:tenants)")
_ACTOR = "system"
_STATUSES = frozenset({"open", "acknowledged", "resolved"})


async def look(into: Into) -> None:
    """Learn which rules are here."""
    async with into.db.owner() as owner:
        for row in await owner.execute(_RULES, {"tenants": [*into.tenants, into.tenant_id]}):
            into.rules[row.id] = (row.tenant_id, row.name)


async def rules(into: Into, rows: list[Row], report: Report) -> Writing:
    """Each in its agent's tenant; one about no agent is the importing tenant's."""
    made, versions = [], []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        agent_id = row["agent_id"]
        if agent_id is not None and agent_id not in into.homes:
            report.note("left out: its agent was left out", key)
            continue
        if row["id"] in into.rules:
            report.note("left out: a rule of this id is here already and stays as it is", key)
            continue
        tenant_id = into.tenant_id if agent_id is None else into.homes[agent_id]
        into.rules[row["id"]] = (tenant_id, row["name"])
        columns = _rule(row, report, key)
        created = row["created_at"] or into.now
        times = {"created_at": created, "updated_at": row["updated_at"] or created}
        place = {"tenant_id": tenant_id}
        made.append({**place, "id": row["id"], **columns, **times, "created_by": _ACTOR})
        said = {name: columns[name] for name in ("name", "conditions", "channels", "severity", "enabled")}
        version = {"config_id": row["id"], "version": 1, "rule": said, "changed_by": _ACTOR}
        versions.append({**place, **version, "changed_at": created})
    report.kept += len(made)

    async def write(connection: AsyncConnection) -> None:
        await connection.execute(insert(AlertConfig), made)
        await connection.execute(insert(AlertConfigVersion), versions)

    return Writing(rows=write if made else None)


def _rule(row: Row, report: Report, key: str) -> dict[str, Any]:
    """The columns of a rule; where it cannot be read, as it was and switched off."""
    enabled = row["enabled"] is not False
    raw = {name: row[name] for name in ("name", "conditions", "channels")} | {"enabled": enabled}
    try:
        return {**draft(raw, agent_id=row["agent_id"]).columns, "last_error": None}
    except ConditionError as fault:
        report.note("a rule that cannot be read is switched off, with the reason in last_error", key)
        columns = dict.fromkeys(("selector", "runbook", "owner")) | {"timing": {}, "severity": "warning", "labels": {}}
        judged = {"enabled": False, "reads": 0, "sifted": False, "last_error": str(fault)}
        return {**raw, **columns, "agent_id": row["agent_id"], **judged}


async def alerts(into: Into, rows: list[Row], report: Report) -> Writing:
    """Episodes as they were told; one that is open stays so until somebody closes it: no rule goes on judging it."""
    made, lines = [], []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        tenant_id = _tenant(row, into)
        if tenant_id is None:
            report.note("left out: its rule or its agent was left out", key)
            continue
        values = _alert(row, into, report, key)
        made.append({"tenant_id": tenant_id, **values})
        at = values["triggered_at"]
        line = {"id": uuid7(at), "alert_id": row["id"], "kind": "opened", "actor": _ACTOR, "at": at, "details": {}}
        lines.append({"tenant_id": tenant_id, **line})
    report.kept += len(made)

    async def write(connection: AsyncConnection) -> None:
        found = await connection.execute(insert(Alert).on_conflict_do_nothing().returning(Alert.id), made)
        new = set(found.scalars())
        told = [line for line in lines if line["alert_id"] in new]
        if told:
            await connection.execute(insert(AlertEvent), told)

    return Writing(rows=write if made else None)


def _tenant(row: Row, into: Into) -> UUID | None:
    """Of the rule, else of the agent; the importing one where it has neither."""
    rule, agent_id = row["config_id"], row["agent_id"]
    if (rule is not None and rule not in into.rules) or (agent_id is not None and agent_id not in into.homes):
        return None
    homes = {into.rules[rule][0]} if rule is not None else set()
    homes |= {into.homes[agent_id]} if agent_id is not None else set()
    return into.tenant_id if not homes else homes.pop() if len(homes) == 1 else None


def _alert(row: Row, into: Into, report: Report, key: str) -> dict[str, Any]:
    status, triggered, resolved = row["status"] or "open", row["triggered_at"] or into.now, row["resolved_at"]
    details = row["details"]
    said: dict[str, Any] = details if isinstance(details, dict) else {} if details is None else {"value": details}
    if status not in _STATUSES:
        report.note(f"the status {status!r} is not known here: it is open or resolved, as its times say", key)
        said = {**said, "imported": {"status": status}}
    if status == "resolved" and resolved is None:
        report.note("a resolved alert without its end ended when it began", key)
        resolved = triggered
    if resolved is not None:
        status = "resolved"
    return {
        "id": row["id"],
        "config_id": row["config_id"],
        "config_version": None if row["config_id"] is None else 1,
        "agent_id": row["agent_id"],
        "rule": "imported" if row["config_id"] is None else into.rules[row["config_id"]][1],
        "fingerprint": f"imported {key}",
        "labels": {},
        "severity": "warning",
        "status": status if status in _STATUSES else "open",
        "triggered_at": triggered,
        "resolved_at": resolved,
        "details": said,
        "created_at": triggered,
        "updated_at": resolved or triggered,
    }
