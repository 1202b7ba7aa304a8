"""Claims on the outbox: which messages a process may send now, so that no channel gets them faster than it takes them.

The pace of a target is a process' own: where several send to one, the provider's 429 tells them to wait.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.message import Message, Reference
from alerts.core.targets import Target
from alerts.core.vocabulary import ChannelKind, Reason
from alerts.lines import line_from_json

AT_ONCE = 16
"""Messages of one kind that are being sent at one time; as many are claimed at once."""

AT_SIGHT = 2000
"""Of so many that are due some are chosen, as many targets as can be."""

CLAIM_LASTS = timedelta(seconds=120)

EVERY: Mapping[ChannelKind, timedelta] = {
    # One message a second and channel: docs.slack.dev, "Rate limits", "Posting messages".
    ChannelKind.SLACK: timedelta(seconds=1),
    # One message a second and chat: core.telegram.org/bots/faq, "My bot is hitting limits".
    ChannelKind.TELEGRAM: timedelta(seconds=1),
}
"""The time from one message to a target to the next, for the kinds that have a limit of that sort."""

# The oldest unsent one of each group: what follows waits for it. Suspended tenants are not paged. One message of
# each target comes before the second of any, so that a slow one holds up nobody else. All that is unsent is read once,
# where anything is due, and each candidate looked up by its key: what the planner knows of a table is from before the
# storm. The messages of a group are all of one channel.
_CLAIM = text("""
    WITH unsent AS MATERIALIZED (
        SELECT n.tenant_id, n.id, n.target, n.next_attempt_at, n.claimed_until,
               row_number() OVER (PARTITION BY n.tenant_id, n.group_id ORDER BY n.id) AS turn
        FROM notifications n
        WHERE n.status IN ('pending', 'sending') AND n.channel = :channel
          AND EXISTS (SELECT 1 FROM notifications d
                      WHERE d.status IN ('pending', 'sending') AND d.next_attempt_at <= :now AND d.channel = :channel)),
    due AS (
        SELECT u.tenant_id, u.id, u.target, u.next_attempt_at
        FROM unsent u
        WHERE u.turn = 1 AND u.next_attempt_at <= :now AND (u.claimed_until IS NULL OR u.claimed_until <= :now)
          AND u.target <> ALL (:resting)
          AND u.tenant_id IN (SELECT id FROM tenants WHERE status = 'active')
        ORDER BY u.next_attempt_at LIMIT :at_sight),
    placed AS MATERIALIZED (
        SELECT *, row_number() OVER (PARTITION BY target ORDER BY next_attempt_at, id) AS place FROM due),
    candidates AS MATERIALIZED (
        SELECT n.tenant_id, n.id
        FROM (SELECT * FROM placed WHERE place <= :of_one ORDER BY place, next_attempt_at) AS p
        CROSS JOIN LATERAL (
            SELECT n.tenant_id, n.id FROM notifications n
            WHERE n.tenant_id = p.tenant_id AND n.id = p.id AND n.status IN ('pending', 'sending')
              AND (n.claimed_until IS NULL OR n.claimed_until <= :now)
            FOR UPDATE SKIP LOCKED) AS n
        LIMIT :at_most)
    UPDATE notifications n
    SET status = 'sending', claimed_by = :holder, claimed_until = :until, attempts = n.attempts + 1,
        first_attempt_at = coalesce(n.first_attempt_at, :now)
    FROM candidates c, notification_groups g, tenants t
    WHERE n.tenant_id = c.tenant_id AND n.id = c.id AND g.tenant_id = n.tenant_id AND g.id = n.group_id
      AND t.id = n.tenant_id
    RETURNING n.*, g.reference, g.secret, t.name AS tenant_name, t.slug AS tenant_slug,
        CASE WHEN n.channel = 'email' THEN (
            SELECT b.said FROM bounces b
            WHERE b.tenant_id = n.tenant_id AND b.address = lower(n.target) AND b.cleared_by IS NULL) END AS bounced,
        EXISTS (
            SELECT 1 FROM notifications e
            WHERE e.tenant_id = n.tenant_id AND e.group_id = n.group_id AND e.id < n.id) AS follows,
        CASE WHEN n.reason IN ('RESOLVED', 'RESPONDED') THEN ARRAY(
            SELECT DISTINCT (line->>'alert_id')::uuid
            FROM notifications e CROSS JOIN jsonb_array_elements(e.payload) AS line
            WHERE e.tenant_id = n.tenant_id AND e.group_id = n.group_id AND e.id < n.id AND e.status = 'sent'
              AND (line->>'alert_id')::uuid = ANY (n.alert_ids)) END AS heard
""")


@dataclass(frozen=True, slots=True)
class Claimed:
    """One notification that is ours to send. `unheard`: of all that it is about nothing was ever delivered.

    `bounced`: mail to its address came back, with these words, and nobody has seen to it since.
    """

    tenant_id: UUID
    tenant_slug: str
    id: UUID
    group_id: UUID
    target: Target
    message: Message
    previous: Reference | None
    attempts: int
    first_attempt_at: datetime
    unheard: bool
    bounced: str | None = None


class Rests:
    """Targets that get nothing for a while: they had a message just now, or asked for time."""

    def __init__(self) -> None:
        self._until: dict[tuple[ChannelKind, str], datetime] = {}

    def rest(self, target: Target, until: datetime) -> None:
        """Send nothing to a target before `until`."""
        key = (target.kind, target.address)
        self._until[key] = max(until, self._until.get(key, until))

    def resting(self, kind: ChannelKind, now: datetime) -> list[str]:
        """The targets of a kind that get nothing at `now`."""
        self._until = {key: until for key, until in self._until.items() if until > now}
        return [address for each, address in self._until if each is kind]


async def claim(
    connection: AsyncConnection, kind: ChannelKind, rests: Rests, *, holder: str, now: datetime
) -> list[Claimed]:
    """Take messages of one kind, and let targets rest that must not get the next one at once."""
    every = EVERY.get(kind)
    given = {
        "now": now,
        "until": now + CLAIM_LASTS,
        "holder": holder,
        "channel": str(kind),
        "resting": rests.resting(kind, now),
        "at_sight": AT_SIGHT,
        "of_one": AT_ONCE if every is None else 1,
        "at_most": AT_ONCE,
    }
    claimed = [_claimed(row) for row in await connection.execute(_CLAIM, given)]
    if every is not None:
        for one in claimed:
            rests.rest(one.target, now + every)
    return claimed


def _claimed(row: Any) -> Claimed:
    # Whose firing was never delivered, its end is not heard of either.
    unheard = set(row.alert_ids) - set(row.heard) if row.follows and row.heard is not None else set()
    lines = tuple(line for line in map(line_from_json, row.payload) if line.firing or line.alert_id not in unheard)
    firing = sum(1 for line in lines if line.firing)
    message = Message(
        notification_id=row.id,
        group_id=row.group_id,
        tenant=row.tenant_name,
        reason=Reason(row.reason),
        why=row.why,
        at=row.created_at,
        lines=lines,
        firing=firing,
        resolved=len(lines) - firing,
        thread_root=row.reference,
        test=row.reason == Reason.TEST,
        tenant_id=row.tenant_id,
        secret=row.secret,
    )
    return Claimed(
        tenant_id=row.tenant_id,
        tenant_slug=row.tenant_slug,
        id=row.id,
        group_id=row.group_id,
        target=Target(ChannelKind(row.channel), row.target),
        message=message,
        previous=row.reference,
        attempts=row.attempts,
        first_attempt_at=row.first_attempt_at,
        unheard=bool(unheard) and unheard >= set(row.alert_ids),
        bounced=row.bounced,
    )
