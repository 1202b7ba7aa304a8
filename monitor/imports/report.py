"""What became of the rows of one table: how many were read and kept, what was left out or stored otherwise. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

EXAMPLES = 10


@dataclass(slots=True)
class Note:
    """Something that was not taken over as it stood: how often, and the keys of the first rows."""

    count: int = 0
    keys: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """One table's. A row counts as read whatever becomes of it. `whole`: why none of it is brought."""

    table: str
    read: int = 0
    kept: int = 0
    notes: dict[str, Note] = field(default_factory=dict)
    missing: bool = False
    whole: str | None = None

    def note(self, why: str, key: str) -> None:
        """Remember that something was done otherwise with a row."""
        one = self.notes.setdefault(why, Note())
        one.count += 1
        if len(one.keys) < EXAMPLES:
            one.keys.append(key)

    def stored(self) -> dict[str, Any]:
        """The notes as JSON."""
        return {why: {"count": note.count, "keys": note.keys} for why, note in self.notes.items()}

    def restore(self, read: int, kept: int, notes: dict[str, Any]) -> None:
        """Go on counting."""
        self.read, self.kept = read, kept
        self.notes = {why: Note(one["count"], list(one["keys"])) for why, one in notes.items()}

    def lines(self) -> Iterator[str]:
        """As people read it."""
        if self.missing:
            yield f"{self.table}: there is no such table"
            return
        if self.whole is not None:
            yield f"{self.table}: none of {self.read:,} rows: {self.whole}"
            return
        yield f"{self.table}: {self.kept:,} of {self.read:,} rows"
        for why, note in sorted(self.notes.items()):
            more = ", …" if note.count > len(note.keys) else ""
            yield f"  {why}: {note.count:,} ({', '.join(note.keys)}{more})"
