"""Every table and column of the documents that has its place here is read by the document's importer."""

from collections import defaultdict
from types import ModuleType
from typing import Any

import pytest

from monitor.imports.given import Given
from monitor.imports.running import DOCUMENTS
from tests.imports import talking
from tests.imports.conftest import Bring
from tests.imports.doc002_known import document_002
from tests.imports.doc003_rows import document_003
from tests.imports.rows import document_000, document_004
from tests.imports.stored import FEW, filled
from tests.seeds import names, seedmap
from tests.seeds.seedmap import Fate

_MAKING = {
    "000": document_000, "001": talking.document_001, "002": document_002, "003": document_003, "004": document_004,
}  # fmt: skip


def _columns(number: str) -> dict[str, set[str]]:
    """Of each table that the document has fields for, those that are taken over."""
    mapped = seedmap.read()[number]
    return {
        table: {column for column in fields if mapped[f"tables.{table}.{column}"].fate is Fate.THERE}
        for table, fields in names.known()[number].has.tables.items()
        if fields
    }


@pytest.mark.parametrize("number", sorted(DOCUMENTS))
def test_every_table_is_brought_or_says_why_not(number: str) -> None:
    document: ModuleType = DOCUMENTS[number]
    steps = {step.table for step in document.STEPS}
    assert steps | document.LEFT_OUT.keys() == _columns(number).keys()
    assert steps & document.LEFT_OUT.keys() == set()
    assert all(len(why) > 20 for why in [*document.LEFT_OUT.values(), *document.NOT_READ.values()])


@pytest.mark.parametrize("number", sorted(DOCUMENTS))
async def test_every_column_is_read_or_says_why_not(
    number: str, scratch: str, bring: Bring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the importer reads rows, of which there are some of every kind."""
    document: ModuleType = DOCUMENTS[number]
    read: dict[str, set[str]] = defaultdict(set)
    table_of: dict[int, str] = {}
    take = type(document.STEPS[0]).take
    plain = Given.__getitem__

    async def taking(step: Any, into: Any, rows: Any, report: Any) -> Any:
        table_of[id(report)] = step.table
        return await take(step, into, rows, report)

    def reading(given: Given, column: str) -> Any:
        read[table_of[id(given._report)]].add(column)
        return plain(given, column)

    monkeypatch.setattr(type(document.STEPS[0]), "take", taking)
    monkeypatch.setattr(Given, "__getitem__", reading)
    await filled(scratch, number, _MAKING[number](FEW))
    await bring(number, scratch)
    wanted = {
        f"{table}.{column}"
        for table, columns in _columns(number).items()
        if table not in document.LEFT_OUT
        for column in columns
    }
    # Rows are named by their keys, which are read before a row is judged.
    read |= {step.table: read[step.table] | set(step.key) for step in document.STEPS}
    found = {f"{table}.{column}" for table, columns in read.items() for column in columns}
    assert sorted(wanted - found - document.NOT_READ.keys()) == []
    assert sorted(document.NOT_READ.keys() - (wanted - found)) == []
