"""`sql/seeds.toml`: where everything of the documents lives here, entry by entry."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.seeds.documents import KINDS

FILE = Path(__file__).parents[2] / "sql" / "seeds.toml"
_WORDS = {"at", "how", "replaced", "by", "made", "todo"}


class Fate(StrEnum):
    """What became of one thing of a document."""

    THERE = "there"
    REPLACED = "replaced"
    TO_DO = "to do"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing of a document and where it lives. `targets` are what does the work, of something replaced too.

    `todo`: true while a target does not exist, words for what a target that exists does not do yet.
    """

    name: str
    targets: tuple[str, ...]
    replaced: str | None
    made: bool
    todo: bool | str

    @property
    def kind(self) -> str:
        """`tables`, `fields`, or one of KINDS."""
        kind, _, rest = self.name.partition(".")
        return "fields" if kind == "tables" and "." in rest else kind

    @property
    def fate(self) -> Fate:
        """Replaced for good, or there, or not yet."""
        if self.todo:
            return Fate.TO_DO
        return Fate.THERE if self.replaced is None else Fate.REPLACED


def read() -> dict[str, dict[str, Entry]]:
    """Of each document its entries by name."""
    given = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {number: {one.name: one for one in _entries(number, of_it)} for number, of_it in given.items()}


def _entries(number: str, given: Mapping[str, Any]) -> Iterator[Entry]:
    unknown = set(given) - {"tables", *KINDS}
    if unknown:
        raise ValueError(f"{number}: {sorted(unknown)} are no kinds of names")
    for table, columns in given.get("tables", {}).items():
        for column, value in columns.items():
            yield _entry(number, f"tables.{table}" if column == "_" else f"tables.{table}.{column}", value)
    for kind in KINDS:
        for name, value in given.get(kind, {}).items():
            yield _entry(number, f"{kind}.{name}", value)


def _entry(number: str, name: str, value: Any) -> Entry:
    """A value of the file: a target, several, or a table that says more."""
    if isinstance(value, str | list):
        value = {"at": value}
    if set(value) - _WORDS or ("at" in value) == ("replaced" in value):
        raise ValueError(f"{number}.{name}: either `at` or `replaced`, and no {sorted(set(value) - _WORDS)}")
    said = value.get("at", value.get("by", []))
    targets = (said,) if isinstance(said, str) else tuple(said)
    return Entry(name, targets, value.get("replaced"), bool(value.get("made")), value.get("todo", False))
