"""One pass over attributes: what they tell, and what stays of them. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor.ingest.normalise.dialect import names
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


def told(attributes: Mapping[str, Any], table: Table, outcome: Normalised) -> Told:
    """What attributes tell. What a table does not know, or cannot be, is counted in `outcome`."""
    entries, _families, namespaces, _kinds = table
    facts: dict[str, Any] = {}
    ranks: dict[str, int] = {}
    kept: dict[str, Any] = {}
    others: list[tuple[str, Any]] = []
    for name, value in attributes.items():
        entry = entries.get(name)
        if entry is None:
            if name.partition(".")[0] in namespaces:
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
                outcome.misfits[dialect, name] += 1
    if others:
        _others(others, table, Told(facts, kept), ranks=ranks, outcome=outcome)
    return Told(facts, kept)


def _others(
    strange: list[tuple[str, Any]], table: Table, so_far: Told, *, ranks: dict[str, int], outcome: Normalised
) -> None:
    """Names of the dialects that are in no table by themselves: indexed ones, and ones that nobody knows."""
    parts: dict[Entry, dict[str, Any]] = {}
    for name, value in strange:
        prefix, entry = _family(name, table)
        if entry is not None:
            if entry.fact is None:
                so_far.kept[name] = value
            else:
                parts.setdefault(entry, {})[name[len(prefix) + 1 :]] = value
            continue
        dialect = table.namespaces[name.partition(".")[0]]
        outcome.unmapped[dialect, _listed(name)] += 1
        guess = SOUNDS_LIKE.get(name.rpartition(".")[2])
        if guess is None:
            so_far.kept[name] = value
        else:
            parts.setdefault(Entry(guess, GUESSED, str, dialect), {})[name.replace(".", "_")] = value
    for entry in sorted(parts, key=lambda entry: entry.rank):
        if entry.fact is not None and entry.rank < ranks.get(entry.fact, LAST):
            so_far.facts[entry.fact] = nested(parts[entry])
            ranks[entry.fact] = entry.rank


def _family(name: str, table: Table) -> tuple[str, Entry | None]:
    parts = name.split(".", 3)
    prefix = ".".join(parts[:2])
    entry = table.families.get(prefix)
    if entry is None and len(parts) > 2:
        prefix = ".".join(parts[:3])
        entry = table.families.get(prefix)
    return prefix, entry


def content_fact(name: str, table: Table) -> str | None:
    """Which contents an attribute holds, surely or probably; None where it holds none."""
    entry = table.entries.get(name)
    if entry is None and name.partition(".")[0] in table.namespaces:
        _prefix, entry = _family(name, table)
        if entry is None:
            return SOUNDS_LIKE.get(name.rpartition(".")[2])
    if entry is None or entry.fact is None:
        return None
    fact = entry.fact.lstrip("_")
    return fact if fact in CONTENTS else None


def _listed(name: str) -> str:
    """A name as it is listed: `llm.things.0.name` and `llm.things.1.name` are one."""
    return ".".join("N" if part.isdigit() else part for part in name[:NAME_LENGTH].split("."))


def nested(flat: Mapping[str, Any]) -> Any:
    """`{"0.message.role": "user", "0.message.content": "Hi"}` as `[{"role": "user", "content": "Hi"}]`.

    Indexes become places in a list, in their order; where a value and more parts have the same name, the parts stay.
    """
    root: dict[str, Any] = {}
    for path, value in flat.items():
        parts = [part for part in path.split(".", 20) if part not in WRAPPERS] or [path]
        node = root
        for part in parts[:-1]:
            below = node.get(part)
            if type(below) is not dict:
                below = node[part] = {}
            node = below
        if type(node.get(parts[-1])) is not dict:
            node[parts[-1]] = value
    return _listing(root)


def _listing(node: Any) -> Any:
    if type(node) is not dict:
        return node
    if node and all(part.isdecimal() and len(part) < 7 for part in node):
        return [_listing(node[part]) for part in sorted(node, key=int)]
    return {part: _listing(below) for part, below in node.items()}
