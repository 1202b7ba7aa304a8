"""The demo tells its story: within two minutes of the start alerts open, are told, and resolve."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor.demo import CYCLE, FLEET, RULES, Spell
from tests.acceptance.running import Dev, running

SECONDS = 120.0


async def alerts(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """All of them, newest first."""
    items: list[dict[str, Any]] = (await client.get("/api/v1/alerts")).json()["items"]
    return items


async def rule_names(dev: Dev) -> list[str]:
    """Of the rules that there are."""
    async with dev.client() as client:
        return sorted(rule["name"] for rule in (await client.get("/api/v1/alert-configs")).json()["items"])


@pytest.mark.accept
async def test_alerts_open_and_resolve_within_two_minutes(tmp_path: Path) -> None:
    async with running(tmp_path / "data", "--demo") as dev:
        deadline = time.monotonic() + SECONDS
        async with dev.client() as client:
            while not any(alert["rule"] == "Akira fails" and alert["resolved_at"] for alert in await alerts(client)):
                assert time.monotonic() < deadline, await alerts(client)
                await asyncio.sleep(1)
            found = {alert["rule"] for alert in await alerts(client)}
        assert found == {rule["name"] for rule in RULES}
        mails = [path.read_text() for path in (dev.data / "mail" / "new").iterdir()]
        assert any("Subject: [FIRING" in mail and "Akira" in mail for mail in mails)


async def test_a_second_start_makes_nothing_twice(tmp_path: Path) -> None:
    for _ in range(2):
        async with running(tmp_path / "data", "--demo") as dev:
            deadline = time.monotonic() + 20
            while len(await rule_names(dev)) < len(RULES):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.2)
            assert await rule_names(dev) == sorted(rule["name"] for rule in RULES)
            async with dev.client() as client:
                agents = (await client.get("/api/v1/agents")).json()["items"]
            assert {actor.name for actor in FLEET} <= {agent["external_id"] for agent in agents}


def test_the_story_repeats() -> None:
    spell = Spell(20, 60)
    assert [spell.holds(at) for at in (19.9, 20, 59.9, 60, CYCLE + 20, 3 * CYCLE + 60)] == [
        False, True, True, False, True, False,
    ]  # fmt: skip
