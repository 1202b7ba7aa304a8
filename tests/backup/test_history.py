"""InfluxDB's part: buckets are copied by its own backup and made again, sealed or not."""

import json
from pathlib import Path

import httpx
import pytest

from monitor.backup import history
from monitor.errors import ConfigError
from tests.servers.fixtures import Influx

LINES = "\n".join(f"numbers,agent=one value={n} {1_760_000_000 + n}" for n in range(500))
FLUX = '{{"query": "from(bucket: \\"{0}\\") |> range(start: 2025-01-01T00:00:00Z) |> count()", "type": "flux"}}'


def client(influx: Influx) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=influx.url, headers={"Authorization": f"Token {influx.token}"}, timeout=60)


async def counted(to: httpx.AsyncClient, influx: Influx, bucket: str) -> bool:
    """Whether the 500 points are there."""
    answer = await to.post(
        "/api/v2/query", params={"org": influx.org}, content=FLUX.format(bucket),
        headers={"Content-Type": "application/json", "Accept": "application/csv"},
    )  # fmt: skip
    return ",500," in answer.raise_for_status().text


@pytest.mark.parametrize("secret", [None, "a key of the tests for history"])
async def test_buckets_come_back(influx: Influx, tmp_path: Path, secret: str | None) -> None:
    where = history.Influx(influx.url, influx.token, influx.org, influx.bucket)
    folder, bucket = tmp_path / "influx", f"{influx.bucket}_raw"
    made_ids: list[str] = []
    async with client(influx) as to:
        org = (await to.get("/api/v2/orgs", params={"org": influx.org})).json()["orgs"][0]["id"]
        for name in (bucket, f"other_{influx.bucket}"):
            made = await to.post("/api/v2/buckets", json={"orgID": org, "name": name, "retentionRules": []})
            made_ids.append(made.raise_for_status().json()["id"])
            written = {"org": influx.org, "bucket": name, "precision": "s"}
            (await to.post("/api/v2/write", params=written, content=LINES)).raise_for_status()
        assert await history.save(where, folder, secret=secret) == (bucket,)
        with pytest.raises(ConfigError, match="already"):
            await history.bring_back(where, folder, (bucket,), secret=secret)
        for identity in made_ids:
            (await to.delete(f"/api/v2/buckets/{identity}")).raise_for_status()
        await history.bring_back(where, folder, (bucket,), secret=secret)
        assert await counted(to, influx, bucket)
    names = {path.name for path in folder.iterdir()}
    assert all(name.endswith(".sealed") == bool(secret) for name in names)
    if secret is None:
        assert json.loads((folder / f"{bucket}.json").read_text())["bucketName"] == bucket


async def test_a_token_that_may_not_is_named(influx: Influx, tmp_path: Path) -> None:
    where = history.Influx(influx.url, "another token", influx.org, influx.bucket)
    with pytest.raises(ConfigError, match="token of an operator"):
        await history.save(where, tmp_path / "influx", secret=None)
