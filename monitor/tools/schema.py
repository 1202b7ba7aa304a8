"""What a server's `config_schema` asks of a configuration: JSON Schema 2020-12, and which values of it are secrets.

A schema is a tenant's own text: nothing is fetched that it refers to, and its patterns are RE2's, linear in the text.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import re2
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from monitor.errors import InvalidInput

Path = tuple[str, ...]

_AT = "config_schema"


def _pattern(_validator: Any, pattern: Any, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and isinstance(pattern, str) and re2.search(pattern, value) is None:
        yield ValidationError("does not match")


_VALIDATOR: Any = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raise InvalidInput for what is no schema that we can hold a configuration against."""
    try:
        Draft202012Validator.check_schema(dict(schema))
        for name, value in _words(schema):
            if name == "patternProperties":
                raise InvalidInput("patternProperties is not supported", path=_AT)
            if name == "pattern" and isinstance(value, str):
                re2.compile(value)
    except SchemaError as error:
        raise InvalidInput(error.message[:300], path=_path(_AT, error)) from None
    except (re2.error, RecursionError):
        raise InvalidInput("has a pattern that RE2 does not read, or is nested too deep", path=_AT) from None


def check_config(schema: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Raise InvalidInput with the path of what does not fit. What it says holds no value: it may be a secret."""
    try:
        error = next(_VALIDATOR(dict(schema), registry=Registry()).iter_errors(dict(config)), None)
    except (Unresolvable, RecursionError):
        raise InvalidInput("the server's config_schema refers to what is not in it", path="config") from None
    if error is not None:
        asked = str(error.validator_value)[:200]
        raise InvalidInput(f"does not fit {error.validator}: {asked}", path=_path("config", error))


def secrets_of(schema: Mapping[str, Any], within: Path = ()) -> frozenset[Path]:
    """The paths of values that the schema marks by `"secret": true`, `"writeOnly": true` or `"format": "password"`."""
    found: set[Path] = set()
    properties = schema.get("properties")
    for name, one in properties.items() if isinstance(properties, Mapping) else ():
        if not isinstance(one, Mapping):
            continue
        if one.get("secret") is True or one.get("writeOnly") is True or one.get("format") == "password":
            found.add((*within, name))
        else:
            found |= secrets_of(one, (*within, name))
    return frozenset(found)


def _path(within: str, error: Any) -> str:
    return ".".join([within, *(str(part) for part in error.path)])


def _words(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield name, one
            yield from _words(one)
    elif isinstance(value, list):
        for one in value:
            yield from _words(one)
