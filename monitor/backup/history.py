"""InfluxDB's part of a backup, by its own backup over HTTP (`/api/v2/backup`, `/api/v2/restore`), bucket by bucket.

Both need an operator's token, which may see the whole server. In the folder: `<bucket>.json`, what InfluxDB says of the
bucket, and `<shard>.tar.gz` for each of its shards.
"""

import contextlib
import email
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from monitor.backup import cipher
from monitor.errors import ConfigError, SeriesDown
from monitor.series.influx_client import trust
from monitor.settings import Settings

_TIMEOUT = httpx.Timeout(600.0, connect=10.0)


@dataclass(frozen=True, slots=True)
class Influx:
    """Where InfluxDB is, and whose buckets are ours: those whose names begin so; `ca` as `trust` has it."""

    url: str
    token: str
    org: str
    bucket: str
    ca: str | None = None


def influx_of(settings: Settings) -> Influx | None:
    """From the settings; None where history is in PostgreSQL. Raises ConfigError where token or org are missing."""
    if settings.influx_url is None:
        return None
    if not settings.influx_token or not settings.influx_org:
        raise ConfigError("AGENT_MONITOR_INFLUX_TOKEN and AGENT_MONITOR_INFLUX_ORG are needed to back InfluxDB up")
    return Influx(
        settings.influx_url, settings.influx_token, settings.influx_org, settings.influx_bucket, settings.influx_ca
    )


async def save(influx: Influx, folder: Path, *, secret: str | None) -> tuple[str, ...]:
    """Copy our buckets into a folder; their names. Raises SeriesDown, ConfigError for a token that may not."""
    folder.mkdir()
    async with _client(influx) as client:
        buckets = [one for one in await _buckets(client) if _ours(influx, one)]
        for bucket in buckets:
            path = folder / f"{bucket['bucketName']}.json"
            path.write_bytes(msgspec.json.encode(bucket))
            _seal(path, secret)
            for shard in _shards(bucket):
                await _save_shard(client, shard["id"], folder, secret)
    return tuple(bucket["bucketName"] for bucket in buckets)


async def bring_back(influx: Influx, folder: Path, buckets: tuple[str, ...], *, secret: str | None) -> None:
    """Make the buckets of a backup again. Raises ConfigError where one of them is there already."""
    async with _client(influx) as client:
        here = {one["bucketName"] for one in await _buckets(client) if one["organizationName"] == influx.org}
        if there := sorted(here & set(buckets)):
            raise ConfigError(f"InfluxDB has the bucket {there[0]} already: restore into an empty place")
        found = (await client.get("/api/v2/orgs", params={"org": influx.org})).raise_for_status().json()["orgs"]
        for name in buckets:
            path = next(folder.glob(f"{name}.json*"))
            with cipher.read(path, secret=secret) as reading:
                said = msgspec.json.decode(reading.read())
            said |= {"organizationID": found[0]["id"], "organizationName": influx.org}
            answer = await client.post("/api/v2/restore/bucketMetadata", json=said)
            made = {one["oldId"]: one["newId"] for one in _taken(answer).json()["shardMappings"]}
            for shard in _shards(said):
                await _bring_shard(client, made[shard["id"]], folder / f"{shard['id']}.tar.gz", secret)


async def _save_shard(client: httpx.AsyncClient, shard: int, folder: Path, secret: str | None) -> None:
    path = folder / f"{shard}.tar.gz"
    async with client.stream("GET", f"/api/v2/backup/shards/{shard}", headers={"Accept-Encoding": "gzip"}) as answer:
        if answer.status_code == httpx.codes.NOT_FOUND:
            return  # its time was over meanwhile
        if answer.is_error:
            await answer.aread()
        _taken(answer)
        with path.open("wb") as writing:
            async for block in answer.aiter_raw():
                writing.write(block)
    _seal(path, secret)


async def _bring_shard(client: httpx.AsyncClient, shard: int, path: Path, secret: str | None) -> None:
    found = next(iter(path.parent.glob(f"{path.name}*")), None)
    if found is None:
        return

    async def blocks() -> AsyncIterator[bytes]:
        with cipher.read(found, secret=secret) as reading:
            while block := reading.read(1 << 20):
                yield block

    headers = {"Content-Encoding": "gzip", "Content-Type": "application/octet-stream"}
    _taken(await client.post(f"/api/v2/restore/shards/{shard}", content=blocks(), headers=headers))


async def _buckets(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = _taken(await client.get("/api/v2/backup/metadata"))
    kind = answer.headers["content-type"].encode()
    message = email.message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + answer.content)
    for part in message.walk():
        if part.get_param("name", header="content-disposition") == "buckets":
            found: list[dict[str, Any]] = msgspec.json.decode(part.get_payload(decode=True) or b"[]")  # type: ignore[arg-type]
            return found
    raise ConfigError("InfluxDB answers a request for a backup as no InfluxDB 2 does")


def _ours(influx: Influx, bucket: dict[str, Any]) -> bool:
    return bool(bucket["organizationName"] == influx.org and bucket["bucketName"].startswith(f"{influx.bucket}_"))


def _shards(bucket: dict[str, Any]) -> list[dict[str, Any]]:
    groups = [group for policy in bucket["retentionPolicies"] for group in policy["shardGroups"]]
    return [shard for group in groups if not group.get("deletedAt") for shard in group["shards"]]


def _seal(path: Path, secret: str | None) -> None:
    if secret:
        cipher.put(path, path, secret=secret)


def _taken(answer: httpx.Response) -> httpx.Response:
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise ConfigError("InfluxDB refuses: its backup needs a token of an operator (AGENT_MONITOR_INFLUX_TOKEN)")
    if answer.is_error:
        raise SeriesDown(f"InfluxDB answered {answer.status_code} to {answer.request.url.path}")
    return answer


@contextlib.asynccontextmanager
async def _client(influx: Influx) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Token {influx.token}"}
    try:
        async with httpx.AsyncClient(
            base_url=influx.url, headers=headers, timeout=_TIMEOUT, verify=trust(influx.ca)
        ) as client:
            yield client
    except httpx.TransportError as fault:
        raise SeriesDown(f"InfluxDB does not answer: {str(fault) or type(fault).__name__}") from fault
