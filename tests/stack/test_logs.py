"""What the programs write into their logs, at the most talkative level and when things go wrong: never a secret."""

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from monitor.db import Role
from tests.factories import make_tenant
from tests.servers.process import free_port
from tests.stage import Stage, open_stage, until

_TRIED = text("SELECT count(DISTINCT channel) FROM notifications WHERE attempts > 0 AND last_error IS NOT NULL")
SECRETS = (
    "smtp", "redis", "slack_bot_token", "slack_signing_secret", "webhook_secret", "secret_keys",
    "hook", "signs", "wrong_key", "password", "value",
)  # fmt: skip
"""Of the installation, of a channel, and of requests."""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Programs of this test's own."""
    async with open_stage(tmp_path) as made:
        yield made


async def test_no_secret_is_in_a_log_whatever_goes_wrong(stage: Stage) -> None:
    known = {name: f"{name}-{secrets.token_hex(12)}" for name in SECRETS}
    nobody = free_port()
    given = {
        "log_level": "debug",
        "smtp_url": f"smtp://mailer:{known['smtp']}@127.0.0.1:{nobody}",
        "redis_url": f"redis://:{known['redis']}@127.0.0.1:{nobody}/0",
        "slack_api_url": f"http://127.0.0.1:{nobody}/api/",
        "slack_bot_token": known["slack_bot_token"],
        "slack_signing_secret": known["slack_signing_secret"],
        "webhook_secret": known["webhook_secret"],
        "webhook_allow": "127.0.0.0/8",
        "secret_keys": known["secret_keys"],
        "evaluation_interval": "1",
    }
    tenant = await make_tenant(stage.db)
    collector = await stage.collector(**given).start()
    alerter = await stage.alerter(free_port(), **given).start()
    channels = {"email": "ops@example.com", "slack": "#ops", "webhook": f"http://127.0.0.1:{nobody}/{known['hook']}"}
    async with httpx.AsyncClient(base_url=collector.url, headers=tenant.headers, timeout=30) as client:
        rule = {"name": "fails", "conditions": {"status": "error"}, "channels": channels}
        assert (await client.post("/api/v1/alert-configs", json=rule)).status_code == 201
        hook = {"name": "hook", "kind": "webhook", "target": f"{channels['webhook']}/2", "secret": known["signs"]}
        assert (await client.post("/api/v1/channels", json=hook)).status_code == 201
        agent = await client.post("/api/v1/agents", json={"external_id": "akira-001"})
        known["ping"] = agent.json()["ping_url"].rpartition("/ping/")[2]
        assert (await client.get(f"/ping/{known['ping']}")).status_code == 200
        await refused(client, known)
        assert (await client.post("/api/v1/logs", json={"agent": "akira-001", "status": "error"})).status_code == 202

        async def tried() -> bool:
            async with stage.db.role(Role.OWNER) as connection:
                return int((await connection.execute(_TRIED)).scalar_one()) == len(channels)

        await until(tried, seconds=60, every=0.2)
    known["key"] = tenant.key
    for program in (collector, alerter):
        await program.stop()
        written = program.log.read_text()
        # It spoke of what went wrong, or there would be nothing to find a secret in.
        assert "Redis does not answer" in written
        assert program is collector or "a notification was not sent" in written
        assert [name for name, secret in known.items() if secret in written] == []


async def refused(client: httpx.AsyncClient, known: dict[str, str]) -> None:
    """Requests with secrets that are answered with an error."""
    wrong = {"X-API-Key": f"am_{known['wrong_key']}", "Authorization": f"Bearer am_{known['wrong_key']}"}
    assert (await client.get("/api/v1/agents", headers=wrong)).status_code == 401
    assert (await client.get(f"/ping/{known['wrong_key']}")).status_code == 404
    signing_in = {"login": "nobody@example.com", "password": known["password"]}
    assert (await client.post("/api/v1/sign-in", json=signing_in)).status_code == 401
    broken = json.dumps({"agent": "akira-001", "message": known["value"]})[:-1]
    assert (await client.post("/api/v1/logs", content=broken)).status_code == 400
