"""The platform's lists, shipped as TOML or written by an operator in the same form: prices, plans."""

import tomllib
from decimal import Decimal
from importlib.resources import files
from typing import Any

from monitor.errors import InvalidInput


def shipped(name: str) -> str:
    """The list of this name that comes with the product, as text."""
    return files("monitor.usage").joinpath(f"{name}.toml").read_text(encoding="utf-8")


def rows_of(document: str, name: str) -> list[Any]:
    """The rows of a list, numbers with a point exact. Raises InvalidInput for what is not TOML, or has no such list."""
    try:
        given = tomllib.loads(document, parse_float=Decimal).get(name)
    except tomllib.TOMLDecodeError as fault:
        raise InvalidInput(f"this is not TOML: {fault}") from None
    if not isinstance(given, list):
        raise InvalidInput(f"a list of {name} is missing", path=name)
    return given
