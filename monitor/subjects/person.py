"""By what a person is known: names that fill a column, and strings that name nobody else wherever they stand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import NotFound
from monitor.http.problems import uuid_of

_PERSON = text("SELECT id, email, name, first_name, last_name FROM users WHERE id = :user")
_FIND = text("SELECT id FROM users WHERE id = :id OR lower(email) = lower(:named) OR lower(username) = lower(:named)")
_CONTACTS = text("""
    SELECT DISTINCT m.kind, m.target FROM contact_methods m
    WHERE m.user_id = :user AND (CAST(:tenant AS uuid) IS NULL OR m.tenant_id = :tenant)
      AND NOT EXISTS (SELECT FROM contact_methods o WHERE o.target = m.target AND o.user_id <> m.user_id)
      AND NOT EXISTS (SELECT FROM channels c WHERE c.tenant_id = m.tenant_id AND c.target = m.target)
    ORDER BY m.target
""")
"""Ways to reach them that reach nobody else."""
_SHORTEST = 5
"""Characters of an address that is looked for in texts: a shorter one may mean anything."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody. `names`: each of them alone says who it is; `marks`: strings that stand for nobody else in any text.

    A name of one word is none: others are called so, and things are.
    """

    id: UUID
    email: str
    names: tuple[str, ...]
    marks: tuple[str, ...] = field(repr=False)


async def find(connection: AsyncConnection, named: str) -> UUID:
    """Somebody's id by it, by email address or username, among those whom the connection sees. Raises NotFound."""
    found = (await connection.execute(_FIND, {"id": uuid_of(named), "named": named})).scalar()
    if found is None:
        raise NotFound("there is no such user")
    made: UUID = found
    return made


async def read(connection: AsyncConnection, user: UUID, *, tenant: UUID | None, also: Sequence[str]) -> Person:
    """Who somebody is to a tenant, or None: to all. `also`: what callers call them beside. Raises NotFound."""
    row = (await connection.execute(_PERSON, {"user": user})).one_or_none()
    if row is None:
        raise NotFound("there is no such user")
    contacts = (await connection.execute(_CONTACTS, {"user": user, "tenant": tenant})).all()
    addresses = [row.email, *(one.target for one in contacts)]
    names = [str(user), f"user:{user}", *addresses, *(f"email:{one}" for one in addresses), *also]
    whole = [row.name, f"{row.first_name} {row.last_name}" if row.first_name and row.last_name else None]
    marks = [one for one in addresses if len(one) >= _SHORTEST] + [one for one in whole if one and " " in one.strip()]
    lower = [one.lower() for one in names]
    return Person(user, row.email, tuple(dict.fromkeys([*names, *lower])), (str(user), *dict.fromkeys(marks)))


@dataclass(frozen=True, slots=True)
class Replaced:
    """What stands for a person after the erasure `id`: that id for theirs, and words for the other marks.

    `patterns`: what is looked for in texts, `documents`: in JSON, both as regular expressions; `words`: in their place.
    """

    alias: UUID
    word: str
    patterns: tuple[str, ...]
    documents: tuple[str, ...]
    words: tuple[str, ...]


def replaced(person: Person, erasure: UUID) -> Replaced:
    """The same for the same erasure, whenever it is asked for."""
    word = f"erased-{erasure.hex[-12:]}"
    words = [str(erasure)]
    for place, mark in enumerate(person.marks[1:]):
        name = word if place == 0 else f"{word}-{place}"
        # What was an address still is one, which no mail can reach (RFC 2606): rules that name it stay readable.
        words.append(f"{name}@erased.invalid" if "@" in mark else name)
    return Replaced(
        erasure,
        word,
        tuple(_pattern(mark) for mark in person.marks),
        tuple(_pattern(_in_json(mark)) for mark in person.marks),
        tuple(words),
    )


def binds(person: Person, stands: Replaced, tenant: UUID | None) -> dict[str, Any]:
    """What the SQL of `places` is given."""
    return {
        "user": person.id, "names": list(person.names), "alias": stands.alias, "word": stands.word, "tenant": tenant,
    }  # fmt: skip


def _in_json(mark: str) -> str:
    return mark.replace("\\", "\\\\").replace('"', '\\"')


def _pattern(mark: str) -> str:
    """A mark that is no part of a longer name or address."""
    plain = "".join(letter if letter.isalnum() or letter == " " else f"\\{letter}" for letter in mark)
    return rf"(?<![\w.+-]){plain}(?![\w-]|\.\w)"
