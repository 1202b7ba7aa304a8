"""A tenant whose belongings are known."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from monitor.ids import uuid7
from tests.factories import TenantMade


@dataclass(frozen=True, slots=True)
class Furnished:
    """One tenant's belongings. `word` stands in every text and document of theirs, `number` in their history."""

    tenant: TenantMade
    word: str
    agent_id: UUID
    agent: str
    ids: dict[str, UUID]
    spare_key_id: UUID

    @property
    def number(self) -> int:
        """A value that nobody else's points have."""
        return 70_000 + sum(self.word.encode())

    @property
    def trace_id(self) -> str:
        """Of the trace that they have."""
        return f"{self.number:032x}"

    @property
    def fingerprint(self) -> str:
        """Of the error that they have."""
        return f"{self.number:016x}"

    @property
    def uuids(self) -> set[str]:
        """Every identifier of theirs."""
        known = (self.tenant.id, self.tenant.key_id, self.tenant.user_id, self.agent_id, self.spare_key_id)
        return {str(one) for one in (*known, *self.ids.values())}

    def name(self, now: datetime, *names: str) -> None:
        """Make the ids of what is called so, for a slice's rows and for those that come after."""
        for one in names:
            self.ids[one] = uuid7(now)
