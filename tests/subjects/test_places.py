"""No column that may refer to a person is left undeclared."""

import re

from monitor.subjects.places import KEPT, PLACES
from sql.models import metadata
from tests.subjects.somebody import NAMED

LOOKS = re.compile(
    r"(^|_)(user|users|email|username|by|actor|given_by|ip_address|user_agent|participants|members|initiator|owner|contact"
    r"|first_name|last_name|avatar_url|address)(_|$)"
)
SAYS = re.compile(r"`user:|mail address|\bmembers?\b who|the person|the caller's name for the user", re.IGNORECASE)
OTHERS = {"used_tokens", "leases"}


def refers(table: str, name: str) -> bool:
    column = metadata.tables[table].columns[name]
    people = any(key.column.table.name in ("users", "memberships") for key in column.foreign_keys)
    return name != "tenant_id" and (people or bool(LOOKS.search(name)) or bool(SAYS.search(column.comment or "")))


def declared(table: str, name: str) -> bool:
    theirs = [place for place in PLACES if place.table == table]
    return (table, name) in KEPT or any(
        place.blank is None or name in place.blank or re.search(rf"\bt\.{name}\b", place.whose) for place in theirs
    )


def test_every_column_that_may_refer_to_a_person_is_declared() -> None:
    found = {(table, column) for table, one in metadata.tables.items() for column in one.columns.keys()}  # noqa: SIM118
    suspects = {pair for pair in found if refers(*pair)}
    assert len(suspects) > 40
    assert {pair for pair in suspects if not declared(*pair)} == set()


def test_what_is_declared_is_there_and_is_proven_to_go() -> None:
    for place in PLACES:
        columns = metadata.tables[place.table].columns.keys()
        assert {*(place.blank or ()), *place.sealed} <= set(columns), place.table
    assert {(table, column) for table, column in KEPT if column not in metadata.tables[table].columns} == set()
    tables = {place.table for place in PLACES if place.goes_with is None}
    assert tables - {"tenants"} <= NAMED.keys()
