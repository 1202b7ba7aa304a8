"""Every CRUD resource is declared as its table allows, and every part of the API can be granted."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Text, UniqueConstraint

from monitor.app import create_app
from monitor.compose import make_deps
from monitor.db import Database
from monitor.http.resources import Listing, Resource
from monitor.ingest import Ingest
from monitor.principal import Slice, Verb, check_grant
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.http.application import serving

WITHOUT_GRANTS = {"ingest", "health"}
"""Parts that nobody reads or changes: what is sent takes the scope `ingest`, health takes nothing."""


@pytest.fixture
def app(db: Database, tmp_path: Path) -> FastAPI:
    deps = make_deps(Settings(data_dir=tmp_path), db)
    return create_app(deps, Ingest(deps))


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    return await make_tenant(db)


@pytest.fixture
async def api(db: Database, clock: SettableClock, tenant: TenantMade) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(db, clock) as client:
        client.headers.update(tenant.headers)
        yield client


def declared() -> dict[str, Resource]:
    """All resources of the product, which the application has imported."""
    modules = [module for name, module in sorted(sys.modules.items()) if name.split(".")[0] in {"monitor", "alerts"}]
    return {one.kind: one for module in modules for one in vars(module).values() if isinstance(one, Resource)}


def test_resources_are_declared_as_their_tables_allow(app: FastAPI) -> None:
    found = declared()
    assert {"workflow", "agent_type"} <= set(found)
    for one in found.values():
        columns = one.table.columns
        for sort in one.sorts:
            assert not columns[sort.removeprefix("-")].nullable, (
                f"{one.kind}: {sort} may be null, pages would lose rows"
            )
        for searched in one.searched:
            assert isinstance(columns[searched].type, Text), f"{one.kind}: {searched} is no text"
        for wanted in set(one.query.model_fields) - set(Listing.model_fields) - set(one.filters):
            assert wanted in columns, f"{one.kind}: {wanted} is no column"
        if one.name is not None:
            keys = [set(key.columns.keys()) for key in one.table.constraints if isinstance(key, UniqueConstraint)]
            assert {"tenant_id", one.name} in keys, f"{one.kind}: two may have the same {one.name}"


def test_every_part_of_the_api_is_one_that_can_be_granted(app: FastAPI) -> None:
    tags = {operation["tags"][0] for ways in app.openapi()["paths"].values() for operation in ways.values()}
    assert tags - WITHOUT_GRANTS <= set(Slice)
    assert check_grant(f"{Slice.AGENTS}:{Verb.EXECUTE}") == "agents:execute"


@pytest.mark.parametrize("scope", ["agents:read", "alerts", "runs:execute"])
async def test_a_key_is_made_with_what_can_be_granted(api: httpx.AsyncClient, scope: str) -> None:
    made = await api.post("/api/v1/api-keys", json={"name": "k", "scopes": [scope]})
    assert (made.status_code, made.json()["scopes"]) == (201, [scope])
    assert [scope] in [key["scopes"] for key in (await api.get("/api/v1/api-keys")).json()["items"]]


@pytest.mark.parametrize("scope", ["agents:fly", "nothing:read", "agents", "read:agents", ":", "execute", ""])
async def test_a_key_is_not_made_with_what_grants_nothing(api: httpx.AsyncClient, scope: str) -> None:
    refused = await api.post("/api/v1/api-keys", json={"name": "k", "scopes": [scope]})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "scopes.0")
