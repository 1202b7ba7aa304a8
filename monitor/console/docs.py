"""`/docs`: the API on one page of our own, read from the OpenAPI description; no script from elsewhere."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body."""

    name: str
    place: str
    type: str
    required: bool
    about: str


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address."""

    method: str
    path: str
    about: str
    parameters: list[Field]
    fields: list[Field]
    answers: str


@dataclass(frozen=True, slots=True)
class Group:
    """The routes with one tag."""

    name: str
    routes: list[Route]


def groups(api: Mapping[str, Any]) -> list[Group]:
    """Everything in an OpenAPI description, by tag, in the order of the description."""
    found: dict[str, list[Route]] = {}
    for path, methods in api.get("paths", {}).items():
        for method in _METHODS:
            if method in methods:
                tag = (methods[method].get("tags") or ["other"])[0]
                found.setdefault(tag, []).append(_route(method, path, methods[method], api))
    return [Group(tag.replace("-", " ").capitalize(), routes) for tag, routes in found.items()]


def _route(method: str, path: str, operation: Mapping[str, Any], api: Mapping[str, Any]) -> Route:
    about = operation.get("description") or operation.get("summary") or ""
    answers = ", ".join(f"{code} {answer.get('description', '')}".strip() for code, answer in _answers(operation))
    return Route(
        method=method,
        path=path,
        about=" ".join(about.split()),
        parameters=[
            Field(
                name=parameter["name"],
                place=parameter["in"],
                type=type_of(parameter.get("schema", {})),
                required=parameter.get("required", False),
                about=parameter.get("description", ""),
            )
            for parameter in operation.get("parameters", [])
        ],
        fields=list(_fields(operation, api)),
        answers=answers,
    )


def _answers(operation: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return sorted(operation.get("responses", {}).items())


def _fields(operation: Mapping[str, Any], api: Mapping[str, Any]) -> Iterator[Field]:
    content = operation.get("requestBody", {}).get("content", {})
    given: Mapping[str, Any] = next((one.get("schema", {}) for one in content.values()), {})
    schema = _resolve(given, api)
    for name, field in schema.get("properties", {}).items():
        required = name in schema.get("required", [])
        yield Field(name, "body", type_of(field), required, _resolve(field, api).get("description", ""))


def _resolve(schema: Mapping[str, Any], api: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    found: Mapping[str, Any] = api.get("components", {}).get("schemas", {}).get(name, schema)
    return found


def type_of(schema: Mapping[str, Any]) -> str:
    """A schema in a few words: `string`, `list of string`, `integer or null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(type_of(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    kind = str(schema.get("type", "any"))
    return {"date-time": "time", "uuid": "UUID"}.get(schema.get("format", ""), kind)
