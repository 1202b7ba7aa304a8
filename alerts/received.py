"""Alerts that other systems have judged: kept as they are posted, and made into episodes by the alerter."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts import store
from alerts.core.grouping import fingerprint
from alerts.core.muting import follow
from alerts.core.received import NAME, UNNAMED, Received, described, own_labels, rule_for, severity_of
from alerts.core.state import AlertState
from alerts.core.vocabulary import AlertStatus, CloseReason, Phase
from alerts.core.wording import one_line
from alerts.directory import Directory, read_directory
from alerts.episode import Episode
from alerts.muting import MutingNow, read_muting
from alerts.outbox import Muted, Telling, TimelineEntry, insert_events, queue
from alerts.settings import read_settings
from alerts.settings_bodies import AlertSettings, ReceivedBody
from alerts.telling import tell_closed, tell_open
from monitor.db import Database
from monitor.ids import uuid7

AT_ONCE = 5000
LOOK_EVERY = timedelta(seconds=10)
"""How often what goes on is looked at again: for repeats, and for what withholds its messages."""

_PUT = text("""
    INSERT INTO received_alerts AS known (tenant_id, fingerprint, labels, annotations, generator_url, starts_at,
                                          ends_at, resolved, received_at, due_at)
    SELECT :tenant_id, f, l::jsonb, a::jsonb, g, s, e, r, :now, :now
    FROM unnest(CAST(:fingerprints AS text[]), CAST(:labels AS text[]), CAST(:annotations AS text[]),
                CAST(:urls AS text[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]),
                CAST(:resolved AS boolean[])) AS posted (f, l, a, g, s, e, r)
    -- That something unknown has ended is no news.
    WHERE NOT r OR EXISTS (SELECT 1 FROM received_alerts k WHERE k.tenant_id = :tenant_id AND k.fingerprint = f)
    ON CONFLICT (tenant_id, fingerprint) DO UPDATE SET
        annotations = EXCLUDED.annotations, generator_url = EXCLUDED.generator_url, ends_at = EXCLUDED.ends_at,
        resolved = EXCLUDED.resolved, received_at = EXCLUDED.received_at,
        starts_at = least(known.starts_at, EXCLUDED.starts_at),
        due_at = CASE WHEN EXCLUDED.resolved OR known.ends_at <= :now THEN :now ELSE known.due_at END
""")
_COUNT = text("SELECT count(*) FROM received_alerts WHERE tenant_id = :tenant_id")
# What several alerters find at once, each row is for one of them.
_DUE = text("""
    SELECT r.*, g.id AS agent_id
    FROM received_alerts r
    LEFT JOIN agents g ON g.tenant_id = r.tenant_id AND g.external_id = r.labels->>'agent' AND g.deleted_at IS NULL
    WHERE r.due_at <= :now
    ORDER BY r.due_at LIMIT :at_most
    FOR UPDATE OF r SKIP LOCKED
""")
_SAVE = text("""
    UPDATE received_alerts r SET alert_id = s.alert_id, due_at = s.due_at
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:fingerprints AS text[]), CAST(:alerts AS uuid[]),
                CAST(:due AS timestamptz[])) AS s (tenant_id, fingerprint, alert_id, due_at)
    WHERE r.tenant_id = s.tenant_id AND r.fingerprint = s.fingerprint
""")
_FORGET = text("""
    DELETE FROM received_alerts r
    USING unnest(CAST(:tenants AS uuid[]), CAST(:fingerprints AS text[])) AS g (tenant_id, fingerprint)
    WHERE r.tenant_id = g.tenant_id AND r.fingerprint = g.fingerprint
""")


@dataclass(slots=True)
class _Pass:
    """What one look at the due alerts comes to."""

    now: datetime
    opened: list[Episode] = field(default_factory=list)
    updated: list[Episode] = field(default_factory=list)
    events: list[TimelineEntry] = field(default_factory=list)
    tellings: list[Telling] = field(default_factory=list)
    muted: list[Muted] = field(default_factory=list)


@dataclass(slots=True)
class _Due:
    """One due alert, and the episode that it has, if any."""

    row: Any
    one: Received
    episode: Episode | None
    again: bool = False

    def going_on(self, now: datetime) -> bool:
        return self.one.going_on(now)


async def keep(connection: AsyncConnection, tenant_id: UUID, posted: Sequence[Received], *, now: datetime) -> None:
    """Keep what was posted, of each label set what was posted last. The alerter's next look makes episodes of it."""
    newest = {one.fingerprint: one for one in posted}
    await connection.execute(
        _PUT,
        {
            "tenant_id": tenant_id,
            "now": now,
            "fingerprints": list(newest),
            "labels": [json.dumps(dict(one.labels)) for one in newest.values()],
            "annotations": [json.dumps(dict(one.annotations)) for one in newest.values()],
            "urls": [one.generator_url for one in newest.values()],
            "starts": [one.starts_at for one in newest.values()],
            "ends": [one.ends_at for one in newest.values()],
            "resolved": [one.resolved for one in newest.values()],
        },
    )


async def count(connection: AsyncConnection, tenant_id: UUID) -> int:
    """How many label sets of a tenant are kept."""
    return int((await connection.execute(_COUNT, {"tenant_id": tenant_id})).scalar_one())


async def follow_received(db: Database, *, now: datetime, public_url: str) -> int:
    """Open, tell again and end the episodes of received alerts that are due, in one transaction; returns how many."""
    async with db.alerter() as connection:
        rows = (await connection.execute(_DUE, {"now": now, "at_most": AT_ONCE})).all()
        if not rows:
            return 0
        known = {(row.tenant_id, row.alert_id) for row in rows if row.alert_id is not None}
        episodes = await store.lock_alerts(connection, known)
        tenants = {row.tenant_id for row in rows}
        settings = await read_settings(connection, tenants)
        due = [_Due(row, _received(row), episodes.get(row.alert_id)) for row in rows]
        done = _Pass(now)
        for each in due:
            _begin_or_end(each, _of(settings, each), done)
        await store.insert_alerts(connection, done.opened, now=now)
        alive = [each for each in due if each.episode is not None and each.episode.open]
        muting = await read_muting(connection, [each.episode for each in alive if each.episode], now=now)
        directory = await read_directory(connection, tenants, now=now)
        for each in alive:
            _tell(each, _of(settings, each), directory, muting, done)
        await store.update_alerts(connection, done.updated)
        await insert_events(connection, done.events, now=now)
        await queue(connection, done.tellings, now=now, public_url=public_url, muted=done.muted)
        await _save(connection, due, now)
        return len(rows)


def _begin_or_end(each: _Due, settings: ReceivedBody, done: _Pass) -> None:
    """Open an episode for what has none, end it for what is over. What was closed by hand stays so for a while."""
    episode, now = each.episode, done.now
    if not each.going_on(now):
        if episode is not None and episode.open:
            reason = CloseReason.RECOVERED if each.one.resolved else CloseReason.NOT_REPORTED
            episode.status, episode.resolved_at, episode.reason = AlertStatus.RESOLVED, now, str(reason)
            done.events.append(TimelineEntry(episode.tenant_id, episode.id, "resolved", {"reason": str(reason)}))
            done.tellings += tell_closed(episode, now=now)
            done.updated.append(episode)
        return
    if episode is not None and (
        episode.open or (episode.resolved_at is not None and now - episode.resolved_at < settings.repeat)
    ):
        return
    each.again = episode is not None
    each.episode = _opened(each, now)
    done.opened.append(each.episode)


def _opened(each: _Due, now: datetime) -> Episode:
    one = each.one
    return Episode(
        tenant_id=each.row.tenant_id,
        id=uuid7(now),
        config_id=None,
        agent_id=each.row.agent_id,
        severity=severity_of(one.labels),
        status=AlertStatus.OPEN,
        triggered_at=now,
        value=None,
        details=described(one),
        rule=one_line(one.labels.get(NAME, UNNAMED), 200),
        labels=own_labels(one.labels),
        fingerprint=fingerprint(dict(one.labels)),
    )


def _tell(each: _Due, settings: ReceivedBody, directory: Directory, muting: MutingNow, done: _Pass) -> None:
    episode, now = each.episode, done.now
    if episode is None:
        return
    before = (dict(episode.details), episode.severity, episode.status)
    opened = any(one is episode for one in done.opened)
    rule = rule_for(each.one, repeat=settings.repeat)
    episode.severity = rule.severity
    episode.details |= described(each.one)
    acknowledged = episode.acknowledgement
    if acknowledged is not None and not acknowledged.holds(now, episode.severity):
        episode.status = AlertStatus.OPEN
        done.events.append(TimelineEntry(episode.tenant_id, episode.id, "acknowledgement ended", {}))
    mute = muting.of(episode)
    episode.mute(follow(episode.muted, mute, now), mute)
    state = AlertState(Phase.FIRING, episode.triggered_at, at=now, known_at=now, reopened=each.again)
    told = tell_open(episode, rule, state, directory, now=now, mute=mute)
    episode.details["withheld"] = list(told.withheld)
    if opened:
        started = {"detail": episode.details["summary"], "started_at": each.one.starts_at.isoformat()}
        done.events.append(TimelineEntry(episode.tenant_id, episode.id, "fired", started))
    if opened or before != (episode.details, episode.severity, episode.status):
        done.updated.append(episode)
    done.events += told.events
    done.tellings += told.tellings
    done.muted += told.muted


async def _save(connection: AsyncConnection, due: Sequence[_Due], now: datetime) -> None:
    kept = [each for each in due if each.going_on(now)]
    gone = [each for each in due if not each.going_on(now)]
    await connection.execute(
        _SAVE,
        _keys(kept)
        | {
            "alerts": [each.episode.id if each.episode else None for each in kept],
            "due": [min(each.one.ends_at, now + LOOK_EVERY) for each in kept],
        },
    )
    await connection.execute(_FORGET, _keys(gone))


def _keys(due: Sequence[_Due]) -> dict[str, list[Any]]:
    return {
        "tenants": [each.row.tenant_id for each in due],
        "fingerprints": [each.row.fingerprint for each in due],
    }


def _of(settings: Mapping[UUID, AlertSettings], each: _Due) -> ReceivedBody:
    found = settings.get(each.row.tenant_id)
    return found.received if found is not None else ReceivedBody()


def _received(row: Any) -> Received:
    return Received(row.labels, row.annotations, row.starts_at, row.ends_at, row.resolved, row.generator_url)
