"""Rows of `alert_configs` as the tick reads them: loaded once a version, parsed, and locked while it saves."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.condition import ConditionError, Leaf, leaves
from alerts.core.rule import Rule, parse_rule
from alerts.targets import DueTarget, pairs_of
from monitor import arrays

RuleKey = tuple[UUID, UUID]
"""(tenant, rule)."""

_LOAD = text("""
    SELECT c.tenant_id, c.id, c.version, c.name, c.conditions, c.timing, c.channels, c.severity, c.labels
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS wanted (tenant_id, id)
    JOIN alert_configs c ON c.tenant_id = wanted.tenant_id AND c.id = wanted.id
""")
# Shared with other ticks, not with whoever changes the rule: nothing is saved by a rule that is not so any more.
_LOCK = text("""
    SELECT c.tenant_id, c.id, c.version
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS wanted (tenant_id, id)
    JOIN alert_configs c ON c.tenant_id = wanted.tenant_id AND c.id = wanted.id
    WHERE c.enabled AND c.deleted_at IS NULL
    ORDER BY c.tenant_id, c.id
    FOR SHARE OF c
""")
_FAULTS = text("""
    UPDATE alert_configs c SET last_error = f.error
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:errors AS text[])) AS f (tenant_id, id, error)
    WHERE c.tenant_id = f.tenant_id AND c.id = f.id AND c.last_error IS DISTINCT FROM f.error
""")


@dataclass(frozen=True, slots=True)
class LoadedRule:
    """A rule at one version. `rule` is None, and `fault` says why, where the row cannot be read."""

    key: RuleKey
    version: int
    name: str
    rule: Rule | None
    leaves: tuple[Leaf, ...] = ()
    fault: str | None = None


class RuleCache:
    """Parsed rules by (rule, version), the least recently used forgotten."""

    def __init__(self, *, at_most: int = 50_000, tick: timedelta | None = None) -> None:
        """`tick` is the distance between two evaluations, a timedelta; None: the core's default."""
        self._rules: OrderedDict[tuple[RuleKey, int], LoadedRule] = OrderedDict()
        self._at_most = at_most
        self._tick = tick

    async def load(self, connection: AsyncConnection, due: Iterable[DueTarget]) -> dict[RuleKey, LoadedRule]:
        """The rules of these targets, at the versions that the rows have now."""
        wanted = {((one.key.tenant_id, one.key.config_id), one.version) for one in due}
        missing = [key for key in wanted if key not in self._rules]
        loaded: dict[RuleKey, LoadedRule] = {}
        for key in wanted - set(missing):
            self._rules.move_to_end(key)
            loaded[key[0]] = self._rules[key]
        if missing:
            rows = await connection.execute(_LOAD, pairs_of([key for key, _ in missing]))
            for row in rows:
                made = self._parse(row)
                self._rules[made.key, made.version] = loaded[made.key] = made
        while len(self._rules) > self._at_most:
            self._rules.popitem(last=False)
        return loaded

    def _parse(self, row: Any) -> LoadedRule:
        key = (row.tenant_id, row.id)
        try:
            rule = parse_stored(row, tick=self._tick)
        except ConditionError as error:
            return LoadedRule(key, row.version, row.name, None, fault=str(error))
        return LoadedRule(key, row.version, row.name, rule, leaves(rule.condition))


def parse_stored(row: Any, *, tick: timedelta | None = None) -> Rule:
    """The rule in a row of `alert_configs`. Raises ConditionError."""
    raw: Mapping[str, object] = {
        "conditions": row.conditions,
        "channels": row.channels or None,
        "severity": row.severity,
        "labels": row.labels or None,
        **row.timing,
    }
    return parse_rule(raw) if tick is None else parse_rule(raw, tick=tick)


async def lock(connection: AsyncConnection, rules: Sequence[LoadedRule]) -> set[RuleKey]:
    """Lock rules against change until the transaction ends; returns those that are still as they were loaded."""
    if not rules:
        return set()
    versions = {rule.key: rule.version for rule in rules}
    rows = await connection.execute(_LOCK, pairs_of(versions))
    return {(row.tenant_id, row.id) for row in rows if versions[row.tenant_id, row.id] == row.version}


async def mark_faults(connection: AsyncConnection, faults: Mapping[RuleKey, str | None]) -> None:
    """Note on each rule what went wrong with it the last time; None: nothing any more."""
    if faults:
        await connection.execute(
            _FAULTS,
            pairs_of(faults) | {"errors": arrays.texts(list(faults.values()))},
        )
