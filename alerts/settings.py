"""Settings of alerting as they are stored, a row for each tenant that has any."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import structlog
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.settings_bodies import AlertSettings

_log = structlog.get_logger(__name__)

_READ = text("SELECT tenant_id, settings FROM alert_settings WHERE tenant_id = ANY (:tenants)")
_PUT = text("""
    INSERT INTO alert_settings (tenant_id, settings) VALUES (:tenant_id, CAST(:settings AS jsonb))
    ON CONFLICT (tenant_id) DO UPDATE SET settings = EXCLUDED.settings
""")


async def read_settings(connection: AsyncConnection, tenants: Iterable[UUID]) -> dict[UUID, AlertSettings]:
    """The settings of these tenants, of those that have any."""
    rows = await connection.execute(_READ, {"tenants": sorted(set(tenants))})
    return {row.tenant_id: _parse(row.tenant_id, row.settings) for row in rows}


async def get_settings(connection: AsyncConnection, tenant_id: UUID) -> AlertSettings:
    """One tenant's settings."""
    return (await read_settings(connection, [tenant_id])).get(tenant_id) or AlertSettings()


async def put_settings(connection: AsyncConnection, tenant_id: UUID, settings: AlertSettings) -> dict[str, Any]:
    """Replace a tenant's settings; returns them as stored."""
    stored: dict[str, Any] = settings.model_dump(mode="json", exclude_defaults=True)
    await connection.execute(_PUT, {"tenant_id": tenant_id, "settings": json.dumps(stored)})
    return stored


def _parse(tenant_id: UUID, raw: Any) -> AlertSettings:
    try:
        return AlertSettings.model_validate(raw)
    except ValidationError as error:
        # Written by another release: pages go out all the same, as they come.
        _log.warning("alert settings cannot be read", tenant=str(tenant_id), error=str(error))
        return AlertSettings()
