"""The description of the API is complete: every operation says what it is, what it answers, and what goes wrong."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from monitor.app import Application, create_app
from monitor.compose import make_deps
from monitor.db import Database, Role
from monitor.http.described import PROBLEM
from monitor.ingest import Ingest
from monitor.settings import Settings
from tests.http.probes import PUBLIC


@pytest.fixture
def app(tmp_path: Path) -> Application:
    """The collector, which reaches no database: nothing is asked of it."""
    db = Database(dict.fromkeys(Role, "postgresql://nobody@127.0.0.1:1/nothing"), pool_size=1)
    deps = make_deps(Settings(data_dir=tmp_path), db)
    made = create_app(deps, Ingest(deps))
    assert isinstance(made, Application)
    return made


@pytest.fixture
def document(app: Application) -> dict[str, Any]:
    return app.openapi()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{way.upper()} {path}": one for path, ways in document["paths"].items() for way, one in ways.items()}


def test_every_operation_is_told_apart_and_says_what_it_is(document: dict[str, Any]) -> None:
    found = operations(document)
    names = [one["operationId"] for one in found.values()]
    assert len(names) == len(set(names))
    known = {tag["name"] for tag in document["tags"]}
    for route, one in found.items():
        assert one["summary"], route
        assert one["tags"], route
        assert set(one["tags"]) <= known, route


def test_every_operation_says_what_it_answers(document: dict[str, Any]) -> None:
    for route, one in operations(document).items():
        answers = one["responses"]
        assert any(status.startswith("2") for status in answers), route
        for status, answer in answers.items():
            assert answer["description"], (route, status)
            # What has no content is said to have none: RFC 9110 allows it for these alone.
            empty = status in {"204", "304"} or (route, status) == ("POST /slack/actions", "200")
            assert empty is not bool(answer.get("content")), (route, status)
            for media in answer.get("content", {}).values():
                assert media.get("schema") is not None, (route, status)


def test_every_operation_takes_a_key_or_is_public_by_name(document: dict[str, Any]) -> None:
    found = operations(document)
    assert document["security"] == [{"bearer": []}, {"header": []}, {"session": []}]
    assert {route for route, one in found.items() if one.get("security") == []} == set(PUBLIC) & set(found)
    for route, one in found.items():
        if one.get("security") != []:
            assert {"401", "403", "503"} <= set(one["responses"]), route
        if "{" in route:
            assert {"404", "400"} & set(one["responses"]), route
        if any(parameter["name"] == "If-Match" for parameter in one.get("parameters", ())):
            assert "412" in one["responses"], route


def test_problems_are_described_once_and_nothing_of_the_framework_is_left(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Problem"] == PROBLEM
    assert not {"HTTPValidationError", "ValidationError"} & set(schemas)
    assert "HTTPValidationError" not in str(document)


def test_every_route_has_its_whole_path_and_its_part_of_the_api(app: Application) -> None:
    """The audit trail names it by them, and grants go by its tag."""
    for route in iter_route_contexts(app.routes):
        own = route.original_route
        if isinstance(own, APIRoute) and route.include_in_schema:
            assert own.path == route.path
            assert own.tags, own.path
