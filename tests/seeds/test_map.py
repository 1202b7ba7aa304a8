"""Everything that the documents have is mapped, and everything that the map points at is there."""

from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from monitor import upkeep
from monitor.app import create_app
from monitor.compose import make_deps
from monitor.db import Database
from monitor.ingest import Ingest
from monitor.settings import Settings
from tests.seeds import documents, names, seedmap, targets
from tests.seeds.seedmap import Entry, Fate
from tests.seeds.targets import Targets

KINDS = ("tables", "fields", *documents.KINDS)


@pytest.fixture(scope="module")
def mapped() -> dict[str, dict[str, Entry]]:
    """The map."""
    return seedmap.read()


@pytest.fixture
async def there(db: Database, tmp_path: Path) -> Targets:
    """What there is, of a migrated database and of the application over it."""
    everything = Settings(
        data_dir=tmp_path, disk_reserve=0, database_url="postgresql://one@two/three", backup_dir=tmp_path
    )
    deps = make_deps(everything, db)
    async with db.owner() as owner:
        catalogue = await targets.catalogue_of(owner)
    return Targets(catalogue, create_app(deps, Ingest(deps)), upkeep.jobs_of(deps, AsyncExitStack()))


@pytest.mark.parametrize("number", sorted(names.known()))
def test_every_name_of_a_document_is_mapped(number: str, mapped: dict[str, dict[str, Entry]]) -> None:
    """And nothing is mapped that no document has."""
    has = names.known()[number].has
    wanted, have = set(names.names_of(has)), set(mapped[number])
    fates = Counter((one.kind, one.fate) for one in mapped[number].values())
    for kind in (kind for kind in KINDS if (kind, Fate.THERE) in fates or (kind, Fate.TO_DO) in fates):
        total = {"tables": len(has.tables), "fields": has.fields}.get(kind) or len(getattr(has, kind))
        counts = {fate: fates[kind, fate] for fate in Fate}
        said = ", ".join(f"{count} {fate}" for fate, count in counts.items())
        print(f"{number} {kind}: {sum(counts.values())} of {total} mapped: {said}")
    assert sorted(wanted - have) == []
    assert sorted(have - wanted) == []


async def test_every_target_is_there(mapped: dict[str, dict[str, Entry]], there: Targets) -> None:
    """What is marked as to do is not: a mark goes when its target comes."""
    absent, present = [], []
    for number, entries in mapped.items():
        for name, one in entries.items():
            missing = [target for target in one.targets if not there.has(target)]
            if missing and not one.todo:
                absent.append(f"{number}.{name}: {', '.join(missing)}")
            if one.todo is True and one.targets and not missing:
                present.append(f"{number}.{name}: {', '.join(one.targets)}")
    assert absent == []
    assert present == []


def test_what_is_replaced_says_why_and_by_what(mapped: dict[str, dict[str, Entry]]) -> None:
    entries = [(number, one) for number, of_it in mapped.items() for one in of_it.values()]
    assert [f"{number}.{one.name}" for number, one in entries if not one.targets] == []
    silent = [(number, one) for number, one in entries if one.replaced is not None and len(one.replaced) < 20]
    assert [f"{number}.{one.name}" for number, one in silent] == []


def test_only_tables_without_fields_are_designed_here(mapped: dict[str, dict[str, Entry]]) -> None:
    """`made` says that a document only names the table."""
    made = {f"{number}.{one.name}" for number, of_it in mapped.items() for one in of_it.values() if one.made}
    bare = {f"{number}.tables.{table}" for number, known in names.known().items()
            for table, columns in known.has.tables.items() if not columns}  # fmt: skip
    assert made == bare


@pytest.mark.accept
def test_the_names_are_those_of_the_documents(seeds: Path) -> None:
    """Where the documents are at hand: they are those that were read, and are read the same."""
    found = {number: names.read(path) for number, path in documents.documents(seeds).items()}
    assert found == dict(names.known())
