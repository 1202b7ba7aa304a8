"""What the documents have, as facts that stand beside the suite: names, types and keys, and a digest of each text.

    python -m tests.seeds.names FOLDER    writes names.json anew from the documents

The documents themselves are other people's text and are not kept here: `pytest --seeds FOLDER` reads them again.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from tests.seeds.documents import KINDS, Document, documents, parse

FILE = Path(__file__).parent / "names.json"


@dataclass(frozen=True, slots=True)
class Known:
    """A document as it was read: the SHA-256 of its text, and what it has."""

    sha256: str
    has: Document


def read(path: Path) -> Known:
    """One document."""
    given = path.read_bytes()
    return Known(hashlib.sha256(given).hexdigest(), parse(given.decode()))


@cache
def known() -> MappingProxyType[str, Known]:
    """All five, by their three digits."""
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    return MappingProxyType({number: Known(one.pop("sha256"), Document(**one)) for number, one in stored.items()})


def names_of(document: Document) -> Iterator[str]:
    """Everything that a document has, as the map names it."""
    for table, columns in document.tables.items():
        yield f"tables.{table}"
        yield from (f"tables.{table}.{column}" for column in columns)
    for kind in KINDS:
        yield from (f"{kind}.{name}" for name in getattr(document, kind))


def main(folder: Path) -> int:
    """Write the file."""
    found = {number: read(path) for number, path in documents(folder).items()}
    stored = {number: {"sha256": one.sha256, **asdict(one.has)} for number, one in found.items()}
    FILE.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for number, one in found.items():
        sys.stdout.write(f"{number}: {len(one.has.tables)} tables, {sum(1 for _ in names_of(one.has))} names\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
