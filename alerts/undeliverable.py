"""Dead letters: what cannot be delivered raises an alert, and goes out through another channel."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.condition import ConditionError
from alerts.core.targets import Target
from alerts.core.vocabulary import ChannelKind, Reason
from alerts.directory import read_directory
from alerts.heard import Told, told_from_json
from alerts.outbox import queue_copy, remember
from alerts.rules import parse_stored
from alerts.system import SystemFault, report
from monitor.ids import PLATFORM_TENANT

_BURY = text("""
    UPDATE notifications SET status = 'dead', last_error = :error, claimed_by = NULL, claimed_until = NULL
    WHERE tenant_id = :tenant_id AND id = :id AND claimed_by = :holder AND attempts = :attempts
    RETURNING *
""")
_BOUNCED = text("""
    INSERT INTO bounces (tenant_id, address, said, at, notification_id, told)
    VALUES (:tenant_id, :address, :said, :now, :id, true)
    ON CONFLICT (tenant_id, address) DO UPDATE SET
        said = EXCLUDED.said, at = EXCLUDED.at, notification_id = EXCLUDED.notification_id, told = true,
        cleared_by = NULL
""")
_TRIED = text("""
    SELECT DISTINCT n.channel, n.target
    FROM notification_groups g JOIN notifications n ON n.tenant_id = g.tenant_id AND n.group_id = g.id
    WHERE g.tenant_id = :tenant_id AND g.alert_ids && :alert_ids AND n.status = 'dead'
""")
_RULES = text("""
    SELECT DISTINCT ON (c.id) c.conditions, c.timing, c.channels, c.severity, c.labels
    FROM alerts a JOIN alert_configs c ON c.tenant_id = a.tenant_id AND c.id = a.config_id
    WHERE a.tenant_id = :tenant_id AND a.id = ANY (:alert_ids)
""")
_STILL_OPEN = text("""
    SELECT tenant_id, id, heard FROM alerts
    WHERE tenant_id IN (:tenant_id, :platform) AND id = ANY (:alert_ids) AND resolved_at IS NULL
    ORDER BY tenant_id, id FOR UPDATE
""")


async def bury(
    connection: AsyncConnection,
    *,
    tenant: tuple[UUID, str],
    notification_id: UUID,
    attempts: int,
    holder: str,
    error: str,
    now: datetime,
    public_url: str,
    bounced: bool = False,
) -> None:
    """Mark a notification dead, raise the alert about it, and send what it says another way: one transaction.

    `tenant` is its id and slug. `bounced`: its mail server does not know the address, which is not written to until
    somebody clears it. A test message only dies: whoever asked for it is watching.
    """
    tenant_id, slug = tenant
    given = {"tenant_id": tenant_id, "id": notification_id, "holder": holder, "attempts": attempts, "error": error}
    dead = (await connection.execute(_BURY, given)).first()
    if dead is None or dead.reason == Reason.TEST:
        return
    if bounced:
        noted = {"tenant_id": tenant_id, "address": dead.target.lower(), "said": error, "now": now, "id": dead.id}
        await connection.execute(_BOUNCED, noted)
    detail = f"given up after {dead.attempts} attempts: {error}"
    await send_another_way(connection, slug=slug, dead=dead, detail=detail, error=error, now=now, public_url=public_url)


async def send_another_way(
    connection: AsyncConnection, *, slug: str, dead: Any, detail: str, error: str, now: datetime, public_url: str
) -> None:
    """Raise the alert about a target that does not get its messages, and send what one of them says another way."""
    failed = Target(ChannelKind(dead.channel), dead.target)
    await report(
        connection,
        SystemFault.UNDELIVERABLE,
        active=True,
        detail=detail,
        tenants=(),
        now=now,
        public_url=public_url,
        labels=_labels(slug, failed),
        never=failed,
    )
    other = await _another_way(connection, dead, failed, now)
    if other is not None:
        await _redirect(connection, dead, other, error=error, now=now)


async def works_again(
    connection: AsyncConnection, *, slug: str, target: Target, now: datetime, public_url: str
) -> None:
    """End the alert about a target that could not be reached, if there is one: a message got through."""
    await report(
        connection,
        SystemFault.UNDELIVERABLE,
        active=False,
        detail="",
        tenants=(),
        now=now,
        public_url=public_url,
        labels=_labels(slug, target),
    )


def _labels(slug: str, target: Target) -> dict[str, str]:
    address = target.address.lower() if target.kind is ChannelKind.EMAIL else target.address
    return {"tenant": slug, "channel": str(target.kind), "target": address}


async def _another_way(connection: AsyncConnection, dead: Any, failed: Target, now: datetime) -> Target | None:
    """The tenant's fallback, else another channel of the rules; never one through which these alerts died."""
    given = {"tenant_id": dead.tenant_id, "alert_ids": dead.alert_ids}
    tried = {(row.channel, row.target) for row in await connection.execute(_TRIED, given)}
    tried.add((failed.kind, failed.address))
    directory = await read_directory(connection, [dead.tenant_id], now=now)
    candidates = directory.fallback(dead.tenant_id)
    for row in await connection.execute(_RULES, given):
        try:
            rule = parse_stored(row)
        except ConditionError:
            continue
        for channels in (rule.channels, *(step.channels for step in directory.steps(dead.tenant_id, rule))):
            candidates += directory.resolve(dead.tenant_id, channels)
    return next((one for one in candidates if (one.kind, one.address) not in tried), None)


async def _redirect(connection: AsyncConnection, dead: Any, other: Target, *, error: str, now: datetime) -> None:
    why = f"{dead.why}; it could not be delivered to {dead.channel} {dead.target}: {error}"
    group_id = await queue_copy(
        connection,
        tenant_id=dead.tenant_id,
        target=other,
        reason=Reason(dead.reason),
        why=why,
        alert_ids=dead.alert_ids,
        payload=dead.payload,
        now=now,
    )
    if dead.reason == Reason.RESOLVED:
        return
    # Whoever hears of it this way hears the resolve this way.
    still_open: Sequence[Any] = (
        await connection.execute(
            _STILL_OPEN,
            {"tenant_id": dead.tenant_id, "platform": PLATFORM_TENANT, "alert_ids": dead.alert_ids},
        )
    ).all()
    record = Told(dead.tenant_id, Target(other.kind, other.address), now, Reason(dead.reason), group_id)
    new = [row for row in still_open if record.key not in {one.key for one in told_from_json(row.heard)}]
    await remember(connection, [(row.tenant_id, row.id, record) for row in new], now=now)
