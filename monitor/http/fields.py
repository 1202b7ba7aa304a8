"""Kinds of values that bodies have, checked for what PostgreSQL cannot keep."""

import math
from typing import Annotated, Any

from pydantic import AfterValidator, Field

DEEPEST = 50


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("the character NUL cannot be stored")
    return text


def _check_json(given: Any) -> Any:
    left = [(given, 0)]
    while left:
        value, depth = left.pop()
        if depth > DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST}")
        if isinstance(value, dict):
            left += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            left += [(part, depth + 1) for part in value]
        elif isinstance(value, str):
            _storable(value).encode()  # a ValueError for half of a surrogate pair
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError("a number beyond double precision cannot be stored")
    return given


Text = Annotated[str, Field(max_length=100_000), AfterValidator(_storable)]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_storable)]
Slug = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\w.-]+$")]
Json = Annotated[dict[str, Any], AfterValidator(_check_json)]
JsonList = Annotated[list[Any], AfterValidator(_check_json)]
