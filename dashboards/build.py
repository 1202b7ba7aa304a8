"""Writes the dashboards as JSON, compares what is committed with what would be written, and hands them to Grafana."""

import json
from pathlib import Path

import httpx

from dashboards.panels import Addresses, Json, Store, dashboard
from monitor.errors import ConfigError, Unavailable
from monitor.settings import Settings

DEFAULT = Addresses()
"""What the committed files carry."""
FOLDER = Path(__file__).parent / "json"
PATIENCE = 10.0
"""Seconds that Grafana may take to answer."""


def addresses(settings: Settings) -> Addresses:
    """Those of this installation."""
    return Addresses(console=settings.public_url, bucket=settings.influx_bucket)


def name(store: Store) -> str:
    """The dashboard's file."""
    return f"fleet-{store}.json"


def render(store: Store, carried: Addresses) -> str:
    """The file's text: the same for the same definition, whenever and wherever it is written."""
    return json.dumps(dashboard(store, carried), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write(folder: Path, carried: Addresses) -> list[Path]:
    """Write a file for each store."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for store in Store:
        path = folder / name(store)
        path.write_text(render(store, carried), encoding="utf-8")
        written.append(path)
    return written


def drifted(folder: Path, carried: Addresses) -> list[Path]:
    """The files that are missing or say something else than the definition does."""
    paths = [folder / name(store) for store in Store]
    texts = [path.read_text(encoding="utf-8") if path.exists() else None for path in paths]
    return [path for path, text, store in zip(paths, texts, Store, strict=True) if text != render(store, carried)]


async def push(settings: Settings) -> list[str]:
    """Put dashboards into a running Grafana, over older ones of the same uid; returns their addresses.

    `POST /api/dashboards/db` of Grafana's HTTP API. Raises Unavailable when it does not answer, ConfigError when it
    refuses or the settings do not name it.
    """
    if settings.grafana_url is None or settings.grafana_token is None:
        raise ConfigError("AGENT_MONITOR_GRAFANA_URL and AGENT_MONITOR_GRAFANA_TOKEN are not both set")
    base = settings.grafana_url.rstrip("/")
    stores = [store for store in Store if store is Store.POSTGRES or settings.influx_url is not None]
    headers = {"Authorization": f"Bearer {settings.grafana_token}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=PATIENCE) as client:
        return [base + await _put(client, dashboard(store, addresses(settings))) for store in stores]


async def _put(client: httpx.AsyncClient, made: Json) -> str:
    body = {"dashboard": made | {"id": None}, "overwrite": True, "message": "agent-monitor dashboards push"}
    try:
        answer = await client.post("/api/dashboards/db", json=body)
    except httpx.TransportError as fault:
        raise Unavailable(f"Grafana does not answer: {fault}") from fault
    if answer.status_code >= 500:
        raise Unavailable(f"Grafana answered {answer.status_code}")
    if answer.status_code != 200:
        raise ConfigError(f"Grafana refused {made['title']!r}: {answer.status_code} {_reason(answer)}")
    return str(answer.json()["url"])


def _reason(answer: httpx.Response) -> str:
    """Grafana's words for it, or the beginning of whatever it said."""
    try:
        said = answer.json()
    except ValueError:
        return answer.text[:200]
    return str(said.get("message", "")) if isinstance(said, dict) else ""
