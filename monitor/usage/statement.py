"""A month's statement: lines that add up to the last decimal. Pure, exact.

What is due for calls is what they cost beyond what the plan includes. A statement that was issued never changes: when
calls of its month come, go or are priced later, a line of a later one corrects it by what would have been due more or
less. Calls that nobody knows the price of are counted in their line and cost nothing until somebody does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

NOTHING = Decimal(0)


class LineKind(StrEnum):
    """What a line is for."""

    PLAN = "plan"
    CALLS = "calls"
    INCLUDED = "included"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What calls of one agent and model came to in a month. `agent` is its external id."""

    agent: str
    model: str
    calls: int
    unpriced: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a plan costs a month, and which cost of calls is in it."""

    plan: str
    price_usd: Decimal = NOTHING
    included_usd: Decimal = NOTHING

    def due(self, usage_usd: Decimal) -> Decimal:
        """What is due for calls of this cost."""
        return max(NOTHING, usage_usd - self.included_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """A statement that was issued. `usage_usd`: the cost of calls that it and later corrections account for."""

    period_start: datetime
    terms: Terms
    usage_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. `of`: the month that a correction is for; `usage_usd`: by how much its calls cost more or less."""

    kind: LineKind
    amount_usd: Decimal
    used: Used | None = None
    of: datetime | None = None
    usage_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A month's lines, and what they come to."""

    terms: Terms
    lines: Sequence[Line] = field(default_factory=tuple)

    @property
    def usage_usd(self) -> Decimal:
        """What the month's calls cost."""
        return sum((line.amount_usd for line in self.lines if line.kind is LineKind.CALLS), NOTHING)

    @property
    def total_usd(self) -> Decimal:
        """What is due: less than nothing where corrections give back more than that."""
        return sum((line.amount_usd for line in self.lines), NOTHING)

    def counted(self, name: str) -> int:
        """The sum of `calls`, `unpriced`, `input_tokens` or `output_tokens`."""
        return sum(getattr(line.used, name) for line in self.lines if line.used is not None)


def statement(
    terms: Terms,
    used: Sequence[Used],
    *,
    issued: Sequence[Billed] = (),
    costs: Mapping[datetime, Decimal] = MappingProxyType({}),
) -> Statement:
    """The statement of a month.

    `issued`: the statements before it; `costs`: what the calls of their months cost as the ledger has it now. A month
    that `costs` does not have is left as it was billed: its sums are no longer kept.
    """
    lines = [Line(kind=LineKind.PLAN, amount_usd=terms.price_usd)]
    lines += [
        Line(kind=LineKind.CALLS, amount_usd=one.cost_usd, used=one)
        for one in sorted(used, key=lambda one: (one.agent, one.model))
    ]
    cost = sum((one.cost_usd for one in used), NOTHING)
    if free := cost - terms.due(cost):
        lines.append(Line(kind=LineKind.INCLUDED, amount_usd=-free))
    for before in sorted(issued, key=lambda one: one.period_start):
        now = costs.get(before.period_start, before.usage_usd)
        if now != before.usage_usd:
            amount = before.terms.due(now) - before.terms.due(before.usage_usd)
            lines.append(
                Line(
                    kind=LineKind.CORRECTION, amount_usd=amount, of=before.period_start,
                    usage_usd=now - before.usage_usd,
                )
            )  # fmt: skip
    return Statement(terms=terms, lines=tuple(lines))


def to_json(line: Line) -> dict[str, Any]:
    """A line as it is stored: amounts are decimal text."""
    said: dict[str, Any] = {"kind": str(line.kind), "amount_usd": _text(line.amount_usd)}
    if line.used is not None:
        one = line.used
        said |= {
            "agent": one.agent, "model": one.model or None, "calls": one.calls, "unpriced_calls": one.unpriced,
            "input_tokens": one.input_tokens, "output_tokens": one.output_tokens,
        }  # fmt: skip
    if line.of is not None and line.usage_usd is not None:
        said |= {"period_start": line.of.isoformat(), "usage_usd": _text(line.usage_usd)}
    return said


def corrected(lines: Sequence[Mapping[str, Any]]) -> dict[datetime, Decimal]:
    """By how much stored lines corrected the cost of calls of earlier months."""
    return {
        datetime.fromisoformat(line["period_start"]): Decimal(line["usage_usd"])
        for line in lines
        if line["kind"] == LineKind.CORRECTION
    }


def _text(amount: Decimal) -> str:
    return f"{amount.normalize():f}" if amount else "0"
