"""What the five seed documents define: tables and fields, and what else they name. Pure: text in, names out.

Read are CREATE TABLE statements (`statements.py`), tables of columns in Markdown, and lists of fields in words
(`prose.py`). A table that a document only names has no fields. Indexes, triggers, functions, policies, constraints,
queries, procedures and headings come as names too; what a document leaves unnamed is called after what it is about:
`unique agents(name)`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.seeds.prose import fields_of
from tests.seeds.statements import read_tables

_HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| *`(\w+)` *\|", re.MULTILINE)
_PHASE = re.compile(r"^### Phase \d.*?(?=^#)", re.MULTILINE | re.DOTALL)
_REDIS = re.compile(r"^([a-z]+:[\w:{}]+) = (\{[\w, ]+\})?", re.MULTILINE)
_POINT = re.compile(r"^(?:-|\*|\d+\.) +(.+)$", re.MULTILINE)
# Lists of these sections are fields, indexes or constraints, read as such, or say again what stands elsewhere.
_NO_POINTS = re.compile(
    r"overview|contents|table$|^tables|database tables|required tables|table phase|agent|workflow|phase|constraints|"
    r"keys|relationships|indexing|influxdb|summary|next steps|database schema documentation"
)


@dataclass(slots=True)
class Document:
    """What one document defines. Everything is in the order in which it stands there.

    `tables`: of each table its columns, and of each column its type and what else a statement says of it; empty where
    only words name it. `keys`: of each table the keys that are no single column's.
    """

    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    constraints: list[str] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    triggers: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    policies: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    procedures: list[str] = field(default_factory=list)
    sections: list[str] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    redis: list[str] = field(default_factory=list)
    series: list[str] = field(default_factory=list)

    @property
    def fields(self) -> int:
        """How many of all tables."""
        return sum(map(len, self.tables.values()))


KINDS = (
    "constraints", "indexes", "triggers", "functions", "policies", "queries", "procedures", "sections", "points",
    "redis", "series",
)  # fmt: skip
"""What a document has beside tables."""


def parse(text: str) -> Document:
    """A whole document."""
    made = Document()
    bare = re.sub(r"^\s*--.*$", "", text, flags=re.MULTILINE)
    for name, table in read_tables(bare):
        made.tables.setdefault(name, {}).update(table.columns)
        if table.keys:
            made.keys[name] = list(table.keys)
        _add(made.constraints, table.constraints)
    for name, columns in (*_column_tables(text), *_field_lists(text)):
        known = made.tables.setdefault(name, {})
        known.update((column, "") for column in columns if column not in known)
    for phase in _PHASE.findall(text):
        for name in re.findall(r"^- (\w+)", phase, re.MULTILINE):
            made.tables.setdefault(name, {})
    _objects(made, text, bare)
    return made


def documents(folder: Path) -> dict[str, Path]:
    """The files of the documents by their three digits."""
    return {path.name[:3]: path for path in sorted(folder.glob("[0-9][0-9][0-9]*.txt"))}


def _add(known: list[str], names: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            known.append(name)


def _section_bodies(text: str) -> Iterator[tuple[str, str]]:
    """Heading and what follows it up to the next."""
    plain = _FENCE.sub(lambda fence: re.sub(r"(?m)^#", " ", fence[0]), text)
    found = list(_HEADING.finditer(plain))
    for here, after in zip(found, [*found[1:], None], strict=True):
        yield here[2], plain[here.end() : after.start() if after else None]


def _column_tables(text: str) -> Iterator[tuple[str, list[str]]]:
    """Tables of columns, under a heading that is the table's name."""
    for title, body in _section_bodies(text):
        name, columns = title.strip("`"), _ROW.findall(body)
        if columns and re.fullmatch(r"\w+", name):
            yield name, columns


def _field_lists(text: str) -> Iterator[tuple[str, list[str]]]:
    """Lists after the line that says that they are needed, under a heading `3. Agents Table` or `chunks Table`."""
    for title, body in _section_bodies(text):
        match = re.fullmatch(r"(?:\d+\. )?([\w ]+?) Table(?: \(.*\))?", title)
        wanted = re.search(r"^Fields needed:\n((?:- .+\n)+)", body, re.MULTILINE)
        if match is None or wanted is None:
            continue
        bullets = re.findall(r"^- (.+)$", wanted[1], re.MULTILINE)
        yield match[1].lower().replace(" ", "_"), [name for bullet in bullets for name in fields_of(bullet)]


def _objects(made: Document, text: str, bare: str) -> None:
    _add(made.indexes, re.findall(r"CREATE INDEX (?:IF NOT EXISTS )?(\w+)", bare))
    _add(made.triggers, [f"{t}.{n}" for n, t in re.findall(r"TRIGGER (\w+)\s+BEFORE UPDATE ON (\w+)", bare)])
    _add(made.functions, re.findall(r"FUNCTION (\w+)\(\)\s+RETURNS", bare))
    _add(made.policies, [f"{t}.{n}" for n, t in re.findall(r"CREATE POLICY (\w+) ON (\w+)", bare)])
    for key, members in _REDIS.findall(text):
        _add(made.redis, [f"{key}#{one}" for one in re.findall(r"\w+", members)] or [key])
    history = re.search(r"^Used to store historical.*?:\n((?:- .+\n)+)", text, re.MULTILINE)
    _add(made.series, [_key(name) for name in re.findall(r"^- (.+)$", history[1], re.MULTILINE)] if history else [])
    types = re.search(r"^\*\*Metric Types:\*\*\n((?:- .+\n)+)", text, re.MULTILINE)
    _add(made.series, re.findall(r"^- `(\w+)`", types[1], re.MULTILINE) if types else [])
    for title, body in _section_bodies(text):
        _add(made.sections, [_key(title)])
        _section(made, title, body)
    for language, code in _FENCE.findall(text):
        if language == "python":
            _add(made.procedures, re.findall(r"^ *def (\w+)\(", code, re.MULTILINE))
    # What SQLAlchemy's models do for their own reading, and the two steps of a revision, are no procedures.
    made.procedures = [name for name in made.procedures if name not in ("to_dict", "upgrade", "downgrade")]


def _section(made: Document, title: str, body: str) -> None:
    """What a section has in words: indexes, constraints; and its queries by the words in front of them."""
    name = _key(re.sub(r"^\d+\. | Table.*$", "", title.strip("`"))).replace(" ", "_")
    for line in re.findall(r"^Indexes: (.+)$", body, re.MULTILINE):
        _add(made.indexes, [f"{name}({part})" for part in _index_parts(line)])
    for line in re.findall(r"^Special indexes: (.+)$", body, re.MULTILINE):
        _add(made.indexes, [f"{name}({_key(line)})"])
    for line in re.findall(r"^Constraints: (.+)$", body, re.MULTILINE):
        _add(made.constraints, [f"unique {name}({_listed(line)})"])
    if title.endswith("Constraints") or title == "Foreign Keys":
        kind = {"Foreign Key Constraints": "reference", "Unique Constraints": "unique"}.get(title, "check")
        _add(made.constraints, [f"{kind}: {_key(line)}" for line in re.findall(r"^- (.+)$", body, re.MULTILINE)])
    if title == "Foreign Keys":
        _add(made.constraints, ["reference: every one with a rule for deletes"])
    for said in re.findall(r"^\*\*Indexes:\*\*\n((?:- .+\n)+)", body, re.MULTILINE):
        _add(made.indexes, [f"{name}: {_key(line)}" for line in re.findall(r"^- (.+)$", said, re.MULTILINE)])
    if not _NO_POINTS.search(_key(title)):
        plain = _FENCE.sub("", body)
        _add(made.points, [f"{name}: {_short(line)}" for line in _POINT.findall(plain)])
    for code in (code for language, code in _FENCE.findall(body) if language == "sql"):
        _add(made.queries, [f"{name}: {_key(one)}" for one in _statements(code)])


def _statements(code: str) -> Iterator[str]:
    """A name for each statement that reads, writes rows, or sets something up beside tables."""
    for one in re.split(r";\s*(?:\n|$)", code):
        lines = [line for line in one.strip().splitlines() if line.strip()]
        remark = next((line.strip("- ") for line in lines if line.strip().startswith("--")), "")
        said = " ".join(line for line in lines if not line.strip().startswith("--"))
        match = re.match(r"\s*(SELECT|EXPLAIN|INSERT INTO (\w+)|SET LOCAL|ALTER TABLE (\w+))", said)
        if match is not None:
            table = re.search(r"FROM (\w+)", said)
            yield remark or f"{match[1].lower()} {table[1] if table and not match[2] else ''}"


def _index_parts(line: str) -> list[str]:
    line = re.sub(r"combination of (\w+) and (\w+)", r"\1+\2", line.replace(" (descending)", " desc"))
    return [_key(part) if "+" not in part else part.strip() for part in line.split(",")]


def _short(line: str) -> str:
    """The first words, or those in bold letters."""
    bold = re.match(r"\*\*(.+?)\*\*", line)
    return _key(bold[1]) if bold else " ".join(_key(line).split()[:4])


def _listed(line: str) -> str:
    match = re.search(r"combination of (\w+) and (\w+)", line)
    return f"{match[1]}, {match[2]}" if match else re.split(r"\s", line)[0]


def _key(words: str) -> str:
    return re.sub(r"[^a-z0-9_]+", " ", words.lower()).strip()
