"""What a dialect is: a table of names. Pure.

A table says of each attribute which fact it tells and how its value is read. Names that begin with `_` are facts of
the normaliser's own: they decide kind, agent and so on, and are in no step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from monitor.runs.steps import StepKind

NAME_LIMIT = 200
TEXT_LIMIT = 1000
PROSE_LIMIT = 64 * 1024
MOST_TOKENS = 1_000_000_000
MOST_DOLLARS = Decimal(1_000_000)
LONGEST_MS = 366 * 86_400_000.0

Read = Callable[[Any], Any]
"""A value as a fact has it, or None where it cannot be one."""


def text(value: Any) -> str | None:
    """An identifier or a word: text, or a number as text."""
    if type(value) is str:
        return value if 0 < len(value) <= TEXT_LIMIT else None
    return str(value) if type(value) is int else None


def name(value: Any) -> str | None:
    """What becomes the external id of something."""
    return value if type(value) is str and 0 < len(value) <= NAME_LIMIT else None


def prose(value: Any) -> str | None:
    """A message of an error or a trace of calls, cut where it is too long."""
    return value[:PROSE_LIMIT] if type(value) is str and value else None


def error_type(value: Any) -> str | None:
    """The kind of an error. Python's `str` of a class is its name."""
    found = text(value)
    if found is not None and found.startswith("<class '") and found.endswith("'>"):
        return found[len("<class '") : -len("'>")]
    return found


def content(value: Any) -> Any:
    """What people, models and tools said, as the sender spells it."""
    return value


def count(value: Any) -> int | None:
    """Tokens: a whole number from 0 to a billion, which some senders spell as text or as a float."""
    if type(value) is str:
        try:
            value = int(value) if len(value) <= 20 else None
        except ValueError:
            return None
    elif type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def milliseconds(value: Any) -> float | None:
    """A length of time in milliseconds."""
    if type(value) is str:
        try:
            value = float(value)
        except ValueError:
            return None
    return float(value) if type(value) in (int, float) and 0 <= value <= LONGEST_MS else None


def seconds(value: Any) -> float | None:
    """A length of time in seconds, as milliseconds."""
    return milliseconds(value * 1000) if type(value) in (int, float) else None


def dollars(value: Any) -> str | None:
    """Money in US dollars as decimal text: a float is what its shortest spelling says."""
    if type(value) not in (int, float, str) or (type(value) is str and len(value) > 40):
        return None
    try:
        exact = Decimal(str(value))
    except InvalidOperation:
        return None
    # Comparing a NaN that signals raises, so that finite comes first.
    return format(exact, "f") if exact.is_finite() and 0 <= exact <= MOST_DOLLARS and exact.adjusted() > -20 else None


def number(value: Any) -> float | None:
    """A score: any finite number. OTLP spells the others as text."""
    return float(value) if type(value) in (int, float) and abs(value) < 1e300 else None


def words(value: Any) -> list[str] | None:
    """A list of words, or one."""
    if type(value) is str:
        return [value] if 0 < len(value) <= TEXT_LIMIT else None
    if type(value) is list and len(value) <= 100:
        kept = [word for word in value if type(word) is str and 0 < len(word) <= TEXT_LIMIT]
        return kept or None
    return None


def attempts(value: Any) -> int | None:
    """How often something was tried, as how often it was tried again."""
    tries = count(value)
    return None if tries is None else max(tries - 1, 0)


def success(value: Any) -> bool | None:
    """Whether something went well, which some senders spell as text."""
    if type(value) is bool:
        return value
    return {"true": True, "false": False}.get(value) if type(value) is str else None


class Field(NamedTuple):
    """What an attribute tells."""

    fact: str
    read: Read = text


def names(spaced: str, *, prefix: str = "") -> frozenset[str]:
    """Names that are written with blanks between them."""
    return frozenset(prefix + word for word in spaced.split())


Kinds = Mapping[str, StepKind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way to speak of runs.

    `fields`: attributes that tell a fact; of two that tell the same one, the upper wins. `families`: the first two
    or three parts of names that go on with an index or a key (`llm.input_messages.0.message.role`), all of which
    together tell one fact. `kinds`: for the facts that decide the kind of a step, what each value makes it. `kept`:
    names that are known and tell no fact, so that they stay attributes; `kept_families`, likewise. `namespaces`: the
    first parts of names that are this dialect's: one that no table knows is listed as unmapped.
    """

    name: str
    fields: Mapping[str, Field]
    families: Mapping[str, Field] = field(default_factory=dict)
    kinds: Mapping[str, Kinds] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    kept_families: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
