"""Who was told of an alert: the record on the alert itself that decides who hears more of it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from alerts.core.policy import Heard
from alerts.core.targets import Target
from alerts.core.vocabulary import ChannelKind, Reason


class Told(msgspec.Struct, frozen=True):
    """The last message about one alert that was written for one target, and the group it belongs to.

    `tenant_id` is that of the group: a system alert belongs to the platform and is told to other tenants.
    """

    tenant_id: UUID
    target: Target
    at: datetime
    reason: Reason
    group_id: UUID
    edited: datetime | None = None
    """When the message was last edited because somebody responded; what is told next sorts after that."""

    @property
    def last(self) -> datetime:
        """When anything was written for this target last."""
        return self.at if self.edited is None else max(self.at, self.edited)

    @property
    def heard(self) -> Heard:
        """What `decide` needs of it."""
        return Heard(self.at, self.reason)

    @property
    def key(self) -> tuple[UUID, ChannelKind, str]:
        """Whom it names: a target is the same whatever its secret."""
        return self.tenant_id, self.target.kind, self.target.address


def told_from_json(raw: Iterable[dict[str, Any]]) -> tuple[Told, ...]:
    """The records in `alerts.heard`. Their targets have no secrets: those stand on the group."""
    return tuple(
        Told(
            tenant_id=UUID(entry["tenant"]),
            target=Target(ChannelKind(entry["channel"]), entry["target"]),
            at=datetime.fromisoformat(entry["at"]),
            reason=Reason(entry["reason"]),
            group_id=UUID(entry["group"]),
            edited=datetime.fromisoformat(entry["edited"]) if "edited" in entry else None,
        )
        for entry in raw
    )


def told_to_json(told: Told) -> dict[str, Any]:
    """The inverse of `told_from_json`, for one record, once it is JSON (`arrays.jsons`)."""
    entry = {
        "tenant": told.tenant_id,
        "channel": told.target.kind,
        "target": told.target.address,
        "at": told.at,
        "reason": told.reason,
        "group": told.group_id,
    }
    return entry if told.edited is None else entry | {"edited": told.edited}
