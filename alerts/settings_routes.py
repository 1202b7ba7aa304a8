"""`/api/v1/alert-settings`: how a tenant wants to be told."""

from fastapi import APIRouter

from alerts.core.targets import parse_channels
from alerts.names import check_channels
from alerts.settings import get_settings, put_settings
from alerts.settings_bodies import AlertSettings
from monitor.http.deps import Given, Reader, Writer

router = APIRouter(prefix="/api/v1/alert-settings", tags=["alerts"])


@router.get("")
async def read(deps: Given, principal: Reader) -> AlertSettings:
    """The settings, with the defaults of what was never set."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return await get_settings(connection, principal.tenant_id)


@router.put("")
async def write(deps: Given, principal: Writer, body: AlertSettings) -> AlertSettings:
    """Replace the settings: what is not sent has its default again. They hold from the next pass on."""
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        channels = [parse_channels(one.channels) for one in body.routes]
        await check_channels(connection, tenant_id, channels, path="routes.channels")
        new = await put_settings(connection, tenant_id, body)
        await deps.audit(connection, principal, "alert_settings.updated", resource=("tenant", str(tenant_id)), new=new)
    return body
