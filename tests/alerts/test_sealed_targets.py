"""With keys, the secrets of channels and contacts are sealed wherever they are stored, and opened to send alone."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from alerts.core.covering import seal
from alerts.core.vocabulary import Reason
from monitor.db import Database
from monitor.resealing import reseal
from monitor.sealing import Ring
from monitor.settings import Settings
from tests.alerts.test_service_channels import DISCORD, HOOK, SHOWN
from tests.alerts.timeline import PUBLIC_URL, Timeline, timeline
from tests.conftest import SettableClock

URL = "https://receiver.example/s3cret"
OLD, NEW = "the key ring of last year", "the key ring of this year"


@pytest.fixture
async def t(db: Database, clock: SettableClock) -> AsyncIterator[Timeline]:
    """With a key to seal with."""
    async with timeline(db, clock, Settings(public_url=PUBLIC_URL, secret_keys=(OLD,))) as made:
        yield made


async def everything(t: Timeline) -> str:
    """All that is stored of where messages go."""
    tables = ("channels", "contact_methods", "notification_groups", "paces", "notifications", "audit_logs", "alerts")
    return json.dumps([[str(row) for row in await t.rows(f"SELECT x::text FROM {table} x")] for table in tables])


async def test_they_are_sealed_on_their_whole_way_and_messages_go_out(t: Timeline) -> None:
    # What is held back for a digest or a group keeps a target's secret for itself.
    await t.request("PUT", "alert-settings", {"group": {"by": ["rule"], "wait": "30s", "interval": "5m"}}, expect=200)
    await t.request("POST", "channels", {"name": "hook", "kind": "webhook", "target": URL, "secret": "s3cret signs"})
    await t.request("POST", "channels", {"name": "talk", "kind": "discord", "target": DISCORD})
    me = f"members/owner@{t.tenant.slug}.example"
    shown = await t.request("PATCH", me, {"contacts": [{"kind": "slack", "target": HOOK}]})
    again = await t.request("PATCH", me, {"contacts": shown["contacts"]})
    assert [one["target"] for one in again["contacts"]] == [SHOWN["slack"]]
    await t.rule({"status": "error"}, channels={"channel": ["hook", "talk"]})
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    await t.tick("1m")
    assert t.expect("webhook", Reason.FIRST).message.secret == seal(URL, "s3cret signs")
    assert t.expect("discord", Reason.FIRST).message.secret == DISCORD
    assert "s3cret" not in await everything(t)


async def test_what_waits_is_sent_after_the_keys_have_changed(t: Timeline) -> None:
    await t.request("POST", "channels", {"name": "talk", "kind": "discord", "target": DISCORD})
    await t.rule({"status": "error"}, channels={"channel": "talk"})
    await t.log("akira-001", "error", "5s")
    await t.evaluator.run_once(t.at("10s"))
    await reseal(t.db, Ring([NEW, OLD]))
    t.deps = replace(t.deps, settings=replace(t.deps.settings, secret_keys=(NEW,)))
    t.deliverer = t.another_deliverer("alerter-2")
    await t.deliverer.run_once(t.at("20s"))
    assert t.expect("discord", Reason.FIRST).message.secret == DISCORD


async def test_without_its_key_a_message_is_tried_again_and_says_why(t: Timeline) -> None:
    await t.request("POST", "channels", {"name": "talk", "kind": "discord", "target": DISCORD})
    await t.rule({"status": "error"}, channels={"channel": "talk"})
    await t.log("akira-001", "error", "5s")
    t.deps = replace(t.deps, settings=replace(t.deps.settings, secret_keys=(NEW,)))
    t.deliverer = t.another_deliverer("alerter-2")
    await t.tick("10s")
    (row,) = await t.rows("SELECT status, last_error FROM notifications")
    assert (row["status"], "AGENT_MONITOR_SECRET_KEYS" in row["last_error"]) == ("pending", True)
