"""The dialects' tables made one, so that a span is read in one pass over its attributes.

A span may speak more than one dialect: OpenLLMetry and OpenInference side by side, or a bridge that adds one's names to
the other's. Where two names tell the same fact, that of the upper dialect in DIALECTS wins, and within one dialect the
upper name in its table. The kind is what the first dialect says that does not say `other`.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from monitor.ingest.normalise import claude_code, codex, genai, general, mcp, openinference, traceloop, vercel
from monitor.ingest.normalise.dialect import Dialect, Field, Kinds, Read, content

DIALECTS = (
    general.DIALECT,
    genai.DIALECT,
    openinference.DIALECT,
    traceloop.DIALECT,
    vercel.DIALECT,
    mcp.DIALECT,
    codex.SPANS,
)

CONTENTS = frozenset({"input", "output", "system", "arguments", "result"})
"""The facts that hold what people, models and tools said."""

LAST = 1_000_000
"""The rank of what nothing tells."""

GUESSED = LAST - 1
"""The rank of a name that no table knows and that sounds like contents."""


class Entry(NamedTuple):
    """What one attribute tells, with its rank: the lower wins. Without a fact the attribute is kept as it is."""

    fact: str | None
    rank: int
    read: Read
    dialect: str


class Table(NamedTuple):
    """All that is known of names."""

    entries: Mapping[str, Entry]
    families: Mapping[str, Entry]
    namespaces: Mapping[str, str]
    """First parts of names, with the dialect whose they are."""

    kinds: tuple[tuple[str, Kinds], ...]
    """The facts that say a step's kind, in order."""


def table_of(dialects: Iterable[Dialect]) -> Table:
    """The dialects' tables as one; the upper dialect wins."""
    entries: dict[str, Entry] = {}
    families: dict[str, Entry] = {}
    namespaces: dict[str, str] = {}
    kinds: list[tuple[str, Kinds]] = []
    rank = 0

    def add(table: dict[str, Entry], fields: Mapping[str, Field], dialect: str) -> None:
        nonlocal rank
        for name, field in fields.items():
            rank += 1
            table.setdefault(name, Entry(field.fact, rank, field.read, dialect))

    for dialect in dialects:
        add(entries, dialect.fields, dialect.name)
        add(families, dialect.families, dialect.name)
        for kept, table in ((dialect.kept, entries), (dialect.kept_families, families)):
            for name in kept:
                table.setdefault(name, Entry(None, LAST, content, dialect.name))
        for namespace in dialect.namespaces:
            namespaces.setdefault(namespace, dialect.name)
        # What goes on with an index is looked up by its first two parts, once the first is known.
        for name in families:
            namespaces.setdefault(name.partition(".")[0], dialect.name)
        kinds += dialect.kinds.items()
    return Table(entries, families, namespaces, tuple(kinds))


SPANS = table_of(DIALECTS)

CLAUDE_SPANS = table_of((claude_code.DIALECT, *DIALECTS))
"""Its names have no namespace: they mean what they say only in its own spans."""

EVENTS = {
    "gen_ai": table_of((general.DIALECT, genai.DIALECT)),
    "claude_code": table_of((claude_code.DIALECT, general.DIALECT, genai.DIALECT)),
    "codex": table_of((codex.DIALECT, general.DIALECT, genai.DIALECT)),
}
"""The tables of log events, by the first part of the event's name."""

SOUNDS_LIKE = {
    "input": "input",
    "inputs": "input",
    "messages": "input",
    "prompt": "input",
    "prompts": "input",
    "query": "input",
    "question": "input",
    "arguments": "arguments",
    "args": "arguments",
    "parameters": "arguments",
    "content": "output",
    "contents": "output",
    "text": "output",
    "output": "output",
    "outputs": "output",
    "completion": "output",
    "completions": "output",
    "response": "output",
    "answer": "output",
    "result": "result",
    "results": "result",
    "instructions": "system",
}
"""Last parts of names in a dialect's namespace that no table knows, with the contents that they probably are."""
