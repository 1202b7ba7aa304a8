"""A test message: real, marked TEST, through every channel that a rule would use, or through a named one."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.describe import describe
from alerts.core.message import AlertLine
from alerts.core.targets import Target
from alerts.core.vocabulary import Reason, Severity
from alerts.directory import read_directory
from alerts.lines import PLATFORM_AGENT
from alerts.outbox import queue_copy
from alerts.rules import parse_stored
from monitor.errors import Conflict
from monitor.ids import uuid7


async def queue_channel_test(
    connection: AsyncConnection, tenant_id: UUID, name: str, target: Target, *, now: datetime, public_url: str
) -> None:
    """Queue one message for a named channel."""
    line = AlertLine(
        alert_id=uuid7(now),
        rule=f"Test of the channel {name}",
        agent=PLATFORM_AGENT,
        severity=Severity.INFO,
        summary="nothing is wrong: somebody wants to see whether messages arrive",
        since=now,
        url=f"{public_url.rstrip('/')}/",
    )
    why = "somebody asked for a test of this channel"
    await _queue(connection, tenant_id, target, line, why=why, now=now)


async def queue_test(connection: AsyncConnection, row: Any, *, now: datetime, public_url: str) -> list[Target]:
    """Queue one message for each target of a rule and of its escalations. Raises Conflict when there is none."""
    rule = parse_stored(row)
    directory = await read_directory(connection, [row.tenant_id], now=now)
    targets = directory.resolve(row.tenant_id, rule.channels)
    for step in directory.steps(row.tenant_id, rule):
        targets += directory.resolve(row.tenant_id, step.channels)
    if not targets:
        raise Conflict("the rule names no channel and the tenant has no fallback channel")
    line = AlertLine(
        alert_id=uuid7(now),
        rule=row.name,
        agent=row.agent or "every agent of the rule",
        severity=rule.severity,
        summary=f"nothing is wrong; the rule fires when: {describe(rule.condition)}",
        since=now,
        url=f"{public_url.rstrip('/')}/alert-configs/{row.id}",
        labels=dict(rule.labels),
        runbook=row.runbook,
        owner=row.owner,
    )
    for target in dict.fromkeys(targets):
        why = "somebody asked for a test of this rule's channels"
        await _queue(connection, row.tenant_id, target, line, why=why, now=now)
    return list(dict.fromkeys(targets))


async def _queue(
    connection: AsyncConnection, tenant_id: UUID, target: Target, line: AlertLine, *, why: str, now: datetime
) -> None:
    await queue_copy(
        connection,
        tenant_id=tenant_id,
        target=target,
        reason=Reason.TEST,
        why=why,
        alert_ids=(),
        payload=[line],
        now=now,
    )
