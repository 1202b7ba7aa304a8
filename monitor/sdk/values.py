"""Turning whatever a program reports into JSON rows. Pure."""

import json
import math
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from numbers import Integral, Real
from typing import TypeAlias, TypeVar
from uuid import UUID

T = TypeVar("T")

TEXT_LIMIT = 64_000
_DEPTH, _NODES = 8, 2000

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


def encode(row: Mapping[str, object]) -> bytes:
    """One row as JSON; None values are left out."""
    budget = [_NODES]
    cleaned = {name: _clean(value, _DEPTH, budget) for name, value in row.items() if value is not None}
    return json.dumps(cleaned, ensure_ascii=False, separators=(",", ":")).encode("utf-8", errors="replace")


def finite(value: object) -> float | int | None:
    """A number that can be stored; None for NaN, infinities and anything else."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else None
    try:
        number = float(value)  # type: ignore[arg-type]  # numpy's scalars and Decimal are numbers, too
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def tags(given: Mapping[str, object]) -> dict[str, str]:
    """Tags are flat text."""
    return {str(name): value if isinstance(value, str) else str(value) for name, value in given.items()}


def cut(given: str, limit: int = TEXT_LIMIT) -> str:
    """At most `limit` characters, the end replaced by a marker that says how much is missing."""
    return given if len(given) <= limit else f"{given[: limit - 40]}… [{len(given) - limit + 40} characters cut]"


def _clean(value: object, depth: int, budget: list[int]) -> Json:
    """JSON for any value; what JSON lacks becomes its `repr`. Ends on cycles and on endless structures."""
    budget[0] -= 1
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return cut(str(value))
    if isinstance(value, Integral):
        whole = int(value)
        return whole if abs(whole) < 1 << 63 else f"an integer of {whole.bit_length()} bits"
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if depth > 0 and budget[0] > 0:
        if isinstance(value, Mapping):
            return {
                cut(name if isinstance(name, str) else _shown(name), 200): _clean(inner, depth - 1, budget)
                for name, inner in _while(value.items(), budget)
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [_clean(inner, depth - 1, budget) for inner in _while(value, budget)]
    return _shown(value)


def _while(items: Iterable[T], budget: list[int]) -> Iterator[T]:
    for item in items:
        if budget[0] <= 0:
            return
        yield item


def _shown(value: object) -> str:
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = 1000
    # reprlib catches what a foreign __repr__ raises, and does not descend without end.
    return shortener.repr(value)
