"""Who sends, as its resource says. Pure."""

import hashlib
from typing import NamedTuple

from monitor.ingest.normalise.dialect import name, text
from monitor.ingest.otlp.records import Resource


class Sender(NamedTuple):
    """`service` stands in for an agent that no step names."""

    service: str | None
    version: str | None
    environment: str | None


def sender_of(resource: Resource) -> Sender:
    """What a resource says of its records."""
    said = resource.attributes
    return Sender(
        name(said.get("agent_monitor.agent")) or name(said.get("service.name")),
        text(said.get("service.version")),
        text(said.get("deployment.environment.name")) or text(said.get("deployment.environment")),
    )


def trace_id_of(*parts: str) -> str:
    """A trace id for what has none: 32 hex digits, the same for the same parts."""
    return _digest(parts, 16)


def span_id_of(*parts: str) -> str:
    """As `trace_id_of`, for a span: 16 hex digits."""
    return _digest(parts, 8)


def _digest(parts: tuple[str, ...], size: int) -> str:
    return hashlib.blake2b("\0".join(parts).encode(errors="replace"), digest_size=size).hexdigest()
