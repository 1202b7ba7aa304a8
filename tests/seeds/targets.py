"""What there is for the map to point at: asked of the catalogue, the application, the command line and the files."""

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import typer.main
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.scheduler import Job
from monitor import cli, live
from monitor.partitions import LAYOUTS
from monitor.settings import Settings
from sql.models import metadata

ROOT = Path(__file__).parents[2]
SERIES = {"execution_duration_ms", "execution_status", "tokens", "cost_usd"}
"""Metrics that the product writes itself: tests of logs and of the ledger write each of them."""

_CATALOGUE = {
    "constraint": "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    "index": "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'",
    "function": "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "trigger": """
        SELECT tgrelid::regclass::text || '.' || tgname FROM pg_trigger WHERE NOT tgisinternal
    """,
    "policy": "SELECT tablename || '.' || policyname FROM pg_policies WHERE schemaname = 'public'",
    "view": """
        SELECT c.oid::regclass::text || suffix FROM pg_class c
        CROSS JOIN LATERAL (
            SELECT '' AS suffix UNION ALL SELECT '.' || attname FROM pg_attribute
            WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        ) AS named WHERE relkind IN ('v', 'm')
    """,
}


class Targets:
    """Everything that may be pointed at, by kind."""

    def __init__(self, catalogue: dict[str, set[str]], app: FastAPI, jobs: list[Job]) -> None:
        self._columns = {f"{table}.{column.name}" for table, one in metadata.tables.items() for column in one.columns}
        self._named = {
            **catalogue,
            "route": _routes(app),
            "job": {job.name for job in jobs},
            "command": set(_commands()),
            "setting": {item.name.upper() for item in fields(Settings)},
            "partition": {layout.table for layout in LAYOUTS},
            "redis": set(re.findall(r"^ {4}([a-z]+:\S+) ", live.__doc__ or "", re.MULTILINE)),
            "series": SERIES,
        }

    def has(self, target: str) -> bool:
        """Whether it is there. Raises ValueError for a kind that nobody knows."""
        kind, colon, name = target.partition(":")
        if not colon:
            return target.partition("#")[0] in self._columns | set(metadata.tables)
        if kind in self._named:
            return name in self._named[kind]
        if kind == "module":
            return _is_module(name)
        if kind in ("file", "test"):
            path, _, heading = name.partition("#")
            return (ROOT / path).exists() and (not heading or heading in _headings(ROOT / path))
        raise ValueError(f"{target}: {kind} is no kind of target")


async def catalogue_of(owner: AsyncConnection) -> dict[str, set[str]]:
    """What a migrated database knows by name."""
    return {kind: set((await owner.execute(text(query))).scalars()) for kind, query in _CATALOGUE.items()}


def _routes(app: FastAPI) -> set[str]:
    return {f"{method} {route.path}" for route in iter_route_contexts(app.routes) for method in route.methods or ()}


def _commands(group: Any = None, before: str = "") -> Iterator[str]:
    """Commands by their words, as in `keys create`, and their groups."""
    below = typer.main.get_command(cli.complete()) if group is None else group
    for name, one in getattr(below, "commands", {}).items():
        yield f"{before}{name}"
        yield from _commands(one, f"{before}{name} ")


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@cache
def _headings(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r"^#+ +(.+?) *$", path.read_text(encoding="utf-8"), re.MULTILINE))
