"""What people name in rules and elsewhere: who deletes or renames such a thing asks here who would miss it."""

from enum import Enum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import Conflict

_SHOWN = 3

# `.**`: a name stands under its key wherever channels do: in a rule's own, its escalation's, a route's.
_WHO = """
    SELECT who FROM (
        SELECT 1 AS place, name, 'the rule ' || quote_literal(name) AS who FROM alert_configs
        WHERE tenant_id = :tenant_id AND deleted_at IS NULL AND ({rule})
        UNION ALL SELECT 2, name, 'the escalation policy ' || quote_literal(name) FROM escalations
        WHERE tenant_id = :tenant_id AND {steps}
        UNION ALL SELECT 3, '', 'the alert settings' FROM alert_settings
        WHERE tenant_id = :tenant_id AND {settings}
        UNION ALL SELECT 4, '', 'the fallback channel' FROM tenants
        WHERE id = :tenant_id AND {fallback}
        UNION ALL SELECT 0, name, 'the rule pack ' || quote_literal(name) FROM rule_packs
        WHERE tenant_id = :tenant_id AND {overrides}
    ) AS used ORDER BY place, name
"""


def _under(key: str, column: str) -> str:
    given = "jsonb_build_object('name', CAST(:name AS text))"
    return f"""jsonb_path_exists({column}, '$.**."{key}" ? (@ == $name)', {given})"""


def _named_under(key: str) -> str:
    found = {column: _under(key, column) for column in ("steps", "settings", "overrides")}
    rule = f"{_under(key, 'channels')} OR {_under(key, 'timing')}"
    return _WHO.format(rule=rule, fallback=_under(key, "fallback_channel"), **found)


class Named(Enum):
    """What has a name that others use, and the statement that finds them."""

    CHANNEL = _named_under("channel")
    SCHEDULE = _named_under("on_call")
    POLICY = """
        SELECT who FROM (
            SELECT 1 AS place, name, 'the rule ' || quote_literal(name) AS who FROM alert_configs
            WHERE tenant_id = :tenant_id AND deleted_at IS NULL AND timing->>'escalate' = :name
            UNION ALL SELECT 0, name, 'the rule pack ' || quote_literal(name) FROM rule_packs
            WHERE tenant_id = :tenant_id AND jsonb_path_exists(
                overrides, '$.**."escalate" ? (@ == $name)', jsonb_build_object('name', CAST(:name AS text)))
        ) AS used ORDER BY place, name
    """
    MEMBER = """
        SELECT DISTINCT 'the on-call schedule ' || quote_literal(schedule) AS who FROM calendar_events
        WHERE tenant_id = :tenant_id AND kind = 'on_call'
          AND (CAST(:name AS uuid) = ANY (members) OR jsonb_path_exists(
                overrides, '$[*].members[*] ? (@ == $name)', jsonb_build_object('name', CAST(:name AS text))))
        ORDER BY who
    """


async def refuse_named(connection: AsyncConnection, tenant_id: UUID, what: Named, name: str) -> None:
    """Raise Conflict, which says by whom, where something still names it. A member's name is their id."""
    rows = await connection.execute(text(what.value), {"tenant_id": tenant_id, "name": name})
    users = list(rows.scalars())
    if users:
        more = f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else ""
        raise Conflict(f"still named by {', '.join(users[:_SHOWN])}{more}")
