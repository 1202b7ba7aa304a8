"""Definitions of workflows: a list of steps that name what they wait for, or nodes and edges. Pure.

``{"steps": [{"id": "review", "agent": "akira-001", "depends_on": ["fetch"]}, …]}`` or
``{"nodes": [{"id": "review"}, …], "edges": [{"from": "fetch", "to": "review"}, …]}``. A step without `depends_on` waits
for nothing; what else a step holds is the platform's own.
"""

from collections.abc import Mapping
from typing import Any

from monitor.errors import InvalidInput

MOST_STEPS = 1_000


def check(definition: Mapping[str, Any]) -> list[str]:
    """The steps' ids in an order in which they can run; of `{}`, none. Raises InvalidInput with a path."""
    if not definition:
        return []
    if "steps" in definition:
        waits = _of_steps(definition["steps"])
    elif "nodes" in definition:
        waits = _of_graph(definition["nodes"], definition.get("edges", []))
    else:
        raise InvalidInput("steps, or nodes and edges, are expected", path="definition")
    return _ordered(waits)


def _entries(value: Any, path: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise InvalidInput("a list of objects is expected", path=path)
    if len(value) > MOST_STEPS:
        raise InvalidInput(f"more than {MOST_STEPS}", path=path)
    return value


def _ids(entries: list[Mapping[str, Any]], path: str) -> list[str]:
    found: list[str] = []
    for index, entry in enumerate(entries):
        name = entry.get("id")
        if not isinstance(name, str) or not name:
            raise InvalidInput("a text is expected", path=f"{path}.{index}.id")
        if name in found:
            raise InvalidInput(f"{name!r} is there twice", path=f"{path}.{index}.id")
        found.append(name)
    return found


def _of_steps(value: Any) -> dict[str, set[str]]:
    steps = _entries(value, "definition.steps")
    ids = _ids(steps, "definition.steps")
    waits: dict[str, set[str]] = {}
    for index, (name, entry) in enumerate(zip(ids, steps, strict=True)):
        path = f"definition.steps.{index}.depends_on"
        wanted = entry.get("depends_on", [])
        if not isinstance(wanted, list):
            raise InvalidInput("a list of steps' ids is expected", path=path)
        waits[name] = {_known(other, ids, path) for other in wanted}
    return waits


def _of_graph(nodes: Any, edges: Any) -> dict[str, set[str]]:
    ids = _ids(_entries(nodes, "definition.nodes"), "definition.nodes")
    waits: dict[str, set[str]] = {name: set() for name in ids}
    for index, edge in enumerate(_entries(edges, "definition.edges")):
        path = f"definition.edges.{index}"
        before, after = (_known(edge.get(side), ids, f"{path}.{side}") for side in ("from", "to"))
        waits[after].add(before)
    return waits


def _known(name: Any, ids: list[str], path: str) -> str:
    if not isinstance(name, str) or name not in ids:
        raise InvalidInput(f"there is no step {name!r}", path=path)
    return name


def _ordered(waits: dict[str, set[str]]) -> list[str]:
    """Kahn's algorithm; what is left over goes round in circles."""
    order: list[str] = []
    left = dict(waits)
    while left:
        ready = [name for name, before in left.items() if not before & left.keys()]
        if not ready:
            raise InvalidInput(f"the steps wait for each other: {', '.join(_circle(left))}", path="definition")
        order += ready
        for name in ready:
            del left[name]
    return order


def _circle(left: dict[str, set[str]]) -> list[str]:
    """Steps of which each waits for the next, and the last for the first."""
    seen: list[str] = []
    name = next(iter(left))
    while name not in seen:
        seen.append(name)
        name = min(left[name] & left.keys())
    return [*seen[seen.index(name) :], name]
