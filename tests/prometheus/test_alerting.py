"""A real Prometheus, unchanged, that sends its alerts to us: one fires, is told, and is resolved."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from random import Random
from typing import Any

import httpx
from aiohttp import web
from prometheus_client import CollectorRegistry

from alerts.channels.base import open_channels
from alerts.deliver import Deliverer
from alerts.meters import Meters
from alerts.received import follow_received
from monitor import clock
from monitor.db import Database
from tests.factories import make_tenant
from tests.prometheus.server import running
from tests.prometheus.test_real_prometheus import until
from tests.servers.process import free_port

PUBLIC_URL = "https://monitor.example"
RULE = {
    "alert": "TargetDown", "expr": 'up{job="target"} == 0', "labels": {"severity": "page", "team": "platform"},
    "annotations": {"summary": "{{ $labels.instance }} is down", "runbook_url": "https://wiki.example/down"},
}  # fmt: skip


@contextlib.asynccontextmanager
async def alerter(db: Database, mails: Path) -> AsyncIterator[None]:
    """What the alerter's jobs do, over and over."""

    async def work(deliverer: Deliverer) -> None:
        while True:
            await follow_received(db, now=clock.now(), public_url=PUBLIC_URL)
            await deliverer.run_once(clock.now())
            await asyncio.sleep(0.2)

    async with open_channels(now=clock.now, smtp_url=f"maildir://{mails}") as channels:
        deliverer = Deliverer(
            db,
            channels,
            holder="alerter-1",
            clock=clock.now,
            rng=Random(1),
            public_url=PUBLIC_URL,
            meters=Meters(CollectorRegistry()),
        )
        task = asyncio.create_task(work(deliverer))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@contextlib.asynccontextmanager
async def target(port: int) -> AsyncIterator[None]:
    """Something that answers a scrape."""
    app = web.Application()

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text="answers 1\n")

    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield
    await runner.cleanup()


async def test_an_alert_of_prometheus_fires_and_is_resolved(db: Database, url: str, tmp_path: Path) -> None:
    tenant, port = await make_tenant(db), free_port()
    rules = tmp_path / "rules.yml"
    rules.write_text(json.dumps({"groups": [{"name": "g", "rules": [RULE]}]}))
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s", "external_labels": {"site": "lab"}},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": "target", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
        "alerting": {
            "alertmanagers": [
                {
                    "static_configs": [{"targets": [url.removeprefix("http://")]}],
                    "authorization": {"credentials": tenant.key},
                }
            ]
        },
    }
    async with httpx.AsyncClient(headers=tenant.headers, base_url=url) as client:
        put = await client.put("/api/v1/channels/fallback", json={"email": "ops@example.com"})
        assert put.status_code == 200, put.text

        async def alerts(status: str) -> Any:
            return (await client.get(f"/api/v1/alerts?status={status}")).json()["items"]

        async with alerter(db, tmp_path / "mails"), running(tmp_path, configuration) as prometheus:
            (alert,) = await until(lambda: alerts("open"))
            assert (alert["rule"], alert["severity"]) == ("TargetDown", "critical")
            assert alert["labels"] == {
                "job": "target", "instance": f"127.0.0.1:{port}", "severity": "page", "site": "lab", "team": "platform",
            }  # fmt: skip
            assert alert["details"]["summary"] == f"127.0.0.1:{port} is down"
            (shown,) = (await client.get("/api/v2/alerts", params={"filter": 'alertname="TargetDown"'})).json()
            assert shown["generatorURL"].endswith("tab=1")
            async with target(port):
                (alert,) = await until(lambda: alerts("resolved"))
            assert alert["reason"] == "recovered"
            assert await prometheus.figure("prometheus_notifications_sent_total") >= 2
            for name in ("errors", "dropped"):
                assert await prometheus.figure(f"prometheus_notifications_{name}_total") == 0
            mails = await until(lambda: read(tmp_path / "mails", 2))
    assert [mail["Subject"].partition("]")[0] for mail in mails] == ["[FIRING", "[RESOLVED"]
    assert f"127.0.0.1:{port} is down" in mails[0].get_body(("plain",)).get_content()


async def read(folder: Path, count: int) -> list[Any]:
    """The mails in a folder, once there are so many."""
    files = sorted((folder / "new").glob("*"), key=lambda file: file.name.split(".")[1])
    return [message_from_bytes(file.read_bytes(), policy=default) for file in files] if len(files) >= count else []
