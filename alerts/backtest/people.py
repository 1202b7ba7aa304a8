"""What people did about alerts of a stored rule, along a replay of it: acknowledged, snoozed, resolved by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.policy import ACK_LASTS
from alerts.core.vocabulary import AlertStatus, CloseReason
from alerts.episode import Episode

_RESPONSES = text("""
    SELECT e.at, e.kind, e.actor, e.details ->> 'until' AS until, a.agent_id, a.fingerprint
    FROM alerts a
    JOIN alert_events e ON e.tenant_id = a.tenant_id AND e.alert_id = a.id
    WHERE a.tenant_id = :tenant_id AND a.config_id = :rule AND a.agent_id = ANY (:agents)
      AND e.at BETWEEN :start AND :end
      AND (e.kind IN ('acknowledged', 'snoozed', 'snooze ended')
           OR e.kind = 'closed' AND e.details ->> 'reason' = :by_hand)
    ORDER BY e.at, e.id
""")


@dataclass(frozen=True, slots=True)
class Response:
    """One thing that somebody did about the alert of an agent and label set that was open then."""

    at: datetime
    agent_id: UUID
    fingerprint: str
    kind: str
    actor: str
    until: datetime | None = None

    @property
    def closes(self) -> bool:
        """Whether it ends the alert."""
        return self.kind == "closed"

    def answer(self, episode: Episode) -> None:
        """Do to an open episode what it did to the alert; what ends it has more to do, and is done by the machine."""
        match self.kind:
            case "acknowledged":
                episode.status = AlertStatus.ACKNOWLEDGED
                episode.acknowledged_until = self.until or self.at + ACK_LASTS
                episode.details["acknowledged_severity"] = str(episode.severity)
            case "snoozed":
                episode.snoozed_until, episode.snoozed_by = self.until, self.actor
            case "snooze ended":
                episode.snoozed_until = self.at
            case _:
                episode.status, episode.resolved_at = AlertStatus.RESOLVED, self.at
                episode.reason = str(CloseReason.BY_HAND)


async def read_responses(
    connection: AsyncConnection, tenant_id: UUID, rule: UUID, agents: Sequence[UUID], *, start: datetime, end: datetime
) -> list[Response]:
    """In the order of time."""
    given: dict[str, Any] = {"tenant_id": tenant_id, "rule": rule, "agents": list(agents), "start": start, "end": end}
    rows = await connection.execute(_RESPONSES, given | {"by_hand": str(CloseReason.BY_HAND)})
    return [
        Response(
            row.at,
            row.agent_id,
            row.fingerprint,
            row.kind,
            row.actor,
            None if row.until is None else datetime.fromisoformat(row.until),
        )
        for row in rows
    ]
