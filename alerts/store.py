"""States and episodes as a tick reads and saves them: each statement serves all targets of the pass."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.grouping import fingerprint
from alerts.core.labels import make_labels
from alerts.core.vocabulary import Verdict
from alerts.episode import Episode, StateRow, episode_of, state_of, state_to_json
from alerts.targets import TargetKey, columns_of
from monitor import arrays

_STATE_COLUMNS = """
    SELECT s.tenant_id, s.config_id, s.agent_id, s.labels, s.phase, s.since, s.state, s.verdict, s.value, s.alert_id
"""
_READ_STATES = text(f"""
    {_STATE_COLUMNS}
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:rules AS uuid[]), CAST(:agents AS uuid[]))
        AS wanted (tenant_id, config_id, agent_id)
    JOIN alert_states s ON s.tenant_id = wanted.tenant_id AND s.config_id = wanted.config_id
        AND s.agent_id = wanted.agent_id
    ORDER BY s.tenant_id, s.config_id, s.agent_id, s.fingerprint
    FOR UPDATE OF s
""")
_SAVE_STATES = text("""
    INSERT INTO alert_states (tenant_id, config_id, agent_id, fingerprint, labels, phase, since, state, verdict,
                              value, detail, evaluated_at, alert_id)
    SELECT t, c, a, f, l::jsonb, p, s, j::jsonb, v, n, d, e, i
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:rules AS uuid[]), CAST(:agents AS uuid[]),
                CAST(:fingerprints AS text[]), CAST(:labels AS text[]), CAST(:phases AS text[]),
                CAST(:since AS timestamptz[]), CAST(:states AS text[]), CAST(:verdicts AS text[]),
                CAST(:values AS float8[]), CAST(:details AS text[]), CAST(:at AS timestamptz[]),
                CAST(:alerts AS uuid[])) AS r (t, c, a, f, l, p, s, j, v, n, d, e, i)
    ON CONFLICT (tenant_id, config_id, agent_id, fingerprint) DO UPDATE SET
        phase = EXCLUDED.phase, since = EXCLUDED.since, state = EXCLUDED.state, verdict = EXCLUDED.verdict,
        value = EXCLUDED.value, detail = EXCLUDED.detail, evaluated_at = EXCLUDED.evaluated_at,
        alert_id = EXCLUDED.alert_id
""")
_DROP_STATES = text("""
    DELETE FROM alert_states s
    USING unnest(CAST(:tenants AS uuid[]), CAST(:rules AS uuid[]), CAST(:agents AS uuid[]),
                 CAST(:fingerprints AS text[])) AS d (tenant_id, config_id, agent_id, fingerprint)
    WHERE s.tenant_id = d.tenant_id AND s.config_id = d.config_id AND s.agent_id = d.agent_id
      AND s.fingerprint = d.fingerprint
""")
_READ_ALERTS = text("""
    SELECT a.*
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS wanted (tenant_id, id)
    JOIN alerts a ON a.tenant_id = wanted.tenant_id AND a.id = wanted.id
    ORDER BY a.tenant_id, a.id
    FOR UPDATE OF a
""")
_INSERT_ALERTS = text("""
    INSERT INTO alerts (tenant_id, id, config_id, config_version, agent_id, rule, fingerprint, labels, severity, value,
                        triggered_at, created_at, details, heard, last_notified_at)
    SELECT t, i, c, v, a, r, f, l::jsonb, s, n, :now, :now, d::jsonb, h::jsonb, CASE WHEN h <> '[]' THEN :now END
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:rules AS uuid[]), CAST(:versions AS bigint[]),
                CAST(:agents AS uuid[]), CAST(:names AS text[]), CAST(:fingerprints AS text[]),
                CAST(:labels AS text[]), CAST(:severities AS text[]), CAST(:values AS float8[]),
                CAST(:details AS text[]), CAST(:heard AS text[])) AS r (t, i, c, v, a, r, f, l, s, n, d, h)
    ON CONFLICT (tenant_id, (coalesce(config_id::text, rule)), (coalesce(agent_id::text, '')), fingerprint)
        WHERE resolved_at IS NULL DO UPDATE SET
            value = EXCLUDED.value, severity = EXCLUDED.severity, details = EXCLUDED.details
    RETURNING tenant_id, config_id, agent_id, fingerprint, id
""")
_OPEN_ALREADY = text("""
    SELECT a.tenant_id, a.config_id, a.agent_id, a.fingerprint
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:rules AS uuid[]), CAST(:names AS text[]), CAST(:agents AS uuid[]),
                CAST(:fingerprints AS text[])) AS wanted (tenant_id, rule, name, agent, fingerprint)
    JOIN alerts a ON a.tenant_id = wanted.tenant_id AND a.resolved_at IS NULL
        AND coalesce(a.config_id::text, a.rule) = coalesce(wanted.rule::text, wanted.name)
        AND coalesce(a.agent_id::text, '') = coalesce(wanted.agent::text, '')
        AND a.fingerprint = wanted.fingerprint
""")
_UPDATE_ALERTS = text("""
    UPDATE alerts a
    SET value = u.value, severity = u.severity, status = u.status, resolved_at = u.resolved_at, reason = u.reason,
        acknowledged_at = CASE WHEN u.status = 'open' THEN NULL ELSE a.acknowledged_at END,
        details = u.details::jsonb
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:values AS float8[]), CAST(:severities AS text[]),
                CAST(:statuses AS text[]), CAST(:resolved AS timestamptz[]), CAST(:reasons AS text[]),
                CAST(:details AS text[])) AS u (tenant_id, id, value, severity, status, resolved_at, reason, details)
    WHERE a.tenant_id = u.tenant_id AND a.id = u.id
""")
_LAST_MESSAGES = text("""
    SELECT l.tenant_id, l.agent_id, l.last_message
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:agents AS uuid[])) AS wanted (tenant_id, agent_id)
    JOIN agent_live l ON l.tenant_id = wanted.tenant_id AND l.agent_id = wanted.agent_id
    WHERE l.last_message IS NOT NULL AND l.last_status <> 'success'
""")


async def lock_states(connection: AsyncConnection, keys: Sequence[TargetKey]) -> dict[TargetKey, list[StateRow]]:
    """The states of targets, locked until the transaction ends."""
    rows = await connection.execute(_READ_STATES, columns_of(keys))
    states: dict[TargetKey, list[StateRow]] = {}
    for row in rows:
        key = TargetKey(row.tenant_id, row.config_id, row.agent_id)
        states.setdefault(key, []).append(
            StateRow(key, make_labels(row.labels), state_of(row), Verdict(row.verdict), row.value, "", row.alert_id)
        )
    return states


async def save_states(connection: AsyncConnection, rows: Sequence[StateRow], *, now: datetime) -> None:
    """Insert or replace states."""
    if not rows:
        return
    await connection.execute(
        _SAVE_STATES,
        columns_of([row.key for row in rows])
        | {
            "fingerprints": arrays.texts([fingerprint(row.labels) for row in rows]),
            "labels": arrays.jsons(dict(row.labels) for row in rows),
            "phases": arrays.texts([row.state.phase for row in rows]),
            "since": arrays.moments([row.state.since or now for row in rows]),
            "states": arrays.jsons(state_to_json(row.state) for row in rows),
            "verdicts": arrays.texts([row.verdict for row in rows]),
            "values": arrays.float8s_or_null([row.value for row in rows]),
            "details": arrays.texts([row.detail for row in rows]),
            "at": arrays.moments([row.state.at or now for row in rows]),
            "alerts": arrays.uuids_or_null([row.alert_id for row in rows]),
        },
    )


async def drop_states(connection: AsyncConnection, rows: Sequence[StateRow]) -> None:
    """Forget states."""
    if rows:
        given = columns_of([row.key for row in rows])
        fingerprints = arrays.texts([fingerprint(row.labels) for row in rows])
        await connection.execute(_DROP_STATES, given | {"fingerprints": fingerprints})


async def lock_alerts(connection: AsyncConnection, keys: Iterable[tuple[UUID, UUID]]) -> dict[UUID, Episode]:
    """Alerts by id, from (tenant, alert) pairs, locked until the transaction ends."""
    pairs = list(keys)
    if not pairs:
        return {}
    tenants, ids = (arrays.uuids(column) for column in zip(*pairs, strict=True))
    rows = await connection.execute(_READ_ALERTS, {"tenants": tenants, "ids": ids})
    return {row.id: episode_of(row) for row in rows}


async def insert_alerts(
    connection: AsyncConnection,
    alerts: Sequence[Episode],
    *,
    now: datetime,
    heard: Mapping[UUID, Sequence[Mapping[str, Any]]] | None = None,
) -> None:
    """Open episodes. Where one is open already for the same rule, agent and label set, its id is taken over.

    `heard`: who is told of them in the same transaction, by the alert's id (`alerts.heard`).
    """
    if not alerts:
        return
    told = heard or {}
    rows = await connection.execute(
        _INSERT_ALERTS,
        _columns(alerts)
        | _keys(alerts)
        | {
            "now": now,
            "versions": arrays.int8s_or_null([alert.config_version for alert in alerts]),
            "labels": arrays.jsons(alert.labels for alert in alerts),
            "heard": arrays.jsons(told.get(alert.id, ()) for alert in alerts),
        },
    )
    asked = {alert.id for alert in alerts}
    others = {tuple(row[:4]): row.id for row in rows if row.id not in asked}
    for alert in alerts if others else ():
        alert.id = others.get((alert.tenant_id, alert.config_id, alert.agent_id, alert.fingerprint), alert.id)


async def take_over(connection: AsyncConnection, alerts: Sequence[Episode], *, now: datetime) -> set[UUID]:
    """Find what is open already of episodes that are to be opened: they get its id, which is returned."""
    if not alerts:
        return set()
    given = _keys(alerts) | {"tenants": arrays.uuids([alert.tenant_id for alert in alerts])}
    known = {tuple(row) for row in await connection.execute(_OPEN_ALREADY, given)}
    taken = (
        [one for one in alerts if (one.tenant_id, one.config_id, one.agent_id, one.fingerprint) in known]
        if known
        else []
    )
    await insert_alerts(connection, taken, now=now)
    return {alert.id for alert in taken}


async def update_alerts(connection: AsyncConnection, alerts: Sequence[Episode]) -> None:
    """Save what changed in episodes, their end included."""
    if not alerts:
        return
    await connection.execute(
        _UPDATE_ALERTS,
        _columns(alerts)
        | {
            "statuses": arrays.texts([alert.status for alert in alerts]),
            "resolved": arrays.moments([alert.resolved_at for alert in alerts]),
            "reasons": arrays.texts([alert.reason for alert in alerts]),
        },
    )


def _columns(alerts: Sequence[Episode]) -> dict[str, Any]:
    """What is saved of an episode whenever it is."""
    return {
        "tenants": arrays.uuids([alert.tenant_id for alert in alerts]),
        "ids": arrays.uuids([alert.id for alert in alerts]),
        "values": arrays.float8s_or_null([alert.value for alert in alerts]),
        "severities": arrays.texts([alert.severity for alert in alerts]),
        "details": arrays.jsons(alert.details for alert in alerts),
    }


def _keys(alerts: Sequence[Episode]) -> dict[str, Any]:
    """What one open episode there can be of, beside the tenant."""
    return {
        "rules": arrays.uuids_or_null([alert.config_id for alert in alerts]),
        "names": arrays.texts([alert.rule for alert in alerts]),
        "agents": arrays.uuids_or_null([alert.agent_id for alert in alerts]),
        "fingerprints": arrays.texts([alert.fingerprint for alert in alerts]),
    }


async def last_messages(
    connection: AsyncConnection, agents: Sequence[tuple[UUID, UUID]]
) -> Mapping[tuple[UUID, UUID], str]:
    """What agents said with their last execution, where it was not a success."""
    if not agents:
        return {}
    tenants, ids = (arrays.uuids(column) for column in zip(*agents, strict=True))
    rows = await connection.execute(_LAST_MESSAGES, {"tenants": tenants, "agents": ids})
    return {(row.tenant_id, row.agent_id): row.last_message for row in rows}
