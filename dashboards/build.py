"""Writes the dashboards as JSON, compares what is committed with what would be written, and hands them to Grafana."""

import json
from pathlib import Path

import httpx

from dashboards.drawing import Json
from dashboards.every import EVERY
from dashboards.layout import Dashboard
from dashboards.panels import Addresses, Store, dashboard
from monitor.errors import ConfigError, Unavailable
from monitor.settings import Settings

DEFAULT = Addresses()
"""What the committed files carry."""
FOLDER = Path(__file__).parent / "json"
PATIENCE = 10.0
"""Seconds that Grafana may take to answer."""
INTO = {"uid": "agent-monitor", "title": "Agent Monitor"}
"""The folder in Grafana; by the same title as provisioning's."""
PAGES = tuple((page, store) for page in EVERY for store in Store if store is Store.POSTGRES or page.reads_history)


def addresses(settings: Settings) -> Addresses:
    """Those of this installation."""
    return Addresses(console=settings.public_url, bucket=settings.influx_bucket)


def name(page: Dashboard, store: Store) -> str:
    """The dashboard's file."""
    return f"{page.slug}-{store}.json"


def render(page: Dashboard, store: Store, carried: Addresses) -> str:
    """The file's text: the same for the same definition, whenever and wherever it is written."""
    return json.dumps(dashboard(page, store, carried), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write(folder: Path, carried: Addresses) -> list[Path]:
    """Write a file for each dashboard and store."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for page, store in PAGES:
        path = folder / name(page, store)
        path.write_text(render(page, store, carried), encoding="utf-8")
        written.append(path)
    return written


def drifted(folder: Path, carried: Addresses) -> list[Path]:
    """The files that are missing or say something else than the definition does."""
    wanted = {folder / name(page, store): render(page, store, carried) for page, store in PAGES}
    return [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]


async def push(settings: Settings) -> list[str]:
    """Put dashboards into a folder of a running Grafana, over older ones of the same uid; returns their addresses.

    `/api/folders` and `POST /api/dashboards/db` of Grafana's HTTP API. Raises Unavailable when it does not answer,
    ConfigError when it refuses or the settings do not name it.
    """
    if settings.grafana_url is None or settings.grafana_token is None:
        raise ConfigError("AGENT_MONITOR_GRAFANA_URL and AGENT_MONITOR_GRAFANA_TOKEN are not both set")
    base = settings.grafana_url.rstrip("/")
    made = [
        dashboard(page, store, addresses(settings))
        for page, store in PAGES
        if store is Store.POSTGRES or settings.influx_url is not None
    ]
    headers = {"Authorization": f"Bearer {settings.grafana_token}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=PATIENCE) as client:
        await _folder(client)
        return [base + await _put(client, one) for one in made]


async def _folder(client: httpx.AsyncClient) -> None:
    """Make the folder where it is not there. Somebody else may make it at the same time: that is 409 or 412."""
    found = await _asked(client, "GET", f"/api/folders/{INTO['uid']}")
    if found.status_code == 404:
        found = await _asked(client, "POST", "/api/folders", INTO)
    if found.status_code not in {200, 409, 412}:
        raise ConfigError(f"Grafana refused the folder {INTO['title']!r}: {found.status_code} {_reason(found)}")


async def _put(client: httpx.AsyncClient, made: Json) -> str:
    body = {
        "dashboard": made | {"id": None}, "folderUid": INTO["uid"], "overwrite": True,
        "message": "agent-monitor dashboards push",
    }  # fmt: skip
    answer = await _asked(client, "POST", "/api/dashboards/db", body)
    if answer.status_code != 200:
        raise ConfigError(f"Grafana refused {made['title']!r}: {answer.status_code} {_reason(answer)}")
    return str(answer.json()["url"])


async def _asked(client: httpx.AsyncClient, method: str, path: str, body: Json | None = None) -> httpx.Response:
    try:
        answer = await client.request(method, path, json=body)
    except httpx.TransportError as fault:
        raise Unavailable(f"Grafana does not answer: {fault}") from fault
    if answer.status_code >= 500:
        raise Unavailable(f"Grafana answered {answer.status_code}")
    return answer


def _reason(answer: httpx.Response) -> str:
    """Grafana's words for it, or the beginning of whatever it said."""
    try:
        said = answer.json()
    except ValueError:
        return answer.text[:200]
    return str(said.get("message", "")) if isinstance(said, dict) else ""
