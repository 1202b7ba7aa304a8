"""Rules as YAML: read, checked, written, and brought into a tenant and out of it again without a difference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import yaml
from pydantic import ValidationError

from alerts import configs
from alerts.bodies import RuleBody
from alerts.core.condition import ConditionError
from alerts.core.fields import Fields, check_list
from alerts.rule_routes import Edits
from monitor.errors import InvalidInput
from monitor.http.deps import Deps
from monitor.principal import Principal

_RULES_AT_MOST = 10_000
_PLAIN = ("name", "agent", "selector", "conditions")
_OPTIONAL = ("channels", "labels", "runbook", "owner")


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A file's rules, each as it is sent to the API, and its tests as they are written."""

    rules: tuple[Mapping[str, Any], ...]
    tests: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """How many rules were made, changed, and were there already just so."""

    created: int = 0
    changed: int = 0
    same: int = 0


def read_file(document: str) -> RuleFile:
    """The rules and tests of a YAML document. Raises InvalidInput, with the place of the first fault as its path."""
    try:
        # The safe loader makes nothing but plain values.
        raw = yaml.safe_load(document)
    except yaml.YAMLError as fault:
        raise InvalidInput(f"not YAML: {' '.join(str(fault).split())}") from fault
    try:
        fields = Fields(raw, "")
        fields.allow(("rules", "tests"))
        rules = check_list(fields.require("rules"), "rules", at_most=_RULES_AT_MOST)
        tests = check_list(fields.raw["tests"], "tests", at_most=_RULES_AT_MOST) if fields.has("tests") else []
    except ConditionError as error:
        raise InvalidInput(error.message, path=error.path or None) from error
    seen: set[str] = set()
    checked: list[Mapping[str, Any]] = []
    for number, rule in enumerate(rules):
        name = check_rule(rule, f"rules[{number}]")
        checked += [rule] if isinstance(rule, Mapping) else []
        if name in seen:
            raise InvalidInput(f"there are two rules named {name!r}", path=f"rules[{number}].name")
        seen.add(name)
    return RuleFile(tuple(checked), tuple(tests))


def check_rule(raw: Any, path: str) -> str:
    """A rule's name, if all else in it is right as well. Raises InvalidInput."""
    try:
        body = RuleBody.model_validate(raw)
        # What is shown of a secret stands for the stored one when the rule is brought in.
        configs.draft(body.model_dump(by_alias=True), agent_id=None, shown=True)
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join([path, *(str(part) for part in first["loc"])])
        raise InvalidInput(first["msg"], path=where) from fault
    except ConditionError as error:
        raise InvalidInput(error.message, path=f"{path}.{error.path}" if error.path else path) from error
    return body.name


def write_file(rules: Sequence[Any]) -> str:
    """The document of stored rules, by name; secrets are covered. `read_file` makes the same rules of it again."""
    written = [_plain(row) for row in sorted(rules, key=lambda row: (row.name, row.id))]
    return yaml.safe_dump({"rules": written}, sort_keys=False, allow_unicode=True, width=100)


async def stored_rules(deps: Deps, tenant_id: UUID) -> list[Any]:
    """All rules of a tenant."""
    async with deps.db.tenant(tenant_id) as connection:
        rows = await configs.list_rules(connection, tenant_id, limit=_RULES_AT_MOST, after=None)
    return list(rows)


async def import_rules(deps: Deps, principal: Principal, file: RuleFile) -> Imported:
    """Make or change rules by their names, as somebody who calls the API; rules that the file does not name stay.

    Raises InvalidInput where a name fits several stored rules.
    """
    by_name: dict[str, list[Any]] = {}
    for row in await stored_rules(deps, principal.tenant_id):
        by_name.setdefault(row.name, []).append(row)
    created = changed = same = 0
    edits = Edits(deps)
    for raw in file.rules:
        body = RuleBody.model_validate(raw)
        known = by_name.get(body.name, [])
        if len(known) > 1:
            raise InvalidInput(f"there are {len(known)} rules named {body.name!r}: rename all but one first")
        if not known:
            await edits.create(principal, body)
            created += 1
            continue
        answer = await edits.change(principal, known[0].id, body, whole=True)
        changed += answer.version != known[0].version
        same += answer.version == known[0].version
    return Imported(created, changed, same)


def _plain(row: Any) -> dict[str, Any]:
    rule = {name: getattr(row, name) for name in _PLAIN if getattr(row, name) is not None}
    rule |= configs.without_secrets({name: row.timing[name] for name in configs.TIMING if name in row.timing})
    rule["severity"] = row.severity
    more = {name: getattr(row, name) for name in _OPTIONAL} | {"channels": configs.without_secrets(row.channels)}
    rule |= {name: value for name, value in more.items() if value not in (None, {}, [])}
    return rule if row.enabled else rule | {"enabled": False}
