"""`/api/v1/alert-settings`: how a tenant wants to be told."""

from fastapi import APIRouter

from alerts.configs import with_secrets, without_secrets
from alerts.core.condition import ConditionError
from alerts.core.targets import parse_channels
from alerts.names import check_channels
from alerts.settings import get_settings, put_settings
from alerts.settings_bodies import AlertSettings
from monitor.errors import InvalidInput
from monitor.http.deps import Given, Reader, Writer

router = APIRouter(prefix="/api/v1/alert-settings", tags=["alerts"])


@router.get("")
async def read(deps: Given, principal: Reader) -> AlertSettings:
    """The settings, with the defaults of what was never set."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return _shown(await get_settings(connection, principal.tenant_id))


@router.put("")
async def write(deps: Given, principal: Writer, body: AlertSettings) -> AlertSettings:
    """Replace the settings: what is not sent has its default again. They hold from the next pass on."""
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        old = await get_settings(connection, tenant_id)
        sent = with_secrets(body.model_dump(mode="json"), old.model_dump(mode="json"))
        settings = AlertSettings.model_validate(sent)
        try:
            routes = [parse_channels(one.channels, "routes.channels") for one in settings.routes]
            digests = [parse_channels(one.channels, "digest.channels") for one in settings.digest]
        except ConditionError as error:
            raise InvalidInput(error.message, path=error.path) from error
        await check_channels(connection, tenant_id, routes, path="routes.channels")
        await check_channels(connection, tenant_id, digests, path="digest.channels")
        new = without_secrets(await put_settings(connection, tenant_id, settings))
        await deps.audit(connection, principal, "alert_settings.updated", resource=("tenant", str(tenant_id)), new=new)
    return _shown(settings)


def _shown(settings: AlertSettings) -> AlertSettings:
    return AlertSettings.model_validate(without_secrets(settings.model_dump(mode="json")))
