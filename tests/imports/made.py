"""Values of generated rows, from one seed."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

Many = list[dict[str, Any]]
Rows = dict[str, Many]
WORDS = ("review", "Prüfung", "検査", "naïve", "🦀 crab", "a'b\"c\\d", "tab\tline\nend", "", "Ω≈ç√")
STATUSES = ("pending", "running", "completed", "failed", "cancelled")
END = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAYS = 40


class Maker:
    """Values from one seed. `END` and the days before it are when everything was."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def uuid(self) -> UUID:
        """Of no version in particular."""
        return UUID(int=self.dice.getrandbits(128))

    def text(self) -> str:
        """A few words."""
        return " ".join(self.dice.choices(WORDS, k=3))

    def at(self) -> datetime:
        """Whole seconds, so that some are the same."""
        return END - timedelta(seconds=self.dice.randrange(DAYS * 86400))

    def json(self, depth: int = 3) -> Any:
        """An object of some depth."""
        if depth == 0:
            return self.dice.choice([None, True, 7, 1.5, self.text(), [1, "two", None]])
        return {f"k{place}": self.json(depth - 1) for place in range(self.dice.randrange(3))}

    def maybe(self, made: Callable[[], Any], share: float = 0.7) -> Any:
        """The value, or null."""
        return made() if self.dice.random() < share else None

    def span(self) -> dict[str, Any]:
        """A status with times that go with it."""
        status = self.dice.choice(STATUSES)
        started = None if status == "pending" else self.at()
        ended = status in STATUSES[2:] and started is not None
        completed = started + timedelta(milliseconds=self.dice.randrange(10**7)) if ended and started else None
        return {"status": status, "started_at": started, "completed_at": completed}
