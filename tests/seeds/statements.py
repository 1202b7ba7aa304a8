"""CREATE TABLE statements: columns, what is said of each, and keys. Pure: text in, names out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_CREATE = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+) \((.*?)\n\)(?: PARTITION[^;]*)?;", re.DOTALL)
_TABLE_LEVEL = re.compile(r"(PRIMARY KEY|UNIQUE|CHECK|FOREIGN KEY|CONSTRAINT)\b", re.IGNORECASE)
_WORDS = (("PRIMARY KEY", "key"), ("UNIQUE", "unique"), ("CHECK", "check"))


@dataclass(slots=True)
class Statement:
    """One table. `constraints`: all of them, each under a name made of its kind and what it is about."""

    columns: dict[str, str] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)


def read_tables(text: str) -> Iterator[tuple[str, Statement]]:
    """Every statement of a text, which has no lines that are remarks. Remarks at the end of a line are dropped."""
    for name, body in _CREATE.findall(text):
        yield name, _read(name, re.sub(r"--.*", "", body))


def _read(table: str, body: str) -> Statement:
    made = Statement()
    for entry in filter(None, _entries(body)):
        match = _TABLE_LEVEL.match(entry)
        if match is None:
            name, _, said = re.sub(r"\s+", " ", entry).partition(" ")
            made.columns[name] = said
            made.constraints += _of_column(table, name, said)
        else:
            named = "".join(re.findall(r"\((.*)\)", entry))
            kind = "key" if match[1].upper() == "PRIMARY KEY" else match[1].lower()
            made.keys.append(re.sub(r"\s+", " ", entry))
            made.constraints.append(f"{kind} {table}({named})")
    return made


def _entries(body: str) -> Iterator[str]:
    """The parts between commas that stand in no parentheses."""
    depth, start = 0, 0
    for place, character in enumerate(body):
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            yield body[start:place].strip()
            start = place + 1
    yield body[start:].strip()


def _of_column(table: str, name: str, said: str) -> Iterator[str]:
    said = said.upper()
    for words, kind in _WORDS:
        if words in said:
            yield f"{kind} {table}({name})"
    match = re.search(r"REFERENCES (\w+) ?\((\w+)\)", said)
    if match is not None:
        yield f"reference {table}({name}) -> {match[1].lower()}({match[2].lower()})"
