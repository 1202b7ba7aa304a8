"""`/api/v1/alert-settings`: how a tenant wants to be told."""

from typing import Any

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from alerts.configs import with_secrets, without_secrets
from alerts.core.targets import parse_channels
from alerts.names import check_channels
from alerts.settings import get_settings, put_settings
from alerts.settings_bodies import AlertSettings
from monitor.http.deps import Given, Reader, Writer

router = APIRouter(prefix="/api/v1/alert-settings", tags=["alerts"])


@router.get("")
async def read(deps: Given, principal: Reader) -> dict[str, Any]:
    """The settings, with the defaults of what was never set."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return _shown(await get_settings(connection, principal.tenant_id))


@router.put("")
async def write(deps: Given, principal: Writer, body: dict[str, Any]) -> dict[str, Any]:
    """Replace the settings: what is not sent has its default again. They hold from the next pass on."""
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        old = await get_settings(connection, tenant_id)
        try:
            settings = AlertSettings.model_validate(with_secrets(body, old.model_dump(mode="json")))
        except ValidationError as error:
            raise RequestValidationError(error.errors(include_url=False, include_input=False)) from error
        channels = [parse_channels(one.channels) for one in settings.routes]
        await check_channels(connection, tenant_id, channels, path="routes.channels")
        new = without_secrets(await put_settings(connection, tenant_id, settings))
        await deps.audit(connection, principal, "alert_settings.updated", resource=("tenant", str(tenant_id)), new=new)
    return _shown(settings)


def _shown(settings: AlertSettings) -> dict[str, Any]:
    return {**without_secrets(settings.model_dump(mode="json"))}
