"""Everything of alerting over HTTP: rules, alerts and channels."""

from fastapi import APIRouter

from alerts import alert_routes, channel_routes, rule_routes
from monitor.http.deps import Deps


def router(deps: Deps) -> APIRouter:
    """All routes of this package."""
    routes = APIRouter()
    for part in (rule_routes, alert_routes, channel_routes):
        routes.include_router(part.router(deps))
    return routes
