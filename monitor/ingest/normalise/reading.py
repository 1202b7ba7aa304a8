"""One pass over attributes: what they tell, and what stays of them. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor.ingest.normalise.dialect import content, names
from monitor.ingest.normalise.outcome import Normalised
from monitor.ingest.normalise.tables import CONTENTS, GUESSED, LAST, SOUNDS_LIKE, Entry, Table

# Names that hold an identifier must not fill the list of unmapped ones, nor a long one its rows.
NAME_LENGTH = 120

WRAPPERS = names("message message_content tool_call document embedding image prompt completion")
"""Parts that OpenInference puts between an index and a key, which say nothing more."""


class Told(NamedTuple):
    """`facts` with those of the normaliser's own, and the attributes that tell none."""

    facts: dict[str, Any]
    kept: dict[str, Any]


class Strange(NamedTuple):
    """What is made of a name that is in no table by itself.

    `entry` is its family's, or a guess; `path` is where its value stands in the family's contents. `unmapped`: the
    dialect that it seems to be of and the name as it is listed, where nobody knows it.
    """

    entry: Entry
    path: tuple[str, ...]
    unmapped: tuple[str, str] | None = None


class Reader:
    """Reads attributes by a table, for one request: what it made of a strange name it remembers as long."""

    def __init__(self, table: Table, outcome: Normalised) -> None:
        """What the table does not know, or cannot be, is counted in `outcome`."""
        self.table = table
        self.outcome = outcome
        self._strange: dict[str, Strange] = {}

    def told(self, attributes: Mapping[str, Any]) -> Told:
        """What attributes tell."""
        table = self.table
        entries, namespaces = table.entries, table.namespaces
        facts: dict[str, Any] = {}
        ranks: dict[str, int] = {}
        kept: dict[str, Any] = {}
        others: list[tuple[str, Any]] = []
        for name, value in attributes.items():
            entry = entries.get(name)
            if entry is None:
                head, dot, _rest = name.partition(".")
                if dot and head in namespaces:
                    others.append((name, value))
                else:
                    kept[name] = value
                continue
            fact, rank, read, dialect = entry
            if fact is None:
                kept[name] = value
            elif rank < ranks.get(fact, LAST):
                given = read(value)
                if given is not None:
                    facts[fact] = given
                    ranks[fact] = rank
                elif value is not None and value != "":
                    self.outcome.misfits[dialect, name] += 1
        if others:
            self._others(others, Told(facts, kept), ranks)
        return Told(facts, kept)

    def content_fact(self, name: str) -> str | None:
        """Which contents an attribute holds, surely or probably; None where it holds none."""
        entry = self.table.entries.get(name)
        if entry is None:
            head, dot, _rest = name.partition(".")
            if not dot or head not in self.table.namespaces:
                return None
            entry = self._resolved(name).entry
        if entry.fact is None:
            return None
        fact = entry.fact.lstrip("_")
        return fact if fact in CONTENTS else None

    def _others(self, strange: list[tuple[str, Any]], so_far: Told, ranks: dict[str, int]) -> None:
        """Names of the dialects that are in no table by themselves: indexed ones, and ones that nobody knows."""
        parts: dict[Entry, dict[str, Any]] = {}
        for name, value in strange:
            entry, path, unmapped = self._strange.get(name) or self._resolved(name)
            if unmapped is not None:
                self.outcome.unmapped[unmapped] += 1
            if entry.fact is None:
                so_far.kept[name] = value
                continue
            root = parts.get(entry)
            if root is None:
                root = parts[entry] = {}
            _place(root, path, value)
        for entry in sorted(parts, key=_rank):
            if entry.fact is not None and entry.rank < ranks.get(entry.fact, LAST):
                so_far.facts[entry.fact] = _listing(parts[entry])
                ranks[entry.fact] = entry.rank

    def _resolved(self, name: str) -> Strange:
        parts = name.split(".", 20)
        for length in (2, 3):
            entry = self.table.families.get(".".join(parts[:length]))
            if entry is not None:
                path = [part for part in parts[length:] if part not in WRAPPERS] or parts[length:] or [name]
                break
        else:
            dialect = self.table.namespaces[parts[0]]
            listed = ".".join("N" if part.isdigit() else part for part in name[:NAME_LENGTH].split("."))
            guess = SOUNDS_LIKE.get(parts[-1])
            rank = LAST if guess is None else GUESSED
            made = Strange(Entry(guess, rank, content, dialect), (name,), (dialect, listed))
            self._strange[name] = made
            return made
        made = self._strange[name] = Strange(entry, tuple(path))
        return made


def _rank(entry: Entry) -> int:
    return entry.rank


def _place(root: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Put a value where its path says; where a value and more parts have the same name, the parts stay."""
    node = root
    for part in path[:-1]:
        below = node.get(part)
        if type(below) is not dict:
            below = node[part] = {}
        node = below
    last = path[-1]
    if type(node.get(last)) is not dict:
        node[last] = value


def _listing(node: dict[str, Any]) -> Any:
    """`{"0": {"role": "user", "content": "Hi"}}` as `[{"role": "user", "content": "Hi"}]`, in the order of indexes."""
    for part, below in node.items():
        if type(below) is dict:
            node[part] = _listing(below)
    first = next(iter(node), "")
    if first.isdecimal() and all(part.isdecimal() and len(part) < 7 for part in node):
        return [node[part] for part in sorted(node, key=int)]
    return node
