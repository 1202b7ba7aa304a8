"""What rules, policies, routes and the fallback name: channels, on-call schedules and policies must be there."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.rule import Rule
from alerts.core.targets import Channels
from monitor.errors import InvalidInput

_CHANNELS = text("SELECT name FROM channels WHERE tenant_id = :tenant_id AND name = ANY (:names)")
_SCHEDULES = text("""
    SELECT DISTINCT schedule FROM calendar_events
    WHERE tenant_id = :tenant_id AND kind = 'on_call' AND schedule = ANY (:names)
""")
_POLICIES = text("SELECT name FROM escalations WHERE tenant_id = :tenant_id AND name = ANY (:names)")


async def check_rule(connection: AsyncConnection, tenant_id: UUID, rule: Rule) -> None:
    """Raise InvalidInput for a name in a rule that stands for nothing."""
    await check_channels(connection, tenant_id, [rule.channels, *(step.channels for step in rule.escalate)])
    if rule.policy is not None:
        given = {"tenant_id": tenant_id, "names": [rule.policy]}
        if (await connection.execute(_POLICIES, given)).first() is None:
            raise InvalidInput(f"there is no escalation policy named {rule.policy!r}", path="escalate")


async def check_channels(
    connection: AsyncConnection, tenant_id: UUID, channels: Iterable[Channels], *, path: str = "channels"
) -> None:
    """Raise InvalidInput for the name of a channel or of an on-call schedule that stands for nothing."""
    given = list(channels)
    for field, query, what, names in (
        ("channel", _CHANNELS, "channel", {name for one in given for name in one.named}),
        ("on_call", _SCHEDULES, "on-call schedule", {name for one in given for name in one.on_call}),
    ):
        if names:
            known = await connection.execute(query, {"tenant_id": tenant_id, "names": sorted(names)})
            missing = sorted(names - set(known.scalars()))
            if missing:
                raise InvalidInput(f"there is no {what} named {missing[0]!r}", path=f"{path}.{field}")
