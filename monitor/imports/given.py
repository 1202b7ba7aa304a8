"""One row of a source as a document's importer sees it: mended, with what is told of it and what has no column here."""

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from monitor.imports import mend
from monitor.imports.into import Into
from monitor.imports.report import Report
from monitor.imports.source import Row


class LeftOut(Exception):
    """A row is not brought, for this reason."""


class Given:
    """A row. `key` names it in the report; `imported` is what has no column here and goes under that name into its
    metadata; `tenant_id` is whose it is, the importing tenant's until `belong` finds another."""

    def __init__(self, row: Row, into: Into, report: Report, key: str) -> None:
        """Values are mended, and what was wrong is noted once."""
        made, faults = mend.value(row, into.zone)
        self._row: Mapping[str, Any] = made
        self.into = into
        self.key = key
        self.imported: dict[str, Any] = {}
        self.tenant_id = into.tenant_id
        self._report = report
        self._notes: list[str] = []
        for fault in dict.fromkeys(faults):
            self.note(fault)

    def __getitem__(self, column: str) -> Any:
        """A value; None where the source has no such column."""
        return self._row.get(column)

    def note(self, why: str) -> None:
        """Tell that something was done otherwise, once it is known that the row is brought."""
        self._notes.append(why)

    def tell(self) -> None:
        """What was noted goes into the report."""
        for why in self._notes:
            self._report.note(why, self.key)

    def keep(self, column: str, why: str) -> None:
        """A value that no column here takes stands in the metadata; `why` is told."""
        self.note(f"{why}: it stands in metadata.imported")
        self.imported[column] = as_json(self[column])

    def word(self, column: str, known: Mapping[str, str] | Collection[str], otherwise: str) -> str:
        """One of the words that are known here, or what they are called here; null is `otherwise`, another word too,
        which is noted and kept."""
        said = self[column]
        if said is None or said in known:
            return otherwise if said is None else known[said] if isinstance(known, Mapping) else str(said)
        self.note(f"the {column} {said!r} is not known here: imported as {otherwise}")
        self.imported[column] = said
        return otherwise

    def object(self, column: str) -> dict[str, Any]:
        """An object; another value stands within one, under `value`."""
        said = self[column]
        if said is None or isinstance(said, dict):
            return dict(said or {})
        self.note(f"{column} that is no object stands in {column}.value")
        return {"value": said}

    def texts(self, column: str) -> list[str]:
        """A list of texts, whatever was listed."""
        return [str(one) for one in self[column] or []]

    def labels(self, column: str) -> dict[str, Any]:
        """Tags by key; those of a plain list have no value."""
        said = self[column]
        return said if isinstance(said, dict) else dict.fromkeys(self.texts(column), "")

    def within(self, column: str, least: float, most: float | None = None) -> Any:
        """A number within bounds; another one is kept beside."""
        said = self[column]
        if said is None or (least <= said and (most is None or said <= most)):
            return said
        self.keep(column, f"{column} is out of bounds")
        return None

    def metadata(self) -> dict[str, Any]:
        """The source's own, with what no column takes under `imported`: to be asked for last."""
        return self.object("metadata") | ({"imported": self.imported} if self.imported else {})

    def times(self) -> dict[str, datetime]:
        """When it was made and changed."""
        created = self["created_at"] or self.into.now
        return {"created_at": created, "updated_at": self["updated_at"] or created}

    def user(self, column: str) -> UUID | None:
        """Who somebody of the source is here; None for nobody, or one who was left out."""
        return self.into.users.get(self[column])

    def belong(self, column: str = "tenant_id") -> None:
        """Find whose it is: nobody's is the importing tenant's. Raises LeftOut where the tenant was left out."""
        found = self[column] or self.into.tenant_id
        if found != self.into.tenant_id and found not in self.into.tenants:
            raise LeftOut("there is no such tenant")
        self.tenant_id = found

    def agent(self, column: str = "agent_id") -> UUID | None:
        """An agent of its own tenant; another one is noted, and left away."""
        found: UUID | None = self[column]
        if found is None or self.into.homes.get(found) == self.tenant_id:
            return found
        self.note("its agent was left out, or is another tenant's: it names none")
        return None

    def name(self, column: str) -> str:
        """What something is called by its platform. Raises LeftOut for what can be no name here."""
        said = self[column]
        if said is None or not 1 <= len(str(said)) <= LONGEST:
            raise LeftOut(f"{column} of 1 to {LONGEST} characters is expected")
        return str(said)

    def ended(self, started: datetime | None, column: str) -> datetime | None:
        """When it ended; what is before the start is kept beside."""
        at: datetime | None = self[column]
        if at is None or started is None or at >= started:
            return at
        self.keep(column, "an end before the start was left out")
        return None


LONGEST = 200
"""Characters of a name."""


def as_json(value: Any) -> Any:
    """As JSON can say it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal | UUID) else value
