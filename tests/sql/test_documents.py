"""What there is to read of the schema is what models and revisions say now."""

import re

from sql import document
from sql.models import metadata


def test_the_documents_are_made_from_the_schema() -> None:
    """`make schema` was run after the last change."""
    for name, text in document.texts().items():
        assert (document.FOLDER / name).read_text(encoding="utf-8") == text, name


def test_every_table_is_in_the_dictionary_and_in_one_diagram() -> None:
    texts = document.texts()
    assert set(re.findall(r"^### (\w+)$", texts["dictionary.md"], re.MULTILINE)) == set(metadata.tables)
    assert sorted(re.findall(r"^    (\w+) \{$", texts["er.md"], re.MULTILINE)) == sorted(metadata.tables)


def test_what_is_kept_twice_is_there() -> None:
    for name in document.KEPT:
        table, _, column = name.partition(".")
        assert table in metadata.tables, name
        assert not column or column in metadata.tables[table].columns, name


def test_every_revision_is_told_and_makes_what_it_says() -> None:
    text = document.texts()["migrations.md"]
    rows = re.findall(r"^\| (\d{4}) \| (.+?) \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    assert [number for number, *_ in rows] == [f"{place:04}" for place in range(1, len(rows) + 1)]
    made = {name for _, _, names, _ in rows for name in re.findall(r"`(\w+)`", names)}
    assert made >= set(metadata.tables)
