"""Who a metric or a log record is of, and which tags its points get."""

from typing import Any

from monitor.ingest import labels
from monitor.ingest.labels import text_of
from monitor.ingest.otlp.records import Attributes, Resource

AGENT_KEYS = ("agent_monitor.agent", "gen_ai.agent.name", "gen_ai.agent.id")
"""Attributes that name an agent, the first that is there: of the record, else of its resource."""

NOBODY = "unknown_service"
"""What OpenTelemetry calls a service without a name."""

RESOURCE_TAGS = {
    "service.name": "service.name",
    "service.version": "service.version",
    "service.instance.id": "service.instance.id",
    "deployment.environment": "deployment.environment",
    "deployment.environment.name": "deployment.environment",
}
"""Attributes of the resource that become tags, and the tag's name: what people filter by, and what keeps the totals of
two instances apart."""


def agent_of(attributes: Attributes, resource: Resource) -> str:
    """The agent's external id."""
    for given in (attributes, resource.attributes):
        for key in AGENT_KEYS:
            if found := text_of(given.get(key)):
                return found
    return text_of(resource.attributes.get("service.name")) or NOBODY


def tags_of(attributes: Attributes, resource: Resource) -> dict[str, str]:
    """Tags of a data point: its attributes, over those of its resource that become tags."""
    given: dict[str, Any] = {}
    for key, tag in RESOURCE_TAGS.items():
        if key in resource.attributes:
            given[tag] = resource.attributes[key]
    given |= attributes
    given.pop(AGENT_KEYS[0], None)
    return labels.tags_of(given.items())
