"""MCP servers and their configurations: whose they are, what fits, and that secrets are neither stored nor answered."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import insert, text

from monitor.db import Database
from monitor.errors import InvalidInput
from monitor.ids import PLATFORM_TENANT, uuid7
from monitor.principal import Scope
from monitor.settings import Settings
from monitor.tools.tables import McpServer
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_key, make_tenant
from tests.http.application import serving

KEYS = ("the key ring of these tests",)
SCHEMA = {
    "type": "object",
    "required": ["token"],
    "properties": {
        "token": {"type": "string", "secret": True, "minLength": 8, "pattern": "^tok-"},
        "port": {"type": "integer", "minimum": 1},
        "proxy": {"type": "object", "properties": {"password": {"type": "string", "writeOnly": True}}},
    },
}
SERVER = {"slug": "files", "name": "Files", "server_type": "stdio", "command": "files --serve", "config_schema": SCHEMA}
TOKEN, PASSWORD, VALUE = "tok-of-the-year", "the proxy's own", "from the environment"


class Toolbox:
    """Speaks for one tenant."""

    def __init__(self, client: httpx.AsyncClient, db: Database, tenant: TenantMade) -> None:
        self.client = client
        self.db = db
        self.tenant = tenant

    async def ask(self, method: str, path: str, *, expect: int | None = None, key: str = "", **given: Any) -> Any:
        """One request; the body of its answer. Without `expect` it must succeed."""
        headers = {"Authorization": f"Bearer {key or self.tenant.key}"}
        answer = await self.client.request(method, f"/api/v1{path}", headers=headers, **given)
        assert answer.is_success if expect is None else answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    async def configured(self, **more: Any) -> dict[str, Any]:
        """A server made, and configured."""
        server = await self.ask("POST", "/mcp-servers", json=SERVER)
        config = {"token": TOKEN, "port": 8080, "proxy": {"host": "gate", "password": PASSWORD}}
        body = {"server_id": server["id"], "config": config, "environment": {"API_KEY": VALUE}, **more}
        made: dict[str, Any] = await self.ask("POST", "/mcp-server-configs", json=body)
        return made

    async def everything(self) -> str:
        """All that is stored of configurations and in the audit trail."""
        async with self.db.tenant(self.tenant.id) as connection:
            rows = [*await connection.execute(text("SELECT c::text FROM mcp_server_configs c"))]
            rows += [*await connection.execute(text("SELECT a::text FROM audit_logs a"))]
        return json.dumps([row[0] for row in rows], ensure_ascii=False)


@pytest.fixture
async def client(db: Database, clock: SettableClock) -> AsyncIterator[httpx.AsyncClient]:
    """The application, with keys to seal with."""
    async with serving(db, clock, settings=Settings(secret_keys=KEYS)) as made:
        yield made


@pytest.fixture
async def toolbox(client: httpx.AsyncClient, db: Database) -> Toolbox:
    """A tenant's."""
    return Toolbox(client, db, await make_tenant(db))


async def test_secrets_are_stored_sealed_and_answered_nowhere(toolbox: Toolbox) -> None:
    made = await toolbox.configured()
    assert made["config"] == {"token": "…sealed", "port": 8080, "proxy": {"host": "gate", "password": "…sealed"}}
    assert made["environment"] == {"API_KEY": "…sealed"}
    path = f"/mcp-server-configs/{made['id']}"
    await toolbox.ask("PATCH", path, json={"config": {"token": "tok-another-one"}, "environment": {"MORE": VALUE}})
    shown = [await toolbox.ask("GET", path), await toolbox.ask("GET", "/mcp-server-configs")]
    said = json.dumps([made, *shown], ensure_ascii=False) + await toolbox.everything()
    for secret in (TOKEN, PASSWORD, VALUE, "tok-another-one"):
        assert secret not in said


async def test_who_launches_a_server_gets_what_it_needs_and_the_trail_says_so(toolbox: Toolbox) -> None:
    made = await toolbox.configured(limits={"timeout_seconds": 30, "calls_per_minute": 60})
    launched = await toolbox.ask("POST", f"/mcp-server-configs/{made['id']}/launch")
    assert launched["config"] == {"token": TOKEN, "port": 8080, "proxy": {"host": "gate", "password": PASSWORD}}
    assert launched["environment"] == {"API_KEY": VALUE}
    assert (launched["server"], launched["command"], launched["url"]) == ("files", "files --serve", None)
    assert launched["limits"] == {"timeout_seconds": 30, "memory_mb": None, "calls_per_minute": 60}
    assert "mcp_server_config.launched" in await toolbox.everything()


async def test_what_is_sent_is_set_null_removes_and_the_rest_stays(toolbox: Toolbox) -> None:
    made = await toolbox.configured()
    path = f"/mcp-server-configs/{made['id']}"
    change = {"port": None, "token": "…sealed", "proxy": {"host": "other"}}
    await toolbox.ask("PATCH", path, json={"config": change, "environment": {"API_KEY": None, "NEW": "x"}})
    launched = await toolbox.ask("POST", f"{path}/launch")
    assert launched["config"] == {"token": TOKEN, "proxy": {"host": "other", "password": PASSWORD}}
    assert launched["environment"] == {"NEW": "x"}


async def test_only_allowed_users_launch_and_nothing_that_is_switched_off(toolbox: Toolbox) -> None:
    made = await toolbox.configured(allowed_users=[str(toolbox.tenant.user_id)])
    path = f"/mcp-server-configs/{made['id']}"
    await toolbox.ask("POST", f"{path}/launch", expect=403)  # a key is nobody of them
    await toolbox.ask("PATCH", path, json={"allowed_users": None})
    assert (await toolbox.ask("POST", f"{path}/launch"))["server"] == "files"
    _id, reader = await make_key(toolbox.db, toolbox.tenant.id, scopes=(Scope.READ,))
    await toolbox.ask("POST", f"{path}/launch", key=reader, expect=403)
    await toolbox.ask("PATCH", path, json={"enabled": False})
    await toolbox.ask("POST", f"{path}/launch", expect=409)
    await toolbox.ask("PATCH", path, json={"enabled": True})
    await toolbox.ask("PATCH", "/mcp-servers/files", json={"status": "disabled"})
    await toolbox.ask("POST", f"{path}/launch", expect=409)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"config": {"port": 1}}, "config"),
        ({"config": {"token": "tok-12345", "port": 0}}, "config.port"),
        ({"config": {"token": "short"}}, "config.token"),
        ({"config": {"token": "no-tok-in-front"}}, "config.token"),
        ({"limits": {"timeout_seconds": 0}}, "limits"),
        ({"limits": {"memory_mb": -1}}, "limits"),
        ({"allowed_users": ["00000000-0000-7000-8000-000000000001"]}, "allowed_users.0"),
        ({"server_id": "00000000-0000-7000-8000-000000000001"}, "server_id"),
    ],
)
async def test_what_does_not_fit_is_named_and_no_value_repeated(
    toolbox: Toolbox, more: dict[str, Any], path: str
) -> None:
    server = await toolbox.ask("POST", "/mcp-servers", json=SERVER)
    body = {"server_id": server["id"], "config": {"token": TOKEN}, **more}
    refused = await toolbox.ask("POST", "/mcp-server-configs", json=body, expect=422)
    assert path in refused["detail"]
    for secret in ("short", "no-tok-in-front"):
        assert secret not in json.dumps(refused)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"command": None}, "command"),
        ({"url": "https://files.example"}, "url"),
        ({"server_type": "http", "command": None}, "url"),
        ({"server_type": "telnet"}, "server_type"),
        ({"config_schema": {"type": 5}}, "config_schema"),
        ({"config_schema": {"properties": {"a": {"pattern": "(?=x)"}}}}, "config_schema"),
        ({"config_schema": {"patternProperties": {"a": {}}}}, "config_schema"),
        ({"url": "ftp://files.example"}, "url"),
        ({"slug": "not a slug"}, "slug"),
    ],
)
async def test_a_wrong_server_is_named_by_its_fault(toolbox: Toolbox, more: dict[str, Any], path: str) -> None:
    refused = await toolbox.ask("POST", "/mcp-servers", json=SERVER | more, expect=422)
    assert path in refused["detail"]


async def test_a_schema_makes_us_fetch_nothing_and_never_run_on(toolbox: Toolbox) -> None:
    for slug, schema in (("away", {"$ref": "http://127.0.0.1:9/schema.json"}), ("round", {"$ref": "#"})):
        server = await toolbox.ask("POST", "/mcp-servers", json=SERVER | {"slug": slug, "config_schema": schema})
        refused = await toolbox.ask("POST", "/mcp-server-configs", json={"server_id": server["id"]}, expect=422)
        assert refused["code"] == "invalid_input"


async def test_everybodys_servers_are_used_by_all_and_changed_by_none(toolbox: Toolbox, clock: SettableClock) -> None:
    server_id = uuid7(clock())
    row = {key: value for key, value in SERVER.items() if key != "slug"} | {"slug": "public", "id": server_id}
    async with toolbox.db.owner() as owner:
        await owner.execute(insert(McpServer).values(tenant_id=PLATFORM_TENANT, **row))
    shown = await toolbox.ask("GET", "/mcp-servers/public")
    assert (shown["is_public"], UUID(shown["id"])) == (True, server_id)
    await toolbox.ask("POST", "/mcp-servers", json=SERVER)
    listed = (await toolbox.ask("GET", "/mcp-servers"))["items"]
    assert [(one["slug"], one["is_public"]) for one in listed] == [("files", False), ("public", True)]
    for method, path in (("PATCH", ""), ("DELETE", "")):
        await toolbox.ask(method, f"/mcp-servers/public{path}", json={"name": "mine"}, expect=403)
    body = {"server_id": str(server_id), "config": {"token": TOKEN}}
    made = await toolbox.ask("POST", "/mcp-server-configs", json=body)
    assert (await toolbox.ask("POST", f"/mcp-server-configs/{made['id']}/launch"))["server"] == "public"
    await toolbox.ask("POST", "/mcp-server-configs", json=body, expect=409)  # one for each tenant and server
    other = Toolbox(toolbox.client, toolbox.db, await make_tenant(toolbox.db))
    await other.ask("POST", "/mcp-server-configs", json=body)
    assert len((await other.ask("GET", "/mcp-server-configs"))["items"]) == 1


async def test_without_keys_nothing_secret_is_taken(db: Database, clock: SettableClock) -> None:
    async with serving(db, clock) as client:
        keyless = Toolbox(client, db, await make_tenant(db))
        server = await keyless.ask("POST", "/mcp-servers", json=SERVER)
        body = {"server_id": server["id"], "config": {"token": TOKEN}}
        refused = await keyless.ask("POST", "/mcp-server-configs", json=body, expect=503)
        assert "AGENT_MONITOR_SECRET_KEYS" in refused["detail"]


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        ("server_type, command, url", "'stdio', NULL, NULL"),
        ("server_type, command, url", "'http', 'x', 'https://x'"),
        ("server_type, command, url", "'telnet', NULL, 'https://x'"),
        ("server_type, command, status", "'stdio', 'x', 'lost'"),
    ],
)
async def test_the_database_refuses_it_too(toolbox: Toolbox, columns: str, values: str) -> None:
    statement = f"INSERT INTO mcp_servers (tenant_id, id, slug, name, {columns}) VALUES (:t, :t, 's', 'n', {values})"
    with pytest.raises(InvalidInput, match="_check"):
        async with toolbox.db.tenant(toolbox.tenant.id) as connection:
            await connection.execute(text(statement), {"t": toolbox.tenant.id})
