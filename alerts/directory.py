"""Where a tenant's messages go: its named channels, its fallback, and whether it is paged at all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.condition import ConditionError
from alerts.core.targets import NOBODY, Channels, Target, parse_channels
from alerts.core.vocabulary import ChannelKind
from monitor.principal import TenantStatus

_TENANTS = text("SELECT id, status, fallback_channel FROM tenants WHERE id = ANY (:tenants)")
_NAMED = text("SELECT tenant_id, name, kind, target, secret FROM channels WHERE tenant_id = ANY (:tenants)")


@dataclass(frozen=True, slots=True)
class Directory:
    """Channels of some tenants."""

    active: frozenset[UUID] = frozenset()
    fallbacks: Mapping[UUID, Channels] = field(default_factory=dict)
    named: Mapping[tuple[UUID, str], Target] = field(default_factory=dict)

    def resolve(self, tenant_id: UUID, channels: Channels) -> list[Target]:
        """The targets of a rule's channels; the tenant's fallback where it names none, or one that is gone."""
        if not channels:
            return self.fallback(tenant_id)
        targets = list(channels.targets)
        for name in channels.named:
            target = self.named.get((tenant_id, name))
            targets += [target] if target is not None else self.fallback(tenant_id)
        return list(dict.fromkeys(targets))

    def fallback(self, tenant_id: UUID) -> list[Target]:
        """The targets of a tenant's fallback channel; none where it has none."""
        channels = self.fallbacks.get(tenant_id, NOBODY)
        named = (self.named.get((tenant_id, name)) for name in channels.named)
        return list(dict.fromkeys([*channels.targets, *(target for target in named if target is not None)]))


async def read_directory(connection: AsyncConnection, tenants: Iterable[UUID]) -> Directory:
    """The directory of these tenants."""
    given = {"tenants": sorted(set(tenants))}
    rows = (await connection.execute(_TENANTS, given)).all()
    named = await connection.execute(_NAMED, given)
    return Directory(
        active=frozenset(row.id for row in rows if row.status == TenantStatus.ACTIVE),
        fallbacks={row.id: fallback_of(row.fallback_channel) for row in rows},
        named={(row.tenant_id, row.name): Target(ChannelKind(row.kind), row.target, row.secret) for row in named},
    )


def fallback_of(raw: Any) -> Channels:
    """The channels in `tenants.fallback_channel`; nobody for what is not there or cannot be read."""
    if not raw:
        return NOBODY
    try:
        return parse_channels(raw, "fallback_channel")
    except ConditionError:
        return NOBODY
