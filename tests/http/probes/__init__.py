"""For every route one request that asks for somebody's belongings, and what it is answered to them and to others.

A module for each slice. It has `PROBES` by route, and as it needs them `PARAMETERS`, `PUBLIC` and `PAGED`.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tests.http.furnished.made import Furnished
from tests.http.probes import (
    agents,
    alerts,
    audit,
    calendar,
    console,
    conversations,
    health,
    identity,
    ingest,
    knowledge,
    regions,
    retention,
    runs,
    schedules,
    series,
    subjects,
    tools,
    usage,
)
from tests.http.probes.probe import Of, Probe

_SLICES = (
    agents,
    alerts,
    audit,
    calendar,
    console,
    conversations,
    health,
    identity,
    ingest,
    regions,
    knowledge,
    runs,
    retention,
    schedules,
    series,
    subjects,
    tools,
    usage,
)


def _merged(name: str) -> dict[str, Any]:
    """What the slices have under this name, each entry in one of them alone."""
    found: dict[str, Any] = {}
    for one in _SLICES:
        more = getattr(one, name, {})
        assert not found.keys() & more.keys(), f"{name} of {one.__name__} are those of another slice"
        found |= more
    return found


PROBES: dict[str, Probe] = _merged("PROBES")
"""By route: method and path."""

PUBLIC: dict[str, str] = _merged("PUBLIC")
"""Routes that answer without a key, and why they may."""

PARAMETERS: dict[str, Of] = _merged("PARAMETERS")
"""What stands in the place of a path's parameter: every way to name the thing."""

PAGED = [route for one in _SLICES for route in getattr(one, "PAGED", ())]
"""Routes that take a cursor."""


def requests(route: str, owner: Furnished) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, address and the rest of the request of a route, for every way to name what the path names."""
    method, _, path = route.partition(" ")
    names = re.findall(r"\{(\w+)\}", path)
    given = PROBES[route].sent(owner)
    for values in itertools.product(*(PARAMETERS[name](owner) for name in names)):
        address = path
        for name, value in zip(names, values, strict=True):
            address = address.replace(f"{{{name}}}", quote(value, safe=""))
        yield method, address, given
