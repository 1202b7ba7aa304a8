"""What a bench measures, and the table of all of it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `least` and `most` are its targets; without one it is there to be known."""

    about: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def passed(self) -> bool:
        """Whether it meets its targets."""
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def target(self) -> str:
        """Its targets in words; empty where it has none."""
        if self.least is not None and self.most is not None:
            return f"{number(self.least)} to {number(self.most)}"
        if self.least is not None:
            return f"≥ {number(self.least)}"
        return "" if self.most is None else f"≤ {number(self.most)}"

    @property
    def verdict(self) -> str:
        """PASS or FAIL, or nothing for a value without a target."""
        return ("PASS" if self.passed else "FAIL") if self.target else ""


def number(value: float) -> str:
    """Three significant digits at least, thousands apart."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value == int(value) and abs(value) >= 100 else f"{value:.3g}"


def table(figures: Sequence[tuple[str, Figure]]) -> str:
    """All figures under one another, by bench."""
    rows = [("bench", "figure", "measured", "target", "")]
    rows += [(name, f.about, f"{number(f.value)} {f.unit}".rstrip(), f.target, f.verdict) for name, f in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for *cells, verdict in rows:
        name, about, measured, target = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        right = (measured.strip().rjust(widths[2]), target.strip().rjust(widths[3]))
        lines.append("  ".join((name, about, *right, verdict)).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)
