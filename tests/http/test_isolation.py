"""Two tenants on every route: one's key neither reads, changes nor pages the other's; no key, no answer.

Routes are taken from the application itself: a new one fails here until it has a probe.
"""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from monitor.app import create_app
from monitor.compose import make_deps
from monitor.db import Database
from monitor.http.paging import encode
from monitor.ingest import Ingest
from monitor.settings import Settings
from tests.http.furnished import TABLES, furnish, rows_of
from tests.http.furnished.made import Furnished
from tests.http.probes import PAGED, PARAMETERS, PROBES, PUBLIC, requests

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
async def app(db: Database, tmp_path: Path) -> AsyncIterator[FastAPI]:
    """The collector as it is served."""
    deps = make_deps(Settings(data_dir=tmp_path, disk_reserve=0, secret_keys=("a key for these tests",)), db)
    made = create_app(deps, Ingest(deps))
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://collector") as made:
        yield made


@pytest.fixture
async def one(db: Database) -> Furnished:
    """Whose key is used."""
    return await furnish(db, "apple")


@pytest.fixture
async def two(db: Database) -> Furnished:
    """Whose belongings are asked for."""
    return await furnish(db, "walnut")


def routes_of(app: FastAPI) -> set[str]:
    """Every method and path that the application answers, those outside its description too."""
    found: set[str] = set()
    for route in iter_route_contexts(app.routes):
        assert route.methods, f"{route} is no plain route: this test must learn to look into it"
        # Starlette adds HEAD to its own GET routes.
        plain = route.methods if isinstance(route.original_route, APIRoute) else route.methods - {"HEAD"}
        found |= {f"{method} {route.path}" for method in plain}
    described = {f"{method.upper()} {path}" for path, ways in app.openapi()["paths"].items() for method in ways}
    assert described <= found
    return found


def leaked(answer: httpx.Response, owner: Furnished, sent: dict[str, Any]) -> list[str]:
    """What in an answer belongs to somebody and was not in the request itself."""
    address = answer.request.url
    said = {*unquote(address.path).split("/"), *(value for _, value in address.params.multi_items())}
    body = sent.get("json", {})
    said |= {str(value) for one in (body if isinstance(body, list) else [body]) for value in one.values()}
    text = answer.text + json.dumps(dict(answer.headers))
    # Their word stands in all they have. What the request itself says, as "walnut-agent", may be said back.
    for own in said:
        if owner.word in own:
            text = text.replace(own, "")
    return sorted(theirs(text, owner) - said)


def theirs(text: str, owner: Furnished) -> set[str]:
    """Words, values and identifiers of somebody in a text."""
    marks = {mark for mark in (owner.word, str(owner.number)) if mark in text}
    return marks | (owner.uuids & set(_UUID.findall(text)))


async def test_every_route_has_a_probe_or_is_public_by_name(app: FastAPI) -> None:
    assert routes_of(app) == set(PROBES) | set(PUBLIC)
    assert set(PROBES) & set(PUBLIC) == set()


async def test_both_tenants_have_a_row_in_every_table(db: Database, two: Furnished) -> None:
    rows = await rows_of(db, two.tenant.id)
    assert [table for table in TABLES if not rows[table]] == []


@pytest.mark.parametrize("route", sorted(PROBES))
async def test_anothers_key_neither_reads_nor_changes_and_the_owners_does(
    db: Database, client: httpx.AsyncClient, one: Furnished, two: Furnished, route: str
) -> None:
    probe = PROBES[route]
    if probe.after is not None:
        method, address, given = next(requests(probe.after, two))
        assert (await client.request(method, address, headers=two.tenant.headers, **given)).is_success
    before = await rows_of(db, two.tenant.id)
    for method, address, given in requests(route, two):
        answer = await client.request(method, address, headers=one.tenant.headers, **given)
        assert answer.status_code == probe.others, answer.text
        assert leaked(answer, two, given) == []
    assert await rows_of(db, two.tenant.id) == before
    # The same request from the owner succeeds and shows or changes something: it was a good one.
    method, address, given = next(requests(route, two))
    answer = await client.request(method, address, headers=two.tenant.headers, **given)
    assert answer.status_code == probe.owner, answer.text
    assert leaked(answer, one, given) == []
    if probe.everybodys:
        assert theirs(answer.text, two) == set()
    elif method == "GET" or route.endswith("/preview"):
        assert theirs(answer.text, two), "it shows nothing of its owner: this probe would find no leak"
    elif probe.owner < 300:
        assert await rows_of(db, two.tenant.id) != before


async def test_without_a_key_and_with_a_wrong_one_every_route_says_401(
    client: httpx.AsyncClient, two: Furnished
) -> None:
    wrong = {"Authorization": "Bearer am_abcdefgh_0123456789012345678901234567890123456789012"}
    answers = {}
    for route in PROBES:
        for method, address, given in requests(route, two):
            for headers in ({}, wrong):
                answer = await client.request(method, address, headers=headers, **given)
                assert leaked(answer, two, given) == []
                answers[route] = answer.status_code
    assert answers == dict.fromkeys(PROBES, 401)


async def test_what_is_public_tells_nothing_of_anybody(db: Database, client: httpx.AsyncClient, two: Furnished) -> None:
    before = await rows_of(db, two.tenant.id)
    for route in PUBLIC:
        method, _, path = route.partition(" ")
        address = path.replace("{token}", "x" * 32).replace("{signal}", "fail").replace("{name}", "console.css")
        answer = await client.request(method, address)
        assert answer.status_code < 500
        assert leaked(answer, two, {}) == []
    assert await rows_of(db, two.tenant.id) == before


@pytest.mark.parametrize("route", PAGED)
async def test_a_cursor_of_one_tenant_pages_nothing_with_anothers_key(
    client: httpx.AsyncClient, one: Furnished, two: Furnished, route: str
) -> None:
    path = route.partition(" ")[2]
    if "{agent}" in path:
        # Both have an agent of this name, each with a log.
        path = path.replace("{agent}", "shared-name")
    path = path.replace("{fingerprint}", one.fingerprint)
    cursors = [str(value) for value in [*two.ids.values(), two.agent_id, two.agent, f"{two.word}-channel"]]
    for cursor in (encode([key]) for key in cursors):
        answer = await client.get(path, params={"limit": 1, "cursor": cursor}, headers=one.tenant.headers)
        assert answer.status_code in {200, 400}, answer.text
        assert leaked(answer, two, {"cursor": cursor}) == []


async def test_a_route_that_takes_a_cursor_is_among_the_paged_ones(app: FastAPI) -> None:
    paged = {
        f"{method.upper()} {path}"
        for path, ways in app.openapi()["paths"].items()
        for method, operation in ways.items()
        if any(parameter["name"] == "cursor" for parameter in operation.get("parameters", []))
    }
    assert paged == set(PAGED)


async def test_parameters_of_paths_are_all_known(app: FastAPI) -> None:
    used = {name for route in PROBES for name in re.findall(r"\{(\w+)\}", route)}
    assert used == set(PARAMETERS)
