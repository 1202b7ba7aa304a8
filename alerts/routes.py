"""Everything of alerting over HTTP: rules, alerts and channels."""

from fastapi import APIRouter

from alerts import (
    alert_routes,
    alertmanager_routes,
    bounce_routes,
    channel_routes,
    escalation_routes,
    inhibition_routes,
    pack_routes,
    rule_routes,
    settings_routes,
    silence_routes,
    slack_routes,
    trust_routes,
)

router = APIRouter()
for _part in (
    trust_routes,
    rule_routes,
    pack_routes,
    alert_routes,
    alertmanager_routes,
    bounce_routes,
    channel_routes,
    settings_routes,
    silence_routes,
    slack_routes,
    inhibition_routes,
    escalation_routes,
):
    router.include_router(_part.router)
